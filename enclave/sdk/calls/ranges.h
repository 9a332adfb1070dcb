// What coffer_ranges tells: ELRANGE, the arena, and whether the enclave is DEBUG. All zero outside an enclave.
#pragma once

#include <cstdint>

namespace coffer::calls {

struct MemoryRanges {
  std::uint64_t base, size, arena_base, arena_size, debug;
};
[[nodiscard]] const MemoryRanges& memory_ranges();

}  // namespace coffer::calls
