// System calls of the application: the table and what handlers may use. Freestanding.
//
// A handler gets the six argument registers and returns what RAX shall hold: a value or a negative errno. It runs on
// the calling thread's kernel stack and may block in call_host(). The application is inside the same enclave, so its
// pointers are not hostile, only possibly wrong: handlers check them with user_range() and answer EFAULT.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace coffer::kernel {

struct SyscallArguments {
  std::uint64_t a[6];
};
using SyscallHandler = std::int64_t (*)(const SyscallArguments&);

struct SyscallEntry {
  std::uint16_t number;  // Linux x86-64 ABI
  const char* name;
  const char* arguments;  // for people, e.g. "fd, buf, count"
  SyscallHandler handler;
  const char* host_may_return;  // what of the result comes from the host, and how it is checked; "" for nothing
};

// The handlers of one topic; the dispatcher joins the tables of all topics at start-up and answers ENOSYS for the rest.
std::span<const SyscallEntry> file_syscalls();      // syscalls/files.cc
std::span<const SyscallEntry> memory_syscalls();    // syscalls/memory.cc
std::span<const SyscallEntry> process_syscalls();   // syscalls/process.cc: threads, identity, limits
std::span<const SyscallEntry> time_syscalls();      // syscalls/time.cc
std::span<const SyscallEntry> signal_syscalls();    // syscalls/signals.cc
std::span<const SyscallEntry> timer_syscalls();     // syscalls/timers.cc
std::span<const SyscallEntry> identity_syscalls();  // syscalls/identity.cc: users, groups, scheduling, what is refused
std::span<const SyscallEntry> coffer_syscalls();    // syscalls/coffer.cc: reports, keys
std::span<const SyscallEntry> call_syscalls();      // syscalls/calls.cc: calls from and to the host

// True where the application may access [address, address + size): its segments or its mappings; pages not committed
// yet are committed. A size of 0 is always fine.
bool user_range(std::uint64_t address, std::uint64_t size, bool write);

// A checked view of application memory, or an empty optional's stand-in: data() == nullptr and ok == false.
struct UserBytes {
  bool ok;
  std::span<std::byte> bytes;
};
inline UserBytes user_bytes(std::uint64_t address, std::uint64_t size, bool write) {
  if (!user_range(address, size, write)) return {false, {}};
  return {true, {reinterpret_cast<std::byte*>(address), static_cast<std::size_t>(size)}};
}
// Copies a value from or to the application; false: EFAULT.
template <class T>
[[nodiscard]] bool get_user(std::uint64_t address, T* value) {
  const UserBytes bytes = user_bytes(address, sizeof(T), false);
  if (bytes.ok) __builtin_memcpy(value, bytes.bytes.data(), sizeof(T));
  return bytes.ok;
}
template <class T>
[[nodiscard]] bool put_user(std::uint64_t address, const T& value) {
  const UserBytes bytes = user_bytes(address, sizeof(T), true);
  if (bytes.ok) __builtin_memcpy(bytes.bytes.data(), &value, sizeof(T));
  return bytes.ok;
}
// The NUL-terminated string at `address`: -EFAULT, or -ENAMETOOLONG past `limit` bytes, or 0 with *text set.
int user_string(std::uint64_t address, std::size_t limit, std::string_view* text);

}  // namespace coffer::kernel
