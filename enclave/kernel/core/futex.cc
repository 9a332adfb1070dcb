#include "enclave/kernel/core/futex.h"

#include <atomic>
#include <cerrno>
#include <cstring>
#include <ctime>

#include "boundary/calls.h"
#include "enclave/kernel/core/locks.h"
#include "enclave/kernel/core/thread.h"
#include "enclave/kernel/core/threads.h"
#include "enclave/kernel/fs/clock.h"
#include "enclave/kernel/signals/pending.h"
#include "enclave/kernel/syscalls/syscall.h"

namespace coffer::kernel {

namespace {

// On the waiting thread's kernel stack, linked into a bucket while it waits.
struct Waiter {
  std::atomic<std::uint64_t> address;
  std::uint32_t bitset;
  std::uint32_t thread;
  std::atomic<bool> woken{false};
  Waiter* next = nullptr;
};

struct Bucket {
  SpinLock lock;
  Waiter* first = nullptr;
  Waiter* last = nullptr;

  void append(Waiter* waiter) {
    waiter->next = nullptr;
    (last == nullptr ? first : last->next) = waiter;
    last = waiter;
  }
  // Takes `waiter`, whose predecessor is `previous` (null: the first), out.
  void take_out(Waiter* waiter, Waiter* previous) {
    (previous == nullptr ? first : previous->next) = waiter->next;
    if (last == waiter) last = previous;
  }
  bool remove(Waiter* waiter) {
    Waiter* previous = nullptr;
    for (Waiter* at = first; at != nullptr; previous = at, at = at->next) {
      if (at != waiter) continue;
      take_out(at, previous);
      return true;
    }
    return false;
  }
};

constexpr std::size_t kBuckets = 256;
Bucket buckets[kBuckets];

Bucket& bucket_of(std::uint64_t address) { return buckets[(address >> 2 ^ address >> 12) % kBuckets]; }

// Threads to wake once no lock is held.
class WakeList {
 public:
  void add(Waiter* waiter) {
    threads_[count_++] = waiter->thread;
    waiter->woken.store(true, std::memory_order_release);  // the waiter may be gone from here on
  }
  [[nodiscard]] bool full() const { return count_ == kRoom; }
  void wake_all() {
    for (std::size_t i = 0; i < count_; ++i) unpark(threads_[i]);
    count_ = 0;
  }

