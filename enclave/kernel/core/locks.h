// A spin lock for the kernel's short critical sections. Freestanding.
//
// The host decides when a TCS runs, so a holder can be stopped for ever: that is denial of service, which the host can
// always do. Never call the host with a spin lock held, except where a comment at the lock says why it must be so.
#pragma once

#include <atomic>

namespace coffer::kernel {

class SpinLock {
 public:
  void lock() {
    while (held_.exchange(true, std::memory_order_acquire)) {
      while (held_.load(std::memory_order_relaxed)) __builtin_ia32_pause();
    }
  }
  void unlock() { held_.store(false, std::memory_order_release); }

 private:
  std::atomic<bool> held_{false};
};

// A lock that may be held across a call to the host: waiters yield through the host after a short spin.
class SleepLock {
 public:
  void lock();
  void unlock() { held_.store(false, std::memory_order_release); }

 private:
  std::atomic<bool> held_{false};
};

template <class Lock>
class [[nodiscard]] LockGuard {
 public:
  explicit LockGuard(Lock& lock) : lock_(lock) { lock_.lock(); }
  ~LockGuard() { lock_.unlock(); }
  LockGuard(const LockGuard&) = delete;
  LockGuard& operator=(const LockGuard&) = delete;

 private:
  Lock& lock_;
};

}  // namespace coffer::kernel
