#include "host/files/file_service.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <limits>

#include "base/bytes.h"
#include "host/files/file_operations.h"

namespace coffer::host {

using boundary::Request;

namespace {

constexpr std::uint64_t kFirstFileHandle = 3;  // 0, 1 and 2 are the standard streams
// So many reads and writes of a file come here before it is shared: that costs as much as some trips.
constexpr std::uint32_t kTransfersBeforeSharing = 8;

Answer failure(int error_number) { return {.result = -error_number, .extra = {}}; }
Answer failure_of_errno() { return failure(errno); }

}  // namespace

struct FileService::MountPoint {
  FileDescriptor root;
  bool read_only = false;
};

struct FileService::OpenFile {
  FileDescriptor owned;  // empty for the standard streams
  int descriptor = -1;
  bool stream = false;
  bool read_only = false;  // its mount is
  bool regular = false;
  std::atomic<std::uint32_t> transfers{0};  // reads and writes at a position
  std::mutex mutex;                         // guards all below
  bool shared = false, closed = false;
  std::vector<ListedEntry> entries;  // of a directory, listed when it is read from its beginning
  OpenFile(int number, bool is_stream) : descriptor(number), stream(is_stream) {}
  OpenFile(FileDescriptor file, bool of_read_only_mount)
      : owned(std::move(file)), descriptor(owned.get()), read_only(of_read_only_mount) {}
};

struct FileService::Call {
  Request request;
  const RequestArguments& arguments;
  std::span<std::byte> exchange;
};

FileService::FileService(Streams streams, std::size_t max_handles)
    : cancel_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)),
      streams_{streams.input, streams.output, streams.error},
      max_handles_(std::min<std::size_t>(max_handles, std::numeric_limits<std::int32_t>::max() - kFirstFileHandle)) {}

FileService::~FileService() = default;

