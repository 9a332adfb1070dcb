// Which signals wait for whom, and what the application wants done with them. Freestanding; thread-safe.
//
// As Linux: a standard signal is pending once, real-time signals queue. What goes to the process waits until a thread
// that does not block it takes it.
#pragma once

#include <atomic>
#include <csignal>
#include <cstdint>

#include "enclave/kernel/core/thread.h"

namespace coffer::kernel::signals {

inline constexpr int kLastSignal = 64;
inline constexpr std::uint64_t kDefault = 0, kIgnore = 1;  // handlers that are none

constexpr std::uint64_t bit_of(int signal) { return std::uint64_t{1} << (signal - 1); }
// Nobody can block or handle these.
inline constexpr std::uint64_t kUnstoppable = bit_of(SIGKILL) | bit_of(SIGSTOP);
// Raised by the application's own instructions: they come before others.
inline constexpr std::uint64_t kSynchronous =
    bit_of(SIGSEGV) | bit_of(SIGBUS) | bit_of(SIGILL) | bit_of(SIGTRAP) | bit_of(SIGFPE) | bit_of(SIGSYS);

struct Disposition {  // struct sigaction of the system call
  std::uint64_t handler = kDefault, flags = 0, restorer = 0, mask = 0;
};

// `signal` is 1 to kLastSignal in all of these.
Disposition disposition_of(int signal);
// Discards what is pending where it is to be ignored from now on.
void set_disposition(int signal, const Disposition& disposition);
// The disposition for a delivery: with SA_RESETHAND it is the last.
Disposition use_disposition(int signal);
// True where the application would see it: a handler, and `thread` does not block it.
bool handled_by(const ThreadControl& thread, int signal);
// True where the signal comes to nothing: SIG_IGN, or the default of SIGCHLD and its like. Signals that stop a process
// are among them: an enclave does not stop.
bool is_ignored(int signal);

// Puts a signal in the queue, and wakes or interrupts who is to look. 0, or EAGAIN where too many are queued.
int send_to_thread(ThreadControl& thread, const siginfo_t& info);
int send_to_process(const siginfo_t& info);

// Takes the most urgent pending signal of `wanted` that the thread may have.
bool take(ThreadControl& thread, std::uint64_t wanted, siginfo_t* info);
// What is pending for the thread, blocked or not.
std::uint64_t pending_for(const ThreadControl& thread);
// True where a signal waits that the calling thread does not block: whoever waits stops waiting, and answers EINTR.
bool interrupted();
// The calling thread takes signals of `set` itself, blocked or not (sigtimedwait), until set_waiting(0).
void set_waiting(std::uint64_t set);
// The thread's blocked signals; those that nobody can block are left out.
void set_mask(ThreadControl& thread, std::uint64_t mask);
// Nothing more comes to the thread; what was its own is lost.
void forget_thread(ThreadControl& thread);

// How many files of the process are read for signals: they are told of every new one.
extern std::atomic<std::uint32_t> signal_files;

}  // namespace coffer::kernel::signals

// What is pending for the process; entry.S looks at it.
extern "C" std::atomic<std::uint64_t> coffer_shared_signals;
