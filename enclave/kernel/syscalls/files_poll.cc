// poll, ppoll, select, pselect6 over files, pipes, event counters and the standard streams. The host has no request
// that waits for its streams, so those count as always ready: the read or write that follows waits instead.
#include <poll.h>
#include <sys/select.h>
#include <sys/syscall.h>

#include <limits>
#include <vector>

#include "enclave/kernel/fs/waiters.h"
#include "enclave/kernel/syscalls/files_support.h"

namespace coffer::kernel::file_calls {

namespace {

constexpr std::uint64_t kSecond = 1'000'000'000;
constexpr std::uint64_t kForever = std::numeric_limits<std::uint64_t>::max();

static_assert(fs::kReadyToRead == POLLIN && fs::kReadyToWrite == POLLOUT && fs::kReadyError == POLLERR &&
              fs::kReadyHangUp == POLLHUP);

// What of `events` (and errors, always) holds now.
short ready_now(int number, short events) {
  const auto description = files().descriptors.get(number);
  if (!description) return POLLNVAL;
  std::uint32_t ready = (*description)->file().ready();
  if ((ready & fs::kReadyToRead) != 0) ready |= POLLRDNORM;
  if ((ready & fs::kReadyToWrite) != 0) ready |= POLLWRNORM;
  return static_cast<short>(ready & (static_cast<std::uint32_t>(events) | POLLERR | POLLHUP));
}

// Looks at all until one is ready or the time (nanoseconds from now) is over; how many are.
std::int64_t wait_for(std::vector<pollfd>& all, std::uint64_t timeout) {
  const bool endless = timeout == kForever;
  std::uint64_t deadline = 0;
  if (!endless && timeout != 0) {
    if (__builtin_add_overflow(fs::monotonic_now_ns(), timeout, &deadline)) deadline = kForever;
  }
  for (;;) {
    const std::uint64_t ticket = fs::change_ticket();
    std::int64_t count = 0;
    for (pollfd& one : all) {
      one.revents = one.fd < 0 ? short{0} : ready_now(one.fd, one.events);
      if (one.revents != 0) ++count;
    }
    if (count > 0 || timeout == 0) return count;
    if (endless) {
      fs::wait_for_change(ticket, boundary::kNoTimeout);
      continue;
    }
    const std::uint64_t now = fs::monotonic_now_ns();
    if (now >= deadline) return 0;
    fs::wait_for_change(ticket, deadline - now);
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
  if (count != 0) std::memcpy(array.bytes.data(), all.data(), array.bytes.size());
  return ready;
}

std::int64_t sys_poll(const SyscallArguments& arguments) {
  const int milliseconds = as_int(arguments.a[2]);
  const std::uint64_t timeout = milliseconds < 0 ? kForever : static_cast<std::uint64_t>(milliseconds) * 1'000'000;
  return poll_all(arguments.a[0], arguments.a[1], timeout);
}

// The signal mask is the caller's own matter: nothing interrupts a wait here.
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
  wait_for(all, timeout);
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

constexpr const char* kHostClock = "the passing of time, which never goes back";

constexpr SyscallEntry kPoll[] = {
    {SYS_poll, "poll", "fds, nfds, timeout", sys_poll, kHostClock},
    {SYS_ppoll, "ppoll", "fds, nfds, timeout, sigmask, size", sys_ppoll, kHostClock},
    {SYS_select, "select", "nfds, read, write, except, timeout", sys_select, kHostClock},
    {SYS_pselect6, "pselect6", "nfds, read, write, except, timeout, sigmask", sys_pselect6, kHostClock},
};

}  // namespace

std::span<const SyscallEntry> poll_syscalls() { return kPoll; }

}  // namespace coffer::kernel::file_calls
