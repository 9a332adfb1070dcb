// One enclave as the host library keeps it. oe_enclave_t.
#pragma once

#include <coffer/host.h>
#include <openenclave/host.h>

#include <atomic>
#include <memory>
#include <string>
#include <vector>

struct _oe_enclave {
  explicit _oe_enclave(coffer::Enclave made) : enclave(std::move(made)) {}

  coffer::Enclave enclave;
  std::string path;
  std::uint32_t tcs = 1;           // ECALLs at once
  bool shares_all_memory = false;  // rung inline
  std::vector<oe_ocall_func_t> ocalls;
  std::vector<std::uint64_t> ecalls;      // function numbers by the names' numbers; OE_ECALL_ID_NULL: it has none
  std::atomic<std::uint32_t> running{0};  // ECALLs inside
  std::atomic<bool> aborted{false}, ending{false};
};

namespace coffer::openenclave {

// One ECALL by number, with everything that every ECALL needs: threads counted, nested ones refused.
[[nodiscard]] oe_result_t call(oe_enclave_t& enclave, std::uint64_t index, std::span<const std::byte> input,
                               std::span<std::byte> output, std::size_t& written, bool switchless = false);

// The number that a function's name has in this process. Thread-safe.
[[nodiscard]] std::uint64_t number_of(const std::string& name);

// Serves an OCALL.
[[nodiscard]] CallResult serve_host_call(oe_enclave_t& enclave, const HostCall& call);

}  // namespace coffer::openenclave
