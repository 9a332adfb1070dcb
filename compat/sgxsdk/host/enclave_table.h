// The enclaves of this process that were created with the SDK's API, by the numbers that programs have for them.
#pragma once

#include <coffer/host.h>

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>

#include "compat/sgxsdk/include/sgx_edger8r.h"
#include "compat/sgxsdk/include/sgx_report.h"

namespace coffer::sgxsdk {

struct RunningEnclave {
  explicit RunningEnclave(Enclave loaded) : enclave(std::move(loaded)) {}

  Enclave enclave;
  std::uint32_t calls_at_once = 1;
  sgx_target_info_t target{};
  std::atomic<std::uint32_t> calls{0};                         // that are inside
  std::atomic<const sgx_edge_ocall_table_t*> ocalls{nullptr};  // of the last call, for the program's own threads

  // What a call gets whose enclave has gone: asked once how it ended.
  [[nodiscard]] sgx_status_t end_status();

 private:
  std::once_flag asked_;
  sgx_status_t end_ = SGX_ERROR_ENCLAVE_LOST;
};
using EnclaveHandle = std::shared_ptr<RunningEnclave>;

// Thread-safe, all of them. A handle keeps the enclave until its last call is over, also after remove().
[[nodiscard]] sgx_enclave_id_t add(EnclaveHandle enclave);
[[nodiscard]] EnclaveHandle find(sgx_enclave_id_t id);
[[nodiscard]] EnclaveHandle remove(sgx_enclave_id_t id);

// Answers the OCALLs of `enclave`, which must outlive it.
[[nodiscard]] HostCallHandler ocall_handler(RunningEnclave& enclave);

}  // namespace coffer::sgxsdk