Result<void> FileService::add_mount(std::uint32_t id, const std::filesystem::path& directory, bool read_only) {
  FileDescriptor root(::open(directory.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!root) {
    const int reason = errno;
    auto error =
        system_error("cannot mount " + directory.string() + ": it must be a directory that you may enter", reason);
    error.error().kind = ErrorKind::kInput;
    return error;
  }
  if (!mounts_.emplace(id, MountPoint{std::move(root), read_only}).second) {
    return input_error("cannot mount " + directory.string() + ": mount number " + std::to_string(id) +
                       " is taken; give every mount a number of its own");
  }
  return {};
}

bool FileService::serves(Request request) { return request >= Request::kFileOpen && request <= Request::kPathSymlink; }

bool FileService::is_terminal(int stream) const {
  return stream >= 0 && stream <= 2 && ::isatty(streams_[static_cast<std::size_t>(stream)]) == 1;
}

Answer FileService::serve(Request request, const RequestArguments& arguments, std::span<std::byte> exchange) {
  const Call call{request, arguments, exchange};
  try {
    switch (request) {
      case Request::kFileClose:
      case Request::kFileRead:
      case Request::kFileWrite:
      case Request::kFileTruncate:
      case Request::kFileSync:
      case Request::kFileStat:
      case Request::kDirectoryRead:
      case Request::kTerminalSize:
      case Request::kFileChange:
        return serve_handle(call);
      case Request::kFileOpen:
      case Request::kPathStat:
      case Request::kPathRemove:
      case Request::kPathRename:
      case Request::kPathMakeDir:
      case Request::kPathReadLink:
      case Request::kDirectorySync:
      case Request::kPathChange:
      case Request::kPathLink:
      case Request::kPathSymlink:
        return serve_path(call);
      default:
        return failure(ENOSYS);
    }
  } catch (const std::bad_alloc&) {
    return failure(ENOMEM);
  }
}

std::shared_ptr<FileService::OpenFile> FileService::find(std::uint64_t handle) {
  if (handle < kFirstFileHandle) {
    return std::make_shared<OpenFile>(streams_[static_cast<std::size_t>(handle)], true);
  }
  std::lock_guard guard(mutex_);
  const std::uint64_t index = handle - kFirstFileHandle;
  return index < handles_.size() ? handles_[index] : nullptr;
}

std::int64_t FileService::insert(std::shared_ptr<OpenFile> file) {
  std::lock_guard guard(mutex_);
  std::uint32_t index = 0;
  if (!free_.empty()) {
    index = free_.back();
    free_.pop_back();
    handles_[index] = std::move(file);
  } else if (handles_.size() < max_handles_) {
    index = static_cast<std::uint32_t>(handles_.size());
    handles_.push_back(std::move(file));
    free_.reserve(handles_.size());  // so that a close never has to allocate
  } else {
    return -EMFILE;
  }
  return static_cast<std::int64_t>(index + kFirstFileHandle);
}

bool FileService::wait_for_input(int descriptor) {
  pollfd waiting[2] = {{descriptor, POLLIN, 0}, {cancel_.get(), POLLIN, 0}};
  while (::poll(waiting, 2, -1) < 0 && errno == EINTR) {
  }
  return (waiting[1].revents & POLLIN) == 0;
}

void FileService::cancel_waits() {
  const std::uint64_t one = 1;
  // An event counter takes this until it is full, and then it is readable all the same.
  (void)!::write(cancel_.get(), &one, sizeof(one));
}

// The handle is free for another file after this, so the carrier forgets it first.
Answer FileService::close(std::uint64_t handle, OpenFile& file) {
  if (file.stream) return failure(EBADF);
  {
    const std::lock_guard guard(file.mutex);
    if (file.closed) return failure(EBADF);  // another thread closed it meanwhile
    file.closed = true;
    if (file.shared) sharing_.unshare(handle);
  }
  const std::lock_guard guard(mutex_);
  const std::uint64_t index = handle - kFirstFileHandle;
  handles_[index].reset();
  free_.push_back(static_cast<std::uint32_t>(index));
  return {};
}

void FileService::note_transfer(std::uint64_t handle, OpenFile& file) {
  if (!file.regular || handle >= boundary::kMaxSharedHandles || !sharing_.share) return;
  if (file.transfers.fetch_add(1, std::memory_order_relaxed) + 1 != kTransfersBeforeSharing) return;
  const std::lock_guard guard(file.mutex);
  if (!file.closed) file.shared = sharing_.share(handle, file.descriptor);
}

Answer FileService::serve_handle(const Call& call) {
  const auto [handle, second, third, fourth] = call.arguments;
  const std::shared_ptr<OpenFile> file = find(handle);
  if (!file) return failure(EBADF);
  const int descriptor = file->descriptor;  // stays open as long as `file` is held
  switch (call.request) {
    case Request::kFileClose:
      return close(handle, *file);
    case Request::kFileRead:
      if (third > call.exchange.size()) return failure(EINVAL);
      if (file->stream && !wait_for_input(descriptor)) return failure(EINTR);
      if (second != boundary::kCurrentPosition) note_transfer(handle, *file);
      return {.result = read_some(descriptor, second, call.exchange.first(third)), .extra = {}};
    case Request::kFileWrite:
      if (third > call.exchange.size()) return failure(EINVAL);
      if (second != boundary::kCurrentPosition) note_transfer(handle, *file);
      return {.result = write_some(descriptor, second, call.exchange.first(third)), .extra = {}};
    case Request::kFileTruncate: {
      if (second > std::numeric_limits<off_t>::max()) return failure(EFBIG);
      if (file->stream) return failure(EINVAL);
      const auto size = static_cast<off_t>(second);
      return retry([&] { return ::ftruncate(descriptor, size); }) == 0 ? Answer{} : failure_of_errno();
    }
    case Request::kFileSync: {
      const auto sync = second == 1 ? ::fdatasync : ::fsync;
      return retry([&] { return sync(descriptor); }) == 0 ? Answer{} : failure_of_errno();
    }
    case Request::kFileStat:
      return {.result = put_status(descriptor, call.exchange), .extra = {}};
    case Request::kFileChange:
      if (file->stream) return failure(EPERM);
      if (file->read_only) return failure(EROFS);
      return {.result = change_attributes(descriptor, call.exchange, 0), .extra = {}};
    case Request::kDirectoryRead: {
      if (file->stream) return failure(ENOTDIR);
      std::lock_guard guard(file->mutex);
      if (second == 0) {
        if (const int reason = list_directory(descriptor, file->entries); reason != 0) return failure(reason);
      }
      return {.result = put_entries(file->entries, second, call.exchange), .extra = {}};
    }
    case Request::kTerminalSize: {
      std::uint64_t size = 0;
      const int reason = file->stream ? terminal_size(descriptor, size) : ENOTTY;
      return reason == 0 ? Answer{.result = 0, .extra = {size, 0, 0}} : failure(reason);
    }
    default:
      return failure(ENOSYS);
  }
}

Answer FileService::serve_path(const Call& call) {
  const auto mount = mounts_.find(static_cast<std::uint32_t>(call.arguments[0]));
  if (call.arguments[0] > std::numeric_limits<std::uint32_t>::max() || mount == mounts_.end()) return failure(ENODEV);
  std::string path;
  if (const int reason = take_path(call.exchange, 0, call.arguments[1], path); reason != 0) return failure(reason);
  switch (call.request) {
    case Request::kFileOpen:
      return open(call, mount->second, path);
    case Request::kPathStat:
      return path_stat(call, mount->second, path);
    case Request::kPathReadLink:
      return path_read_link(call, mount->second, path);
    case Request::kDirectorySync:
      return path_sync(mount->second, path);
    default:
      break;
  }
  if (mount->second.read_only) return failure(EROFS);
  switch (call.request) {
    case Request::kPathRemove:
      return path_remove(call, mount->second, path);
    case Request::kPathRename:
      return path_rename(call, mount->second, path);
    case Request::kPathMakeDir:
      return path_make_directory(call, mount->second, path);
    case Request::kPathChange:
      return path_change(call, mount->second, path);
    case Request::kPathLink:
      return path_link(call, mount->second, path);
    case Request::kPathSymlink:
      return path_symlink(call, mount->second, path);
    default:
      return failure(ENOSYS);
  }
}

Answer FileService::open(const Call& call, const MountPoint& mount, const std::string& path) {
  // What is not here has no meaning for the enclave's kernel, or (O_DIRECT, O_ASYNC, O_TMPFILE) asks too much.
  constexpr std::uint64_t kAllowed =
      O_ACCMODE | O_CREAT | O_EXCL | O_TRUNC | O_DIRECTORY | O_NOFOLLOW | O_DSYNC | O_SYNC;
  const int flags = static_cast<int>(call.arguments[2] & kAllowed);
  const bool changes = (flags & O_ACCMODE) != O_RDONLY || (flags & (O_CREAT | O_TRUNC)) != 0;
  if (mount.read_only && changes) return failure(EROFS);
  const auto mode = static_cast<unsigned>(call.arguments[3] & 0777);
  // O_NONBLOCK: a FIFO must not hold this thread; O_NOCTTY: a terminal must not become this process's.
  FileDescriptor file(resolve(mount, path, flags | O_NONBLOCK | O_NOCTTY, mode));
  if (!file) return failure_of_errno();
  struct stat status{};
  if (::fstat(file.get(), &status) != 0) return failure_of_errno();
  if (!S_ISREG(status.st_mode) && !S_ISDIR(status.st_mode)) return failure(EACCES);
  auto opened = std::make_shared<OpenFile>(std::move(file), mount.read_only);
  opened->regular = S_ISREG(status.st_mode);
  return {.result = insert(std::move(opened)), .extra = {}};
}

Answer FileService::path_stat(const Call& call, const MountPoint& mount, const std::string& path) {
  const int follow = call.arguments[2] == 1 ? O_NOFOLLOW : 0;
  const FileDescriptor file(resolve(mount, path, O_PATH | follow, 0));
  if (!file) return failure_of_errno();
  return {.result = put_status(file.get(), call.exchange), .extra = {}};
}

Answer FileService::path_remove(const Call& call, const MountPoint& mount, const std::string& path) {
  std::string name;
  const FileDescriptor parent = open_parent(mount, path, &name);
  if (!parent) return failure_of_errno();
  const int flags = call.arguments[2] == 1 ? AT_REMOVEDIR : 0;
  return ::unlinkat(parent.get(), name.c_str(), flags) == 0 ? Answer{} : failure_of_errno();
}

Answer FileService::path_rename(const Call& call, const MountPoint& mount, const std::string& path) {
  std::string target;
  if (const int reason = take_path(call.exchange, call.arguments[1], call.arguments[2], target); reason != 0) {
    return failure(reason);
  }
  constexpr std::uint64_t kAllowed = RENAME_NOREPLACE | RENAME_EXCHANGE;
  if ((call.arguments[3] & ~kAllowed) != 0) return failure(EINVAL);
  std::string old_name;
  std::string new_name;
  const FileDescriptor old_parent = open_parent(mount, path, &old_name);
  if (!old_parent) return failure_of_errno();
  const FileDescriptor new_parent = open_parent(mount, target, &new_name);
  if (!new_parent) return failure_of_errno();
  return ::renameat2(old_parent.get(), old_name.c_str(), new_parent.get(), new_name.c_str(),
                     static_cast<unsigned>(call.arguments[3])) == 0
             ? Answer{}
             : failure_of_errno();
}

Answer FileService::path_make_directory(const Call& call, const MountPoint& mount, const std::string& path) {
  std::string name;
  const FileDescriptor parent = open_parent(mount, path, &name);
  if (!parent) return failure_of_errno();
  const auto mode = static_cast<mode_t>(call.arguments[2] & 0777);
  return ::mkdirat(parent.get(), name.c_str(), mode) == 0 ? Answer{} : failure_of_errno();
}

Answer FileService::path_read_link(const Call& call, const MountPoint& mount, const std::string& path) {
  const FileDescriptor link(resolve(mount, path, O_PATH | O_NOFOLLOW, 0));
  if (!link) return failure_of_errno();
  const std::size_t room = std::min(call.exchange.size(), boundary::kMaxPath);
  const ssize_t length = ::readlinkat(link.get(), "", reinterpret_cast<char*>(call.exchange.data()), room);
  if (length < 0) return failure(errno == ENOENT ? EINVAL : errno);  // ENOENT here says: not a symbolic link
  return {.result = length, .extra = {}};
}

Answer FileService::path_change(const Call& call, const MountPoint& mount, const std::string& path) {
  const int follow = call.arguments[2] == 1 ? O_NOFOLLOW : 0;
  const FileDescriptor file(resolve(mount, path, O_PATH | follow, 0));
  if (!file) return failure_of_errno();
  return {.result = change_attributes(file.get(), call.exchange, call.arguments[1]), .extra = {}};
}

Answer FileService::path_link(const Call& call, const MountPoint& mount, const std::string& path) {
  std::string target;
  if (const int reason = take_path(call.exchange, call.arguments[1], call.arguments[2], target); reason != 0) {
    return failure(reason);
  }
  std::string old_name;
  std::string new_name;
  const FileDescriptor old_parent = open_parent(mount, path, &old_name);
  if (!old_parent) return failure_of_errno();
  const FileDescriptor new_parent = open_parent(mount, target, &new_name);
  if (!new_parent) return failure_of_errno();
  return ::linkat(old_parent.get(), old_name.c_str(), new_parent.get(), new_name.c_str(), 0) == 0 ? Answer{}
                                                                                                  : failure_of_errno();
}

// The target is text: nothing here ever follows it out of the mount.
Answer FileService::path_symlink(const Call& call, const MountPoint& mount, const std::string& path) {
  const std::uint64_t length = call.arguments[2];
  if (length == 0) return failure(ENOENT);
  if (length >= boundary::kMaxPath) return failure(ENAMETOOLONG);
  if (!range_fits(call.arguments[1], length, call.exchange.size())) return failure(EINVAL);
  const std::string target(reinterpret_cast<const char*>(call.exchange.data()) + call.arguments[1], length);
  if (target.find('\0') != std::string::npos) return failure(EINVAL);
  std::string name;
  const FileDescriptor parent = open_parent(mount, path, &name);
  if (!parent) return failure_of_errno();
  return ::symlinkat(target.c_str(), parent.get(), name.c_str()) == 0 ? Answer{} : failure_of_errno();
}

Answer FileService::path_sync(const MountPoint& mount, const std::string& path) {
  const FileDescriptor directory(resolve(mount, path, O_RDONLY | O_DIRECTORY, 0));
  if (!directory) return failure_of_errno();
  return retry([&] { return ::fsync(directory.get()); }) == 0 ? Answer{} : failure_of_errno();
}

// --- resolution

int FileService::resolve(const MountPoint& mount, const std::string& path, int flags, unsigned mode) {
  flags |= O_CLOEXEC;
  if (!has_openat2_) return resolve_by_walking(mount, path, flags, mode);
  const int file = open_beneath(mount.root.get(), path.empty() ? "." : path.c_str(), flags, mode);
  // EPERM: an older container's filter answers so for calls that it does not know.
  if (file < 0 && (errno == ENOSYS || errno == EPERM) && !openat2_works(mount.root.get())) {
    return resolve_by_walking(mount, path, flags, mode);
  }
  return file;
}

// One component at a time without following symbolic links: stricter than openat2, which follows those that stay
// beneath the root, but never laxer.
int FileService::resolve_by_walking(const MountPoint& mount, const std::string& path, int flags, unsigned mode) {
  FileDescriptor here;
  int directory = mount.root.get();
  std::string_view rest = path;
  for (std::size_t slash = rest.find('/'); slash != std::string_view::npos; slash = rest.find('/')) {
    const std::string part(rest.substr(0, slash));
    FileDescriptor next(::openat(directory, part.c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC));
    if (!next) return -1;
    struct stat status{};
    if (::fstat(next.get(), &status) != 0) return -1;
    if (!S_ISDIR(status.st_mode)) {
      errno = S_ISLNK(status.st_mode) ? ELOOP : ENOTDIR;
      return -1;
    }
    here = std::move(next);
    directory = here.get();
    rest.remove_prefix(slash + 1);
  }
  const std::string last(rest.empty() ? "." : rest);
  FileDescriptor file(retry([&] { return ::openat(directory, last.c_str(), flags | O_NOFOLLOW, mode); }));
  struct stat status{};
  if (!file && errno == ENOTDIR && ::fstatat(directory, last.c_str(), &status, AT_SYMLINK_NOFOLLOW) == 0) {
    errno = S_ISLNK(status.st_mode) ? ELOOP : ENOTDIR;
    return -1;
  }
  if ((flags & O_PATH) != 0 && (flags & O_NOFOLLOW) == 0 && file) {  // O_PATH opens the link itself
    if (::fstat(file.get(), &status) != 0) return -1;
    if (S_ISLNK(status.st_mode)) {
      errno = ELOOP;
      return -1;
    }
  }
  return file.release();
}

FileDescriptor FileService::open_parent(const MountPoint& mount, const std::string& path, std::string* name) {
  if (path.empty()) {  // the mount's own root cannot be removed, renamed or made
    errno = EBUSY;
    return FileDescriptor();
  }
  const std::size_t slash = path.rfind('/');
  *name = slash == std::string::npos ? path : path.substr(slash + 1);
  return FileDescriptor(
      resolve(mount, slash == std::string::npos ? std::string() : path.substr(0, slash), O_PATH | O_DIRECTORY, 0));
}

}  // namespace coffer::host
