// SHA-256 of everything that the program writes to the host's standard output, where the host has asked for a report on
// it. Freestanding; thread-safe.
#pragma once

#include <cstddef>
#include <span>

#include "enclave/kernel/support/crypto.h"

namespace coffer::kernel::fs {

// From now on what is written counts. Once, before the program runs.
void begin_output_digest();
[[nodiscard]] bool has_output_digest();

// While this lives, no other thread writes to standard output: bytes are counted in the order in which they leave. Does
// nothing where there is no digest.
class OutputTurn {
 public:
  OutputTurn();
  ~OutputTurn();
  OutputTurn(const OutputTurn&) = delete;
  OutputTurn& operator=(const OutputTurn&) = delete;
  void wrote(std::span<const std::byte> bytes);
};

// The digest. Nothing can be written to standard output any more: threads that try wait for ever. False where another
// thread is in the middle of writing, and does not come to an end.
[[nodiscard]] bool finish_output_digest(std::span<std::byte, kSha256Size> digest);

}  // namespace coffer::kernel::fs
