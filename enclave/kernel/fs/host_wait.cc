#include "enclave/kernel/fs/host_wait.h"

#include <errno.h>
#include <poll.h>

#include <cstring>

#include "enclave/kernel/fs/host_directory_calls.h"
#include "enclave/kernel/fs/waiters.h"

namespace coffer::kernel::fs {

using boundary::HostWait;

Expected<std::size_t> wait_for_host(std::span<HostWait> all, const std::uint64_t* ticket, std::uint64_t timeout_ns) {
  const std::span<std::byte> area = exchange_area();
  if (all.size() > area.size() / sizeof(HostWait)) return error(EINVAL);
  std::memcpy(area.data(), all.data(), all.size_bytes());
  const Answer answer = waiting_request(ticket, boundary::Request::kWaitFor, all.size(), timeout_ns);
  const auto count = checked_result(answer.result, all.size());
  if (!count) return error(count.error());
  std::size_t ready = 0;
  for (std::size_t i = 0; i < all.size(); ++i) {
    HostWait told;
    std::memcpy(&told, area.data() + i * sizeof(HostWait), sizeof(told));
    constexpr unsigned kAlways = POLLERR | POLLHUP | POLLNVAL;
    all[i].revents = static_cast<std::uint16_t>(told.revents & (all[i].events | kAlways));
    if (all[i].revents != 0) ++ready;
  }
  return ready;
}

Expected<std::uint32_t> wait_for_handle(std::int32_t handle, std::uint32_t events, std::uint64_t timeout_ns) {
  HostWait one{handle, static_cast<std::uint16_t>(events), 0};
  const auto ready = wait_for_host(std::span(&one, 1), nullptr, timeout_ns);
  if (!ready) return error(ready.error());
  return std::uint32_t{one.revents};
}

}  // namespace coffer::kernel::fs
