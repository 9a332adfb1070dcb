// Lanes: one block of memory for each operating-system thread that enters enclaves, holding its Lane and its alternate
// signal stack. All blocks stand in one reserved region, so that a signal handler can tell from its stack pointer
// whether, and on which lane, it runs, without thread-local storage (the FS base may be the enclave's).
#pragma once

#include <cstdint>

namespace coffer::processor {

struct Lane;

// The calling thread's lane, made at its first use and kept until the thread ends; null where the machine has no memory
// for it. Sets the thread's alternate signal stack.
[[nodiscard]] Lane* make_lane();
inline constinit thread_local Lane* lane_of_thread = nullptr;
[[nodiscard]] inline Lane* this_lane() { return lane_of_thread != nullptr ? lane_of_thread : make_lane(); }
// True where the calling thread has one: then its alternate signal stack is the lane's.
[[nodiscard]] inline bool has_lane() { return lane_of_thread != nullptr; }
// The lane whose block holds this stack address; null for any other address. Async-signal-safe, needs no TLS.
[[nodiscard]] Lane* lane_of_stack(std::uintptr_t address);
// Puts the blocks of lanes made from now on into memfd_secret where the machine gives it: what an enclave thread had in
// its registers when it trapped stands there.
void keep_lanes_secret();
// Turns Syscall User Dispatch on for lanes made from now on (rung `inline`).
void use_syscall_user_dispatch();
// The signal of interrupt_thread(): a real-time signal, unless one that debuggers do not stop at was chosen before any
// lane was made. What the process used that one for does not reach it any more.
[[nodiscard]] int interrupt_signal();
void choose_interrupt_signal(int signal);

}  // namespace coffer::processor
