// Futexes: waiting on and waking by an address of the application, all inside the enclave. The host only carries the
// sleeping and waking of threads, and a wake-up that it makes up costs another look. Freestanding; thread-safe.
#pragma once

#include <cstdint>

namespace coffer::kernel {

inline constexpr std::uint32_t kFutexAnyBit = ~std::uint32_t{0};

// Sleeps while *address == value. deadline_ns: monotonic time, boundary::kNoTimeout for none. 0, or -EAGAIN (the value
// differs), -ETIMEDOUT, -EINTR (a signal), -EFAULT, -EINVAL.
std::int64_t futex_wait(std::uint64_t address, std::uint32_t value, std::uint64_t deadline_ns, std::uint32_t bitset);
// Wakes at most `count` waiters whose bitset meets this one; how many.
std::int64_t futex_wake(std::uint64_t address, std::uint32_t count, std::uint32_t bitset);
// Wakes `wake_count` waiters and moves up to `move_count` others to `target`. With `expected`: -EAGAIN where *address
// is not that. How many were woken or moved.
std::int64_t futex_requeue(std::uint64_t address, std::uint32_t wake_count, std::uint32_t move_count,
                           std::uint64_t target, const std::uint32_t* expected);

// The system call, with its operations; ENOSYS for priority inheritance.
std::int64_t futex_call(std::uint64_t address, std::uint64_t operation, std::uint64_t value, std::uint64_t timeout,
                        std::uint64_t address2, std::uint64_t value3);

}  // namespace coffer::kernel
