// Threads of the application. Freestanding.
#pragma once

#include <cstdint>

#include "enclave/kernel/core/thread.h"

namespace coffer::kernel {

struct CloneRequest {
  std::uint64_t flags = 0, stack = 0, parent_tid = 0, child_tid = 0, tls = 0;  // stack: where RSP shall start
};
// A new thread that goes on where `frame` is, with RAX 0. The new thread's id, or a negative errno: EAGAIN where every
// TCS is in use, EINVAL where the flags ask for anything but a thread.
std::int64_t clone_thread(const SyscallFrame& frame, const CloneRequest& request);
// Ends the calling thread; the enclave too, with status 0, where it is the last.
[[noreturn]] void exit_thread();
// Ends the enclave: files are synced, then the host is told.
[[noreturn]] void exit_process(int status);
// Ends the enclave as a signal does.
[[noreturn]] void die_of_signal(int signal);

// Sets up the calling TCS's block; `exchange_base` is checked by the caller and kept for all threads.
void init_thread_block(std::uint64_t tcs, std::uint32_t index);
void set_exchange_areas(std::uint64_t base);
std::uint32_t live_threads();
std::uint32_t current_thread_index();
// Entry of a TCS that clone_thread() prepared.
[[noreturn]] void begin_thread(std::uint64_t tcs);

inline constexpr std::uint32_t kProcessId = 1;

}  // namespace coffer::kernel
