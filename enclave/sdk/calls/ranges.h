// What coffer_ranges tells: ELRANGE, the arena, whether the enclave is DEBUG, and how many threads the image has for
// the program. All zero outside an enclave.
#pragma once

#include <cstdint>

namespace coffer::calls {

struct MemoryRanges {
  std::uint64_t base, size, arena_base, arena_size, debug, threads;
};
[[nodiscard]] const MemoryRanges& memory_ranges();

}  // namespace coffer::calls
