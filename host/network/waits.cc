#include "host/network/waits.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>
#include <ctime>

namespace coffer::host {

namespace {

constexpr std::uint32_t kMostThreads = 65536;

void count_up(int event) {
  const std::uint64_t one = 1;
  // An event counter takes this until it is full, and then it is readable all the same.
  (void)!::write(event, &one, sizeof(one));
}

}  // namespace

Waits::Waits() : cancel_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {}

int Waits::waker(std::uint32_t thread) {
  if (thread >= kMostThreads) return -1;
  const std::scoped_lock guard(lock_);
  if (wakers_.size() <= thread) wakers_.resize(thread + 1);
  if (!wakers_[thread]) wakers_[thread] = FileDescriptor(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  return wakers_[thread].get();
}

int Waits::wait(std::uint32_t thread, std::vector<pollfd>& descriptors, std::uint64_t timeout) {
  const std::size_t count = descriptors.size();
  const int own = waker(thread);
  descriptors.push_back({own, POLLIN, 0});
  descriptors.push_back({cancel_.get(), POLLIN, 0});
  constexpr std::uint64_t kSecond = 1'000'000'000;
  const timespec time{static_cast<time_t>(timeout / kSecond), static_cast<long>(timeout % kSecond)};
  const int ready = ::ppoll(descriptors.data(), descriptors.size(), timeout == kForever ? nullptr : &time, nullptr);
  const int reason = errno;
  const bool woken = ready > 0 && descriptors[count].revents != 0;
  const bool cancelled = ready > 0 && descriptors[count + 1].revents != 0;
  descriptors.resize(count);
  if (ready < 0) return -reason;
  if (woken) {
    std::uint64_t times = 0;
    (void)!::read(own, &times, sizeof(times));
  }
  if (woken || cancelled) return -EINTR;
  return ready;
}

int Waits::wait_for(std::uint32_t thread, int descriptor, short events, std::uint64_t timeout) {
  std::vector<pollfd> one{{descriptor, events, 0}};
  return wait(thread, one, timeout);
}

void Waits::wake(std::uint32_t thread) {
  if (const int event = waker(thread); event >= 0) count_up(event);
}

void Waits::cancel() { count_up(cancel_.get()); }

}  // namespace coffer::host
