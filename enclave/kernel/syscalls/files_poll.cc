// poll, ppoll, select, pselect6 and epoll over whatever a descriptor can be. What the host holds (sockets, the standard
// streams) is asked for and waited for in one request, which a change inside ends.
#include <fcntl.h>
#include <poll.h>
#include <sys/select.h>
#include <sys/syscall.h>

#include <algorithm>
#include <limits>
#include <vector>

#include "enclave/kernel/fs/epoll.h"
#include "enclave/kernel/fs/host_wait.h"
#include "enclave/kernel/fs/socket.h"
#include "enclave/kernel/fs/waiters.h"
#include "enclave/kernel/syscalls/files_support.h"

namespace coffer::kernel::file_calls {

namespace {

constexpr std::uint64_t kSecond = 1'000'000'000;
constexpr std::uint64_t kForever = std::numeric_limits<std::uint64_t>::max();

static_assert(fs::kReadyToRead == POLLIN && fs::kReadyToWrite == POLLOUT && fs::kReadyError == POLLERR &&
              fs::kReadyHangUp == POLLHUP);

// What of a descriptor's readiness is told without the host.
struct Polled {
  fs::Ref<fs::Description> description;
  std::int32_t handle = -1;  // of the host, which tells the rest
};

std::uint32_t with_aliases(std::uint32_t ready) {
  if ((ready & POLLIN) != 0) ready |= POLLRDNORM;
  if ((ready & POLLOUT) != 0) ready |= POLLWRNORM;
  return ready;
}

short ready_of(const pollfd& one, std::uint32_t ready) {
  return static_cast<short>(with_aliases(ready) & (static_cast<std::uint32_t>(one.events) | POLLERR | POLLHUP));
}

// Sockets whose bytes an epoll may take meanwhile tell of it as long as this stands.
class Watch {
 public:
  explicit Watch(const std::vector<Polled>& polled) {
    for (const Polled& each : polled) {
      if (!each.description) continue;
      if (fs::Socket* socket = each.description->file().as_socket(); socket != nullptr) {
        socket->add_watcher();
        sockets_.push_back(socket);
      }
    }
  }
  ~Watch() {
    for (fs::Socket* socket : sockets_) socket->remove_watcher();
  }
  Watch(const Watch&) = delete;
  Watch& operator=(const Watch&) = delete;

