// What the image says about this enclave, and what the host said when it started it. Read once, before constructors of
// the program; without allocation.
#pragma once

#include <cstddef>
#include <cstdint>

namespace coffer::openenclave {

struct EnclaveSettings {
  std::uint64_t heap_pages = 0;  // 0: no bound of its own
  std::uint64_t stack_pages = 0;
  std::uint32_t tcs = 1;
  std::uint64_t handle = 0;     // the host's word
  std::uint32_t log_level = 0;  // oe_log_level_t; the host's word
};
[[nodiscard]] const EnclaveSettings& settings();

// Bytes of the stack of each thread: what the settings say, and enough for the C library in any case.
[[nodiscard]] std::size_t stack_bytes();

}  // namespace coffer::openenclave
