#include "host/files/file_operations.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstring>
#include <ctime>
#include <limits>
#include <memory>

#include "base/bytes.h"
#include "base/file.h"
#include "boundary/calls.h"

namespace coffer::host {

namespace {

// Keeps SIGPIPE away from the thread while it writes, and takes back the one that the write may have raised, so that
// the host program's own handling of the signal is not disturbed.
class PipeSignalGuard {
 public:
  PipeSignalGuard() {
    sigemptyset(&pipe_);
    sigaddset(&pipe_, SIGPIPE);
    sigset_t pending;
    sigpending(&pending);
    was_pending_ = sigismember(&pending, SIGPIPE) == 1;
    pthread_sigmask(SIG_BLOCK, &pipe_, &before_);
  }
  ~PipeSignalGuard() {
    const int saved = errno;
    if (!was_pending_) {
      constexpr timespec kNow{};
      retry([&] { return sigtimedwait(&pipe_, nullptr, &kNow); });
    }
    pthread_sigmask(SIG_SETMASK, &before_, nullptr);
    errno = saved;
  }
  PipeSignalGuard(const PipeSignalGuard&) = delete;
  PipeSignalGuard& operator=(const PipeSignalGuard&) = delete;

 private:
  sigset_t pipe_{}, before_{};
  bool was_pending_ = false;
};

// Runs the operation until it is neither interrupted nor told to come back later.
template <class Operation>
std::int64_t transfer(int descriptor, short events, Operation operation) {
  for (;;) {
    const auto count = retry(operation);
    if (count >= 0) return count;
    if (errno != EAGAIN) return -errno;
    pollfd waiting{descriptor, events, 0};
    if (::poll(&waiting, 1, -1) < 0 && errno != EINTR) return -errno;
  }
}

bool is_offset(std::uint64_t offset) { return offset <= std::numeric_limits<off_t>::max(); }

}  // namespace

std::int64_t read_some(int descriptor, std::uint64_t offset, std::span<std::byte> into) {
  if (offset == boundary::kCurrentPosition) {
    return transfer(descriptor, POLLIN, [&] { return ::read(descriptor, into.data(), into.size()); });
  }
  if (!is_offset(offset)) return -EINVAL;
  return transfer(descriptor, POLLIN,
                  [&] { return ::pread(descriptor, into.data(), into.size(), static_cast<off_t>(offset)); });
}

std::int64_t write_some(int descriptor, std::uint64_t offset, std::span<const std::byte> from) {
  if (offset == boundary::kCurrentPosition) {
    const PipeSignalGuard guard;
    return transfer(descriptor, POLLOUT, [&] { return ::write(descriptor, from.data(), from.size()); });
  }
  if (!is_offset(offset)) return -EINVAL;
  return transfer(descriptor, POLLOUT,
                  [&] { return ::pwrite(descriptor, from.data(), from.size(), static_cast<off_t>(offset)); });
}

int take_path(std::span<const std::byte> exchange, std::uint64_t offset, std::uint64_t length, std::string& path) {
  if (length > boundary::kMaxPath) return ENAMETOOLONG;
  if (!range_fits(offset, length, exchange.size())) return EINVAL;
  path.assign(reinterpret_cast<const char*>(exchange.data()) + offset, length);
  if (path.find('\0') != std::string::npos) return EINVAL;
  std::string_view rest = path;
  while (!rest.empty()) {
    const std::size_t slash = rest.find('/');
    const std::string_view part = rest.substr(0, slash);
    if (part.empty() || part == "." || part == "..") return EINVAL;
    if (slash == std::string_view::npos) break;
    rest.remove_prefix(slash + 1);
    if (rest.empty()) return EINVAL;
  }
  return 0;
}

std::int64_t put_status(int descriptor, std::span<std::byte> exchange) {
  if (exchange.size() < sizeof(boundary::HostStat)) return -EINVAL;
  struct stat status{};
  if (::fstatat(descriptor, "", &status, AT_EMPTY_PATH) != 0) return -errno;
  boundary::HostStat host{};
  host.device = status.st_dev;
  host.inode = status.st_ino;
  host.size = static_cast<std::uint64_t>(status.st_size);
  host.blocks = static_cast<std::uint64_t>(status.st_blocks);
  host.mode = status.st_mode;
  host.links = static_cast<std::uint32_t>(status.st_nlink);
  host.uid = status.st_uid;
  host.gid = status.st_gid;
  host.mtime_s = status.st_mtim.tv_sec;
  host.ctime_s = status.st_ctim.tv_sec;
  host.atime_s = status.st_atim.tv_sec;
  host.mtime_ns = static_cast<std::uint32_t>(status.st_mtim.tv_nsec);
  host.ctime_ns = static_cast<std::uint32_t>(status.st_ctim.tv_nsec);
  host.atime_ns = static_cast<std::uint32_t>(status.st_atim.tv_nsec);
  host.block_size = static_cast<std::uint32_t>(status.st_blksize);
  std::memcpy(exchange.data(), &host, sizeof(host));
  return 0;
}

std::int64_t change_attributes(int descriptor, std::span<const std::byte> exchange, std::uint64_t offset) {
  boundary::HostAttributes wanted;
  if (!range_fits(offset, sizeof(wanted), exchange.size())) return -EINVAL;
  std::memcpy(&wanted, exchange.data() + offset, sizeof(wanted));
  constexpr std::uint32_t kSecond =
      1'000'000'000;  // above it stand UTIME_NOW and UTIME_OMIT, which are not the enclave's
  if (wanted.atime_ns >= kSecond || wanted.mtime_ns >= kSecond) return -EINVAL;
  if ((wanted.changes & boundary::kChangeMode) != 0) {
    struct stat status{};
    if (::fstat(descriptor, &status) != 0) return -errno;
    if (S_ISLNK(status.st_mode)) return -EOPNOTSUPP;
    // fchmod() refuses O_PATH descriptors; their name in /proc leads to what they stand for and nowhere else.
    const std::string name = "/proc/self/fd/" + std::to_string(descriptor);
    const mode_t mode = wanted.mode & (S_IRWXU | S_IRWXG | S_IRWXO | S_ISVTX);
    if (::fchmod(descriptor, mode) != 0 && (errno != EBADF || ::chmod(name.c_str(), mode) != 0)) return -errno;
  }
  const bool changes_access = (wanted.changes & boundary::kChangeAccessTime) != 0;
  const bool changes_modify = (wanted.changes & boundary::kChangeModifyTime) != 0;
  if (!changes_access && !changes_modify) return 0;
  const timespec times[2] = {{wanted.atime_s, changes_access ? long{wanted.atime_ns} : UTIME_OMIT},
                             {wanted.mtime_s, changes_modify ? long{wanted.mtime_ns} : UTIME_OMIT}};
  return ::utimensat(descriptor, "", times, AT_EMPTY_PATH) == 0 ? 0 : -errno;
}

int list_directory(int descriptor, std::vector<ListedEntry>& entries) {
  entries.clear();
  // A descriptor of its own, because closedir() closes it and its position is shared by duplicates.
  FileDescriptor own(::openat(descriptor, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!own) return errno;
  const std::unique_ptr<DIR, int (*)(DIR*)> directory(::fdopendir(own.get()), &::closedir);
  if (!directory) return errno;
  static_cast<void>(own.release());
  for (;;) {
    errno = 0;
    const dirent* entry = ::readdir(directory.get());
    if (entry == nullptr) return errno;
    const std::string_view name = entry->d_name;
    if (name == "." || name == "..") continue;
    entries.push_back({std::string(name), entry->d_ino, entry->d_type});
  }
}

std::int64_t put_entries(const std::vector<ListedEntry>& entries, std::uint64_t skip, std::span<std::byte> exchange) {
  std::size_t used = 0;
  for (std::uint64_t i = skip; i < entries.size(); ++i) {
    const ListedEntry& entry = entries[i];
    const std::size_t size = (sizeof(boundary::HostDirent) + entry.name.size() + 7) / 8 * 8;
    if (size > exchange.size() - used) {
      if (used == 0) return -EINVAL;
      break;
    }
    boundary::HostDirent header{};
    header.inode = entry.inode;
    header.name_length = static_cast<std::uint16_t>(entry.name.size());
    header.type = entry.type;
    std::memset(exchange.data() + used, 0, size);
    std::memcpy(exchange.data() + used, &header, sizeof(header));
    std::memcpy(exchange.data() + used + sizeof(header), entry.name.data(), entry.name.size());
    used += size;
  }
  return static_cast<std::int64_t>(used);
}

int terminal_size(int descriptor, std::uint64_t& size) {
  winsize window{};
  if (::isatty(descriptor) != 1) return ENOTTY;
  if (::ioctl(descriptor, TIOCGWINSZ, &window) != 0) return ENOTTY;
  size = std::uint64_t{window.ws_row} << 32 | window.ws_col;
  return 0;
}

int open_beneath(int root, const char* path, int flags, unsigned mode) {
  open_how how{};
  how.flags = static_cast<unsigned>(flags);
  how.mode = (flags & O_CREAT) != 0 ? mode : 0;
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS;
  // EAGAIN: a rename raced with the walk, so that the kernel could not tell whether it stayed beneath. Somebody who
  // renames for ever gets the EAGAIN.
  constexpr int kAttempts = 64;
  long file = -1;
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    file = retry([&] { return ::syscall(SYS_openat2, root, path, &how, sizeof(how)); });
    if (file >= 0 || errno != EAGAIN) break;
  }
  return static_cast<int>(file);
}

bool openat2_works(int root) {
  const int saved = errno;
  const FileDescriptor probe(open_beneath(root, ".", O_PATH | O_CLOEXEC, 0));
  errno = saved;
  return static_cast<bool>(probe);
}

}  // namespace coffer::host