 private:
  std::vector<fs::Socket*> sockets_;  // held by who made this
};

std::vector<Polled> polled_of(const std::vector<pollfd>& all) {
  std::vector<Polled> polled(all.size());
  for (std::size_t i = 0; i < all.size(); ++i) {
    if (all[i].fd < 0) continue;
    if (auto description = files().descriptors.get(all[i].fd); description) {
      polled[i].handle = (*description)->file().host_handle();
      polled[i].description = *std::move(description);
    }
  }
  return polled;
}

// What is ready inside: how many, when to look again at the latest, and what there is to ask the host.
std::size_t look_inside(std::vector<pollfd>& all, const std::vector<Polled>& polled, std::uint64_t* look_again,
                        std::vector<boundary::HostWait>* host) {
  std::size_t count = 0;
  for (std::size_t i = 0; i < all.size(); ++i) {
    pollfd& one = all[i];
    one.revents = 0;
    if (one.fd < 0) continue;
    if (!polled[i].description) {
      one.revents = POLLNVAL;
    } else {
      fs::File& file = polled[i].description->file();
      one.revents = ready_of(one, file.ready());
      *look_again = std::min(*look_again, file.changes_at_ns());
      if (polled[i].handle >= 0) host->push_back({polled[i].handle, static_cast<std::uint16_t>(one.events), 0});
    }
    if (one.revents != 0) ++count;
  }
  return count;
}

// Adds what the host said, in the order of look_inside(); how many are ready in all.
std::size_t add_host(std::vector<pollfd>& all, const std::vector<Polled>& polled,
                     const std::vector<boundary::HostWait>& host) {
  std::size_t count = 0;
  std::size_t next = 0;
  for (std::size_t i = 0; i < all.size(); ++i) {
    if (all[i].fd >= 0 && polled[i].handle >= 0) {
      const short told = ready_of(all[i], host[next++].revents & ~std::uint32_t{POLLNVAL});
      all[i].revents = static_cast<short>(all[i].revents | told);
    }
    if (all[i].revents != 0) ++count;
  }
  return count;
}

// Waits until one is ready or the time (nanoseconds from now) is over; how many are.
std::int64_t wait_for(std::vector<pollfd>& all, std::uint64_t timeout) {
  std::uint64_t deadline = kForever;
  if (timeout != kForever && timeout != 0 && __builtin_add_overflow(fs::monotonic_now_ns(), timeout, &deadline)) {
    deadline = kForever;
  }
  const std::vector<Polled> polled = polled_of(all);
  const Watch watch(polled);
  std::vector<boundary::HostWait> host;
  for (;;) {
    const std::uint64_t ticket = fs::change_ticket();
    std::uint64_t until = deadline;
    host.clear();
    std::size_t count = look_inside(all, polled, &until, &host);
    bool over = count > 0 || timeout == 0;
    std::uint64_t left = over ? 0 : boundary::kNoTimeout;
    if (!over && until != kForever) {
      const std::uint64_t now = fs::monotonic_now_ns();
      left = now < until ? until - now : 0;
      over = now >= deadline;
    }
    if (!host.empty()) {
      const auto told = fs::wait_for_host(host, &ticket, left);
      if (told) count = add_host(all, polled, host);
      if (!told && told.error() != EINTR && count == 0) return -told.error();
    } else if (!over) {
      fs::wait_for_change(ticket, left);
    }
    if (count > 0 || over) return static_cast<std::int64_t>(count);
    if (fs::wait_interrupted()) return -EINTR;
  }
}

// A struct timespec at `address`; kForever for none.
Expected<std::uint64_t> timeout_from(std::uint64_t address, std::uint64_t unit_in_second) {
  if (address == 0) return kForever;
  const auto seconds = get_user<std::int64_t>(address);
  const auto fraction = get_user<std::int64_t>(address + sizeof(std::int64_t));
  if (!seconds || !fraction) return error(EFAULT);
  if (*seconds < 0 || *fraction < 0 || static_cast<std::uint64_t>(*fraction) >= unit_in_second) return error(EINVAL);
  std::uint64_t timeout = 0;
  if (__builtin_mul_overflow(static_cast<std::uint64_t>(*seconds), kSecond, &timeout)) return kForever - 1;
  const std::uint64_t rest = static_cast<std::uint64_t>(*fraction) * (kSecond / unit_in_second);
  if (__builtin_add_overflow(timeout, rest, &timeout) || timeout == kForever) return kForever - 1;
  return timeout;
}

std::int64_t poll_all(std::uint64_t address, std::uint64_t count, std::uint64_t timeout) {
  if (count > files().descriptors.limit()) return -EINVAL;
  const UserBytes array = user_bytes(address, count * sizeof(pollfd), true);
  if (!array.ok) return -EFAULT;
  std::vector<pollfd> all(count);
  if (count != 0) std::memcpy(all.data(), array.bytes.data(), array.bytes.size());
  const std::int64_t ready = wait_for(all, timeout);
  if (ready < 0) return ready;
  if (count != 0) std::memcpy(array.bytes.data(), all.data(), array.bytes.size());
  return ready;
}

std::int64_t sys_poll(const SyscallArguments& arguments) {
  const int milliseconds = as_int(arguments.a[2]);
  const std::uint64_t timeout = milliseconds < 0 ? kForever : static_cast<std::uint64_t>(milliseconds) * 1'000'000;
  return poll_all(arguments.a[0], arguments.a[1], timeout);
}

std::int64_t sys_ppoll(const SyscallArguments& arguments) {
  const auto timeout = timeout_from(arguments.a[2], kSecond);
  if (!timeout) return -timeout.error();
  return poll_all(arguments.a[0], arguments.a[1], *timeout);
}

// --- select over poll

constexpr std::size_t kBitsInWord = 64;

struct SelectSet {
  std::span<std::byte> bytes;  // empty where the caller gave none
  short wanted;                // what is asked for
  short counts;                // what makes a descriptor count as ready
};

bool is_set(std::span<const std::byte> bytes, std::size_t bit) {
  return !bytes.empty() && (std::to_integer<unsigned>(bytes[bit / 8]) >> (bit % 8) & 1) != 0;
}

std::int64_t select_all(const SyscallArguments& arguments, std::uint64_t timeout) {
  const int count = as_int(arguments.a[0]);
  if (count < 0 || static_cast<std::size_t>(count) > files().descriptors.limit()) return -EINVAL;
  const std::size_t size = (static_cast<std::size_t>(count) + kBitsInWord - 1) / kBitsInWord * 8;
  SelectSet sets[3] = {
      {{}, POLLIN, POLLIN | POLLHUP | POLLERR}, {{}, POLLOUT, POLLOUT | POLLERR}, {{}, POLLPRI, POLLPRI}};
  for (std::size_t i = 0; i < 3; ++i) {
    if (arguments.a[1 + i] == 0) continue;
    const UserBytes bytes = user_bytes(arguments.a[1 + i], size, true);
    if (!bytes.ok) return -EFAULT;
    sets[i].bytes = bytes.bytes;
  }
  std::vector<pollfd> all;
  for (int number = 0; number < count; ++number) {
    short wanted = 0;
    for (const SelectSet& set : sets) {
      if (is_set(set.bytes, static_cast<std::size_t>(number))) wanted = static_cast<short>(wanted | set.wanted);
    }
    if (wanted == 0) continue;
    if (!files().descriptors.get(number)) return -EBADF;
    all.push_back({number, wanted, 0});
  }
  if (const std::int64_t waited = wait_for(all, timeout); waited < 0) return waited;
  std::int64_t ready = 0;
  for (const SelectSet& set : sets) {
    std::vector<std::byte> result(set.bytes.size());
    for (const pollfd& one : all) {
      const auto bit = static_cast<std::size_t>(one.fd);
      if (!is_set(set.bytes, bit) || (one.revents & set.counts) == 0) continue;
      result[bit / 8] |= std::byte{1} << (bit % 8);
      ++ready;
    }
    if (!result.empty()) std::memcpy(set.bytes.data(), result.data(), result.size());
  }
  return ready;
}

std::int64_t sys_select(const SyscallArguments& arguments) {
  const auto timeout = timeout_from(arguments.a[4], 1'000'000);
  if (!timeout) return -timeout.error();
  return select_all(arguments, *timeout);
}
std::int64_t sys_pselect6(const SyscallArguments& arguments) {
  const auto timeout = timeout_from(arguments.a[4], kSecond);
  if (!timeout) return -timeout.error();
  return select_all(arguments, *timeout);
}

// --- epoll

std::int64_t make_epoll(int flags) {
  if ((flags & ~EPOLL_CLOEXEC) != 0) return -EINVAL;
  auto epoll = fs::Epoll::make();
  if (!epoll) return -epoll.error();
  fs::Ref<fs::Description> description(new fs::Description(*epoll, O_RDWR, "anon_inode:[eventpoll]", nullptr, 0));
  return answer(files().descriptors.add(std::move(description), (flags & EPOLL_CLOEXEC) != 0));
}
std::int64_t sys_epoll_create(const SyscallArguments& arguments) {
  return as_int(arguments.a[0]) <= 0 ? -EINVAL : make_epoll(0);
}
std::int64_t sys_epoll_create1(const SyscallArguments& arguments) { return make_epoll(as_int(arguments.a[0])); }

std::int64_t sys_epoll_ctl(const SyscallArguments& arguments) {
  const int operation = as_int(arguments.a[1]);
  epoll_event event{};
  if (operation == EPOLL_CTL_ADD || operation == EPOLL_CTL_MOD) {
    const auto given = get_user<epoll_event>(arguments.a[3]);
    if (!given) return -given.error();
    event = *given;
  } else if (operation != EPOLL_CTL_DEL) {
    return -EINVAL;
  }
  const auto epoll = descriptor(arguments.a[0]);
  const auto target = descriptor(arguments.a[2]);
  if (!epoll || !target) return -EBADF;
  if ((*epoll)->file().as_epoll() == nullptr) return -EINVAL;
  return answer((*epoll)->file().as_epoll()->control(operation, as_int(arguments.a[2]), *target, event));
}

std::int64_t wait_for_events(const SyscallArguments& arguments, std::uint64_t timeout) {
  const int most = as_int(arguments.a[2]);
  constexpr int kMost = 4096;
  if (most <= 0) return -EINVAL;
  const auto epoll = descriptor(arguments.a[0]);
  if (!epoll) return -epoll.error();
  if ((*epoll)->file().as_epoll() == nullptr) return -EINVAL;
  const auto count = static_cast<std::size_t>(std::min(most, kMost));
  const UserBytes room = user_bytes(arguments.a[1], count * sizeof(epoll_event), true);
  if (!room.ok) return -EFAULT;
  std::vector<epoll_event> events(count);
  const auto ready = (*epoll)->file().as_epoll()->wait(events, timeout);
  if (!ready) return -ready.error();
  if (*ready != 0) std::memcpy(room.bytes.data(), events.data(), *ready * sizeof(epoll_event));
  return static_cast<std::int64_t>(*ready);
}
std::int64_t sys_epoll_wait(const SyscallArguments& arguments) {
  const int milliseconds = as_int(arguments.a[3]);
  return wait_for_events(arguments, milliseconds < 0 ? kForever : static_cast<std::uint64_t>(milliseconds) * 1'000'000);
}
std::int64_t sys_epoll_pwait2(const SyscallArguments& arguments) {
  const auto timeout = timeout_from(arguments.a[3], kSecond);
  if (!timeout) return -timeout.error();
  return wait_for_events(arguments, *timeout);
}

constexpr const char* kHostReady = "sockets and standard streams: what is ready; the passing of time";
constexpr const char* kHostPoller = "a handle, used only to name the set to the host";

constexpr SyscallEntry kPoll[] = {
    {SYS_poll, "poll", "fds, nfds, timeout", sys_poll, kHostReady},
    {SYS_ppoll, "ppoll", "fds, nfds, timeout, sigmask, size", sys_ppoll, kHostReady},
    {SYS_select, "select", "nfds, read, write, except, timeout", sys_select, kHostReady},
    {SYS_pselect6, "pselect6", "nfds, read, write, except, timeout, sigmask", sys_pselect6, kHostReady},
    {SYS_epoll_create, "epoll_create", "size", sys_epoll_create, kHostPoller},
    {SYS_epoll_create1, "epoll_create1", "flags", sys_epoll_create1, kHostPoller},
    {SYS_epoll_ctl, "epoll_ctl", "epfd, op, fd, event", sys_epoll_ctl, "standard streams: an errno"},
    {SYS_epoll_wait, "epoll_wait", "epfd, events, maxevents, timeout", sys_epoll_wait, kHostReady},
    {SYS_epoll_pwait, "epoll_pwait", "epfd, events, maxevents, timeout, sigmask, size", sys_epoll_wait, kHostReady},
    {SYS_epoll_pwait2, "epoll_pwait2", "epfd, events, maxevents, timeout, sigmask, size", sys_epoll_pwait2, kHostReady},
};

}  // namespace

std::span<const SyscallEntry> poll_syscalls() { return kPoll; }

}  // namespace coffer::kernel::file_calls
