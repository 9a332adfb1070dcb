// Memory that is committed when it is mapped, not at its first touch: for DEBUG enclaves under a debugger of their
// host's process, which stops at every fault. Freestanding; thread-safe.
#pragma once

#include <cstdint>

namespace coffer::kernel {

// At start, where the host says so. Nothing for production enclaves: what they commit, and when, is theirs.
void use_early_memory();

// [address, address + size), page-aligned, has just become writable. Of a large stack only the end is committed, and
// nothing beyond half of the heap's limit: the rest waits for its first touch as ever.
void commit_early(std::uint64_t address, std::uint64_t size);

}  // namespace coffer::kernel