 private:
  static constexpr std::size_t kRoom = 64;
  std::uint32_t threads_[kRoom];
  std::size_t count_ = 0;
};

std::uint32_t read_word(std::uint64_t address) {
  return std::atomic_ref(*reinterpret_cast<std::uint32_t*>(address)).load();
}

int check_address(std::uint64_t address) {
  if (address % sizeof(std::uint32_t) != 0) return -EINVAL;
  return user_range(address, sizeof(std::uint32_t), false) ? 0 : -EFAULT;
}

// Takes the waiter out of whatever bucket it is in by now; false where it has been woken.
bool withdraw(Waiter& waiter) {
  while (!waiter.woken.load(std::memory_order_acquire)) {
    const std::uint64_t address = waiter.address.load();
    Bucket& bucket = bucket_of(address);
    const LockGuard guard(bucket.lock);
    if (waiter.address.load() == address && bucket.remove(&waiter)) return true;
  }
  return false;
}

std::uint32_t wake_some(std::uint64_t address, std::uint32_t count, std::uint32_t bitset, WakeList& list) {
  Bucket& bucket = bucket_of(address);
  const LockGuard guard(bucket.lock);
  std::uint32_t woken = 0;
  Waiter* previous = nullptr;
  for (Waiter* at = bucket.first; at != nullptr && woken < count && !list.full();) {
    Waiter* next = at->next;
    if (at->address.load() == address && (at->bitset & bitset) != 0) {
      bucket.take_out(at, previous);
      list.add(at);
      ++woken;
    } else {
      previous = at;
    }
    at = next;
  }
  return woken;
}

}  // namespace

std::int64_t futex_wait(std::uint64_t address, std::uint32_t value, std::uint64_t deadline_ns, std::uint32_t bitset) {
  if (const int bad = check_address(address); bad != 0) return bad;
  if (bitset == 0) return -EINVAL;
  Waiter waiter{address, bitset, current_thread_index()};
  {
    Bucket& bucket = bucket_of(address);
    const LockGuard guard(bucket.lock);
    if (read_word(address) != value) return -EAGAIN;
    bucket.append(&waiter);
  }
  while (!waiter.woken.load(std::memory_order_acquire)) {
    std::uint64_t left = boundary::kNoTimeout;
    if (deadline_ns != boundary::kNoTimeout) {
      const std::uint64_t now = fs::monotonic_now_ns();
      if (now >= deadline_ns) return withdraw(waiter) ? -ETIMEDOUT : 0;
      left = deadline_ns - now;
    }
    if (signals::interrupted() && withdraw(waiter)) return -EINTR;
    park(left);
  }
  return 0;
}

std::int64_t futex_wake(std::uint64_t address, std::uint32_t count, std::uint32_t bitset) {
  if (const int bad = check_address(address); bad != 0) return bad;
  std::uint32_t total = 0;
  while (total < count) {
    WakeList list;
    const std::uint32_t woken = wake_some(address, count - total, bitset, list);
    list.wake_all();
    total += woken;
    if (woken == 0) break;
  }
  return total;
}

std::int64_t futex_requeue(std::uint64_t address, std::uint32_t wake_count, std::uint32_t move_count,
                           std::uint64_t target, const std::uint32_t* expected) {
  if (int bad = check_address(address); bad != 0) return bad;
  if (int bad = check_address(target); bad != 0) return bad;
  if (expected != nullptr && read_word(address) != *expected) return -EAGAIN;
  WakeList list;
  std::uint32_t done = wake_some(address, wake_count, kFutexAnyBit, list);
  list.wake_all();
  Bucket& from = bucket_of(address);
  Bucket& to = bucket_of(target);
  // Always in the order of their addresses, so that two movers never wait for each other.
  Bucket& low = &from < &to ? from : to;
  Bucket& high = &from < &to ? to : from;
  const LockGuard guard(low.lock);
  if (&low != &high) high.lock.lock();
  Waiter* previous = nullptr;
  for (Waiter* at = from.first; at != nullptr && move_count != 0 && address != target;) {
    Waiter* next = at->next;
    if (at->address.load() == address) {
      from.take_out(at, previous);
      at->address.store(target);
      to.append(at);
      --move_count;
      ++done;
    } else {
      previous = at;
    }
    at = next;
  }
  if (&low != &high) high.lock.unlock();
  return done;
}

namespace {

// The deadline in monotonic time that a futex timeout means; false where it is no time.
bool deadline_of(std::uint64_t timeout, bool absolute, bool realtime, std::uint64_t* deadline) {
  *deadline = boundary::kNoTimeout;
  if (timeout == 0) return true;
  timespec time{};
  std::memcpy(&time, reinterpret_cast<const void*>(timeout), sizeof(time));
  if (time.tv_sec < 0 || time.tv_nsec < 0 || time.tv_nsec >= 1'000'000'000) return false;
  constexpr std::uint64_t kSecond = 1'000'000'000;
  constexpr std::uint64_t kForever = std::uint64_t{1} << 62;
  const auto seconds = static_cast<std::uint64_t>(time.tv_sec);
  std::uint64_t when =
      seconds >= kForever / kSecond ? kForever : seconds * kSecond + static_cast<std::uint64_t>(time.tv_nsec);
  const std::uint64_t now = fs::monotonic_now_ns();
  if (absolute && realtime) {
    const fs::Timestamp wall = fs::realtime_now();
    const std::uint64_t wall_ns = static_cast<std::uint64_t>(wall.seconds) * kSecond + wall.nanoseconds;
    when = when > wall_ns ? when - wall_ns : 0;
  }
  *deadline = absolute && !realtime ? when : now + when;
  return true;
}

}  // namespace

std::int64_t futex_call(std::uint64_t address, std::uint64_t operation, std::uint64_t value, std::uint64_t timeout,
                        std::uint64_t address2, std::uint64_t value3) {
  constexpr std::uint64_t kPrivate = 128;
  constexpr std::uint64_t kClockRealtime = 256;
  enum : std::uint64_t { kWait = 0, kWake = 1, kRequeue = 3, kCompareRequeue = 4, kWaitBitset = 9, kWakeBitset = 10 };
  const std::uint64_t command = operation & ~(kPrivate | kClockRealtime);
  const auto word = static_cast<std::uint32_t>(value);
  const auto third = static_cast<std::uint32_t>(value3);
  switch (command) {
    case kWait:
    case kWaitBitset: {
      if (timeout != 0 && !user_range(timeout, sizeof(timespec), false)) return -EFAULT;
      std::uint64_t deadline = 0;
      const bool absolute = command == kWaitBitset;
      if (!deadline_of(timeout, absolute, (operation & kClockRealtime) != 0, &deadline)) return -EINVAL;
      return futex_wait(address, word, deadline, absolute ? third : kFutexAnyBit);
    }
    case kWake:
      return futex_wake(address, word, kFutexAnyBit);
    case kWakeBitset:
      return futex_wake(address, word, third);
    case kRequeue:
      return futex_requeue(address, word, static_cast<std::uint32_t>(timeout), address2, nullptr);
    case kCompareRequeue:
      return futex_requeue(address, word, static_cast<std::uint32_t>(timeout), address2, &third);
    default:
      return -ENOSYS;
  }
}

}  // namespace coffer::kernel
