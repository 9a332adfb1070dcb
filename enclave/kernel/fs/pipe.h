// Pipes and event counters between threads of the enclave. Freestanding; thread-safe.
#pragma once

#include <utility>

#include "enclave/kernel/fs/vfs.h"

namespace coffer::kernel::fs {

inline constexpr std::size_t kPipeCapacity = 64 * 1024;
inline constexpr std::size_t kPipeAtomic = 4096;  // PIPE_BUF: writes up to this size are never mixed with others

// The end to read from and the end to write to.
std::pair<Ref<File>, Ref<File>> make_pipe();

// eventfd(2): reads take the counter (or 1 of it for a semaphore), writes add to it.
Ref<File> make_event_counter(std::uint64_t initial, bool semaphore);

}  // namespace coffer::kernel::fs
