// What the handlers of file system calls have in common. Freestanding; internal to syscalls/files*.cc.
#pragma once

#include <errno.h>

#include <cstring>
#include <vector>

#include "enclave/kernel/fs/files.h"
#include "enclave/kernel/syscalls/syscall.h"

namespace coffer::kernel::file_calls {

using fs::error;
using fs::Expected;
using fs::files;

inline constexpr std::size_t kPathRoom = 4096;           // PATH_MAX, the NUL included
inline constexpr std::uint64_t kMostBytes = 0x7ffff000;  // as Linux: one call moves at most this much

// RAX for a result.
inline std::int64_t answer(const Expected<void>& result) { return result ? 0 : -result.error(); }
template <class T>
std::int64_t answer(const Expected<T>& result) {
  return result ? static_cast<std::int64_t>(*result) : -result.error();
}

// An int argument: the upper half of the register means nothing.
inline int as_int(std::uint64_t value) { return static_cast<int>(value); }

// The path at `address`. The view is the application's memory: copy before it may change.
inline Expected<std::string_view> user_path(std::uint64_t address) {
  std::string_view text;
  if (const int failed = user_string(address, kPathRoom - 1, &text); failed != 0) return error(-failed);
  return text;
}

inline Expected<fs::Location> user_location(std::uint64_t base, std::uint64_t path) {
  const auto text = user_path(path);
  if (!text) return error(text.error());
  return files().locate(as_int(base), *text);
}

// Copies a value to or from the application.
template <class T>
Expected<void> put_user(std::uint64_t address, const T& value) {
  const UserBytes room = user_bytes(address, sizeof(T), true);
  if (!room.ok) return error(EFAULT);
  std::memcpy(room.bytes.data(), &value, sizeof(T));
  return {};
}
template <class T>
Expected<T> get_user(std::uint64_t address) {
  const UserBytes bytes = user_bytes(address, sizeof(T), false);
  if (!bytes.ok) return error(EFAULT);
  T value;
  std::memcpy(&value, bytes.bytes.data(), sizeof(T));
  return value;
}

inline Expected<fs::Ref<fs::Description>> descriptor(std::uint64_t number) {
  return files().descriptors.get(as_int(number));
}

// The handlers of each source file; files.cc joins them.
std::span<const SyscallEntry> transfer_syscalls();
std::span<const SyscallEntry> splice_syscalls();
std::span<const SyscallEntry> descriptor_syscalls();
std::span<const SyscallEntry> path_syscalls();
std::span<const SyscallEntry> status_syscalls();
std::span<const SyscallEntry> control_syscalls();
std::span<const SyscallEntry> poll_syscalls();
std::span<const SyscallEntry> socket_syscalls();
std::span<const SyscallEntry> message_syscalls();

// The non-empty pieces of an iovec array, each checked; cut off at kMostBytes in all.
using Pieces = std::vector<std::span<std::byte>>;
Expected<Pieces> user_pieces(std::uint64_t address, std::uint64_t count, bool write);

}  // namespace coffer::kernel::file_calls
