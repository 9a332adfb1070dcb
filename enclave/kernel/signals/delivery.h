// Running the application's handlers: frames on its stack, and the way back. Freestanding.
//
// A handler begins where the application would have gone on. What it interrupted stands on its stack as the System V
// ABI and Linux have it (struct rt_sigframe): siginfo, ucontext, vector state; rt_sigreturn goes on from there.
#pragma once

#include <sys/syscall.h>

#include <cstdint>

#include "enclave/kernel/core/thread.h"
#include "enclave/kernel/syscalls/syscall.h"

namespace coffer::kernel::signals {

// What became of a call that answered EINTR.
enum class Interruption {
  kRepeat,     // no handler was to run: the call goes on
  kDelivered,  // the frame leads to a handler, whose end answers EINTR or makes the call again
};
// `frame` is that of call `number`, whose result would be EINTR.
Interruption after_interruption(SyscallFrame& frame, std::uint64_t number);

// A call that answers EPIPE raises SIGPIPE, where it is one that writes and does not ask for silence.
void note_broken_pipe(std::uint64_t number, const SyscallArguments& arguments);

// Calls that wait under a signal mask of their own: ppoll and its like. The mask is the thread's until the call is
// over, or a handler's frame has kept the old one.
constexpr bool waits_under_mask(std::uint64_t number) {
  return number == SYS_ppoll || number == SYS_pselect6 || number == SYS_epoll_pwait || number == SYS_epoll_pwait2;
}
std::int64_t wait_under_mask(std::uint64_t number, const SyscallArguments& arguments, SyscallHandler handler);

// rt_sigreturn of the calling thread, whose system-call frame this is.
[[noreturn]] void return_from_handler(const SyscallFrame& frame);

}  // namespace coffer::kernel::signals
