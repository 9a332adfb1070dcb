// Timers that raise signals, and the kernel's own thread, which waits for them and for the host's signals.
// Freestanding; thread-safe.
//
// The passing of time is the host's word: it can let a timer be late, never early by the clocks that the enclave sees,
// and never make it anything but late.
#pragma once

#include <csignal>
#include <cstdint>
#include <ctime>

namespace coffer::kernel::signals {

// The thread block that the image has beside those of the program, its last.
bool is_service_thread(std::uint32_t index);
// From now on the host's signals come in, and timers go off. Does nothing where it was done. False where the host gives
// no thread.
bool start_service();
// The service thread's life; from its first entry.
[[noreturn]] void serve();

// Memory may have become unused: where nobody wants it for some time, the service thread gives it back to the platform.
void release_memory_later();

inline constexpr std::uint64_t kNever = ~std::uint64_t{0};

struct TimerSetting {
  std::uint64_t value_ns = 0, interval_ns = 0;  // time left, and what follows
};
struct TimerTarget {
  bool none = false;            // SIGEV_NONE
  std::uint32_t thread_id = 0;  // SIGEV_THREAD_ID; 0: the process
  siginfo_t info{};             // what is sent
};

// setitimer's three, by ITIMER_*; then timer_create's.
inline constexpr int kIntervalTimers = 3;

// A timer's number, or -EAGAIN where there are too many, -EINVAL for a clock that has none.
std::int64_t create_timer(clockid_t clock, const TimerTarget& target);
// 0, or -EINVAL for a number that is none.
std::int64_t delete_timer(std::int64_t number);
std::int64_t set_timer(std::int64_t number, const TimerSetting& setting, bool absolute, TimerSetting* before);
std::int64_t read_timer(std::int64_t number, TimerSetting* now);
std::int64_t overrun_of(std::int64_t number);
// ITIMER_*: 0 or -EINVAL.
std::int64_t set_interval_timer(std::uint64_t which, const TimerSetting& setting, TimerSetting* before);
std::int64_t read_interval_timer(std::uint64_t which, TimerSetting* now);

// Fills in si_overrun of a timer's signal that is being delivered.
void note_delivery(siginfo_t* info);

// A time of one of the clocks a program may name; false for no clock. Nanoseconds.
bool read_clock_ns(std::uint64_t clock, std::uint64_t* now);

}  // namespace coffer::kernel::signals
