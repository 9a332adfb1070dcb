// Where threads that carry the enclave wait for descriptors of the host: each can be woken by name, and all are when
// the enclave ends. Thread-safe.
#pragma once

#include <poll.h>

#include <cstdint>
#include <deque>
#include <mutex>
#include <vector>

#include "base/file.h"

namespace coffer::host {

class Waits {
 public:
  static constexpr std::uint64_t kForever = ~std::uint64_t{0};

  Waits();

  // Waits on behalf of enclave thread `thread` until one of `descriptors` has events, for at most `timeout` ns. How
  // many have; 0 when the time is over; -EINTR when the thread was woken or everything ends.
  [[nodiscard]] int wait(std::uint32_t thread, std::vector<pollfd>& descriptors, std::uint64_t timeout);
  [[nodiscard]] int wait_for(std::uint32_t thread, int descriptor, short events, std::uint64_t timeout);
  // Ends the wait of that thread, or its next one.
  void wake(std::uint32_t thread);
  // From now on every wait ends at once.
  void cancel();

 private:
  int waker(std::uint32_t thread);

  FileDescriptor cancel_;
  std::mutex lock_;
  std::deque<FileDescriptor> wakers_;  // by thread; empty until somebody asks
};

}  // namespace coffer::host
