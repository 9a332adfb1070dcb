// System calls that set things about open files: fcntl, flock, ioctl.
#include <asm/termbits.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <limits>

#include "enclave/kernel/fs/socket.h"
#include "enclave/kernel/syscalls/files_support.h"

namespace coffer::kernel::file_calls {

namespace {

using fs::Description;
using fs::LockFamily;
using fs::LockKind;
using fs::LockRange;

// --- locks

// The range of a struct flock, which may count from the position or the end, and backwards.
Expected<LockRange> lock_range(Description& description, const struct flock& lock) {
  std::int64_t base = 0;
  if (lock.l_whence == SEEK_CUR) {
    const auto position = description.seek(0, SEEK_CUR);
    if (!position) return error(position.error());
    base = static_cast<std::int64_t>(*position);
  } else if (lock.l_whence == SEEK_END) {
    const auto status = description.file().status();
    if (!status) return error(status.error());
    base = static_cast<std::int64_t>(status->size);
  } else if (lock.l_whence != SEEK_SET) {
    return error(EINVAL);
  }
  std::int64_t first = 0;
  std::int64_t end = 0;
  if (__builtin_add_overflow(base, lock.l_start, &first)) return error(EOVERFLOW);
  if (__builtin_add_overflow(first, lock.l_len, &end)) return error(EOVERFLOW);
  if (lock.l_len < 0) std::swap(first, end);
  if (first < 0) return error(EINVAL);
  LockRange range;
  range.first = static_cast<std::uint64_t>(first);
  if (lock.l_len != 0) range.last = static_cast<std::uint64_t>(end) - 1;
  return range;
}

Expected<LockKind> lock_kind(const Description& description, int type) {
  switch (type) {
    case F_RDLCK:
      if (!description.readable()) return error(EBADF);
      return LockKind::kShared;
    case F_WRLCK:
      if (!description.writable()) return error(EBADF);
      return LockKind::kExclusive;
    case F_UNLCK:
      return LockKind::kNone;
    default:
      return error(EINVAL);
  }
}

std::int64_t set_lock(Description& description, int command, std::uint64_t address) {
  const auto lock = get_user<struct flock>(address);
  if (!lock) return -lock.error();
  const auto range = lock_range(description, *lock);
  if (!range) return -range.error();
  const auto kind = lock_kind(description, lock->l_type);
  if (!kind) return -kind.error();
  // POSIX locks belong to the process, and there is one: nothing to keep.
  if (command == F_SETLK || command == F_SETLKW) return 0;
  if (lock->l_pid != 0) return -EINVAL;
  return answer(files().locks.set(description, LockFamily::kRange, *range, *kind, command == F_OFD_SETLKW));
}

std::int64_t ask_lock(Description& description, int command, std::uint64_t address) {
  auto lock = get_user<struct flock>(address);
  if (!lock) return -lock.error();
  if (lock->l_type != F_RDLCK && lock->l_type != F_WRLCK) return -EINVAL;
  const auto range = lock_range(description, *lock);
  if (!range) return -range.error();
  LockKind found = LockKind::kNone;
  if (command == F_OFD_GETLK) {
    if (lock->l_pid != 0) return -EINVAL;
    const LockKind kind = lock->l_type == F_RDLCK ? LockKind::kShared : LockKind::kExclusive;
    const auto conflict = files().locks.find_conflict(description, LockFamily::kRange, *range, kind);
    if (!conflict) return -conflict.error();
    found = conflict->kind;
    if (found != LockKind::kNone) {
      const LockRange held = conflict->range;
      lock->l_whence = SEEK_SET;
      lock->l_start = static_cast<off_t>(held.first);
      const bool to_the_end = held.last == std::numeric_limits<std::uint64_t>::max();
      lock->l_len = to_the_end ? 0 : static_cast<off_t>(held.last - held.first + 1);
      lock->l_pid = -1;
    }
  }
  lock->l_type = static_cast<short>(found == LockKind::kNone     ? F_UNLCK
                                    : found == LockKind::kShared ? F_RDLCK
                                                                 : F_WRLCK);
  return answer(put_user(address, *lock));
}

std::int64_t sys_flock(const SyscallArguments& arguments) {
  const auto description = descriptor(arguments.a[0]);
  if (!description) return -description.error();
  const int operation = as_int(arguments.a[1]);
  LockKind kind = LockKind::kNone;
  switch (operation & ~LOCK_NB) {
    case LOCK_SH:
      kind = LockKind::kShared;
      break;
    case LOCK_EX:
      kind = LockKind::kExclusive;
      break;
    case LOCK_UN:
      break;
    default:
      return -EINVAL;
  }
  return answer(files().locks.set(**description, LockFamily::kWholeFile, {}, kind, (operation & LOCK_NB) == 0));
}

// --- fcntl

std::int64_t sys_fcntl(const SyscallArguments& arguments) {
  constexpr int kLargeFile = 0100000;        // O_LARGEFILE, which the kernel sets on 64-bit machines by itself
  constexpr int kDuplicateQuery = 1024 + 3;  // F_DUPFD_QUERY
  const std::uint64_t number = arguments.a[0];
  const std::uint64_t value = arguments.a[2];
  auto description = descriptor(number);
  if (!description) return -description.error();
  auto& table = files().descriptors;
  const int command = as_int(arguments.a[1]);
  switch (command) {
    case F_DUPFD:
    case F_DUPFD_CLOEXEC:
      return answer(table.add(*description, command == F_DUPFD_CLOEXEC, as_int(value)));
    case F_GETFD: {
      const auto marked = table.close_on_exec(as_int(number));
      return marked ? (*marked ? FD_CLOEXEC : 0) : -marked.error();
    }
    case F_SETFD:
      return answer(table.set_close_on_exec(as_int(number), (value & FD_CLOEXEC) != 0));
    case F_GETFL:
      return (*description)->flags() | kLargeFile;
    case F_SETFL:
      (*description)->set_status_flags(as_int(value));
      return 0;
    case F_SETLK:
    case F_SETLKW:
    case F_OFD_SETLK:
    case F_OFD_SETLKW:
      return set_lock(**description, command, value);
    case F_GETLK:
    case F_OFD_GETLK:
      return ask_lock(**description, command, value);
    case F_GETOWN:
    case F_SETOWN:  // signals for readiness are not sent
    case F_GETSIG:
    case F_SETSIG:
      return 0;
    case F_GETPIPE_SZ:
    case F_SETPIPE_SZ:
      return (*description)->file().seekable() ? -EBADF : 65536;
    case kDuplicateQuery: {
      const auto other = descriptor(value);
      return other ? (other->get() == description->get() ? 1 : 0) : -other.error();
    }
    default:
      return -EINVAL;
  }
}

// --- ioctl

constexpr std::uint32_t kGetTerminal = 0x5401;       // TCGETS
constexpr std::uint32_t kSetTerminalFirst = 0x5402;  // TCSETS, TCSETSW, TCSETSF
constexpr std::uint32_t kSetTerminalLast = 0x5404;
constexpr std::uint32_t kGetForeground = 0x540f;  // TIOCGPGRP
constexpr std::uint32_t kSetForeground = 0x5410;  // TIOCSPGRP
constexpr std::uint32_t kGetWindow = 0x5413;      // TIOCGWINSZ
constexpr std::uint32_t kBytesToRead = 0x541b;    // FIONREAD
constexpr std::uint32_t kNonblocking = 0x5421;    // FIONBIO
constexpr std::uint32_t kNoCloseOnExec = 0x5450;  // FIONCLEX
constexpr std::uint32_t kCloseOnExec = 0x5451;    // FIOCLEX

// A terminal in its usual state: the host's own settings are the host's matter.
termios usual_terminal() {
  termios terminal{};
  terminal.c_iflag = ICRNL | IXON;
  terminal.c_oflag = OPOST | ONLCR;
  terminal.c_cflag = B38400 | CS8 | CREAD;
  terminal.c_lflag = ISIG | ICANON | ECHO | ECHOE | ECHOK | ECHOCTL | ECHOKE | IEXTEN;
  terminal.c_cc[VINTR] = 3;
  terminal.c_cc[VQUIT] = 28;
  terminal.c_cc[VERASE] = 127;
  terminal.c_cc[VKILL] = 21;
  terminal.c_cc[VEOF] = 4;
  terminal.c_cc[VMIN] = 1;
  terminal.c_cc[VSTART] = 17;
  terminal.c_cc[VSTOP] = 19;
  terminal.c_cc[VSUSP] = 26;
  return terminal;
}

std::int64_t terminal_call(Description& description, std::uint32_t request, std::uint64_t address) {
  if (!description.file().is_terminal()) return -ENOTTY;
  if (request == kGetTerminal) return answer(put_user(address, usual_terminal()));
  if (request == kGetForeground) return answer(put_user(address, static_cast<int>(files().process.view.process_id)));
  if (request == kGetWindow) {
    const auto size = description.file().terminal_size();
    if (!size) return -size.error();
    const std::uint16_t window[4] = {size->rows, size->columns, 0, 0};
    return answer(put_user(address, window));
  }
  return -EPERM;  // settings cannot be changed from inside; to pretend would leave a password on the screen
}

std::int64_t bytes_to_read(Description& description, std::uint64_t address) {
  if (fs::Socket* socket = description.file().as_socket(); socket != nullptr) {
    const auto waiting = socket->waiting_bytes();
    if (!waiting) return -waiting.error();
    return answer(put_user(address, static_cast<int>(*waiting)));
  }
  const auto status = description.file().status();
  if (!status) return -status.error();
  std::uint64_t count = status->size;
  if (S_ISREG(status->mode) && description.file().seekable()) {
    const auto position = description.seek(0, SEEK_CUR);
    if (!position) return -position.error();
    count -= std::min(count, *position);
  } else if (!S_ISFIFO(status->mode)) {
    return -ENOTTY;
  }
  return answer(put_user(address, static_cast<int>(std::min<std::uint64_t>(count, std::numeric_limits<int>::max()))));
}

std::int64_t sys_ioctl(const SyscallArguments& arguments) {
  const auto description = descriptor(arguments.a[0]);
  if (!description) return -description.error();
  const auto request = static_cast<std::uint32_t>(arguments.a[1]);
  const std::uint64_t address = arguments.a[2];
  if (request >= kSetTerminalFirst && request <= kSetTerminalLast) {
    return terminal_call(**description, request, address);
  }
  switch (request) {
    case kGetTerminal:
    case kGetForeground:
    case kSetForeground:
    case kGetWindow:
      return terminal_call(**description, request, address);
    case kBytesToRead:
      return bytes_to_read(**description, address);
    case kNonblocking: {
      const auto on = get_user<int>(address);
      if (!on) return -on.error();
      const int flags = (*description)->flags() & ~O_NONBLOCK;
      (*description)->set_status_flags(flags | (*on != 0 ? O_NONBLOCK : 0));
      return 0;
    }
    case kCloseOnExec:
    case kNoCloseOnExec:
      return answer(files().descriptors.set_close_on_exec(as_int(arguments.a[0]), request == kCloseOnExec));
    default:
      return -ENOTTY;
  }
}

constexpr SyscallEntry kControl[] = {
    {SYS_fcntl, "fcntl", "fd, cmd, arg", sys_fcntl, "plain: inode and size, for locks"},
    {SYS_flock, "flock", "fd, operation", sys_flock, "plain: inode"},
    {SYS_ioctl, "ioctl", "fd, request, argp", sys_ioctl, "standard streams: the terminal's size"},
};

}  // namespace

std::span<const SyscallEntry> control_syscalls() { return kControl; }

}  // namespace coffer::kernel::file_calls
