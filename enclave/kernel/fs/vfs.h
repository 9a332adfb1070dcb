// Files as the enclave kernel sees them. Freestanding; no exceptions; errors are positive errno values.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <expected>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace coffer::kernel::fs {

template <class T>
using Expected = std::expected<T, int>;  // the error is a positive errno
[[nodiscard]] inline std::unexpected<int> error(int errno_value) { return std::unexpected(errno_value); }

// For calls whose failure nobody can be told of: sync(), ends of descriptors, undoing after another failure.
template <class T>
void ignore_failure(const Expected<T>& /*result*/) {}

// Intrusive reference counting: open files are shared between descriptors and threads.
class Shared {
 public:
  Shared() = default;
  Shared(const Shared&) = delete;
  Shared& operator=(const Shared&) = delete;
  void retain() { count_.fetch_add(1, std::memory_order_relaxed); }
  // False where the object is ending already: for who holds a pointer without a reference, under a lock of its own that
  // the destructor takes too.
  [[nodiscard]] bool try_retain() {
    std::uint32_t count = count_.load(std::memory_order_relaxed);
    while (count != 0) {
      if (count_.compare_exchange_weak(count, count + 1, std::memory_order_relaxed)) return true;
    }
    return false;
  }
  void release() {
    if (count_.fetch_sub(1, std::memory_order_acq_rel) == 1) delete this;
  }

 protected:
  virtual ~Shared() = default;

 private:
  std::atomic<std::uint32_t> count_{0};
};

template <class T>
class Ref {
 public:
  Ref() = default;
  explicit Ref(T* object) : object_(object) {
    if (object_ != nullptr) object_->retain();
  }
  Ref(const Ref& other) : Ref(other.object_) {}
  Ref(Ref&& other) noexcept : object_(std::exchange(other.object_, nullptr)) {}
  template <class U>
    requires std::is_convertible_v<U*, T*>
  Ref(const Ref<U>& other) : Ref(static_cast<T*>(other.get())) {}
  // Takes over a reference that is counted already.
  static Ref adopt(T* object) {
    Ref ref;
    ref.object_ = object;
    return ref;
  }
  Ref& operator=(Ref other) noexcept {
    std::swap(object_, other.object_);
    return *this;
  }
  ~Ref() {
    if (object_ != nullptr) object_->release();
  }
  [[nodiscard]] T* get() const { return object_; }
  T* operator->() const { return object_; }
  T& operator*() const { return *object_; }
  explicit operator bool() const { return object_ != nullptr; }

 private:
  T* object_ = nullptr;
};

struct FileStatus {
  std::uint64_t device = 0, inode = 0, size = 0;
  std::uint32_t mode = 0;  // S_IF* and permission bits
  std::uint32_t links = 1;
  std::int64_t mtime_s = 0, ctime_s = 0, atime_s = 0;
  std::uint32_t mtime_ns = 0, ctime_ns = 0, atime_ns = 0;
};

struct DirectoryEntry {
  std::string name;
  std::uint64_t inode = 0;
  std::uint8_t type = 0;  // DT_*
};

// What fchmod() and utimensat() change; only what is set here is changed.
struct AttributeChange {
  bool set_mode = false, set_atime = false, set_mtime = false;
  std::uint32_t mode = 0;  // permission bits
  std::int64_t atime_s = 0, mtime_s = 0;
  std::uint32_t atime_ns = 0, mtime_ns = 0;
};

// Readiness as poll() tells it (the Linux ABI's POLL* bits).
inline constexpr std::uint32_t kReadyToRead = 0x001, kReadyToWrite = 0x004, kReadyError = 0x008, kReadyHangUp = 0x010;

struct TerminalSize {
  std::uint16_t rows = 0, columns = 0;
};

class Socket;      // socket.h
class PipeAccess;  // pipe.h
class Epoll;       // epoll.h

// What open() made; position and flags of the descriptor live above this. All methods are thread-safe.
class File : public Shared {
 public:
  // Bytes read, 0 at the end. Non-seekable files (pipes, terminals) ignore `offset`.
  virtual Expected<std::size_t> read_at(std::uint64_t offset, std::span<std::byte> into) = 0;
  virtual Expected<std::size_t> write_at(std::uint64_t offset, std::span<const std::byte> from) = 0;
  virtual Expected<void> truncate(std::uint64_t size) = 0;
  virtual Expected<void> sync(bool data_only) = 0;
  virtual Expected<FileStatus> status() = 0;
  virtual bool seekable() const { return true; }
  virtual bool is_terminal() const { return false; }
  virtual Expected<TerminalSize> terminal_size();  // ENOTTY where it is none (the default)
  // Directories: all entries but "." and ".."; ENOTDIR for anything else.
  virtual Expected<std::vector<DirectoryEntry>> entries();
  // Appends with the file's own lock held, so that two O_APPEND writers never overlap. Returns the new end.
  virtual Expected<std::uint64_t> append(std::span<const std::byte> from);
  // What read() and write() do where seekable() is false. `nonblocking` answers EAGAIN instead of waiting. Without an
  // override they are read_at() and write_at() at offset 0.
  virtual Expected<std::size_t> read_stream(std::span<std::byte> into, bool nonblocking);
  virtual Expected<std::size_t> write_stream(std::span<const std::byte> from, bool nonblocking);
  // kReady* bits that hold now. Files that can always be read and written (the default) never make poll() wait.
  virtual std::uint32_t ready() { return kReadyToRead | kReadyToWrite; }
  // The handle of what stands behind the file at the host, where its readiness is the host's to tell; else -1. Waiting
  // for such files goes by this handle; ready() tells only what is known inside without asking.
  virtual std::int32_t host_handle() const { return -1; }
  // Monotonic time at which ready() may change without an announce_change(); ~0 for never.
  virtual std::uint64_t changes_at_ns() { return ~std::uint64_t{0}; }
  virtual Socket* as_socket() { return nullptr; }
  virtual Epoll* as_epoll() { return nullptr; }
  virtual PipeAccess* as_pipe() { return nullptr; }
  // EOPNOTSUPP where the file system does not store what is to be changed (the default).
  virtual Expected<void> change(const AttributeChange& change);
};

// One mounted tree. Paths are relative to the mount point, normalised ('/'-separated, no "", "." or ".."), "" the root.
// open_flags and mode are the Linux ABI's. All methods are thread-safe.
class FileSystem {
 public:
  virtual ~FileSystem() = default;
  virtual Expected<Ref<File>> open(std::string_view path, int open_flags, std::uint32_t mode) = 0;
  virtual Expected<FileStatus> status(std::string_view path) = 0;
  virtual Expected<void> make_directory(std::string_view path, std::uint32_t mode) = 0;
  virtual Expected<void> remove(std::string_view path, bool directory) = 0;
  virtual Expected<void> rename(std::string_view from, std::string_view to, unsigned flags) = 0;
  virtual Expected<std::string> read_link(std::string_view path) = 0;
  // status() that does not follow a last symbolic link; the same where there are none (the default).
  virtual Expected<FileStatus> link_status(std::string_view path) { return status(path); }
  // True where symbolic links are the kernel's own (/proc, /dev), some of which stand for more than their text.
  virtual bool has_own_links() const { return false; }
  // True where the host can have made the links, which then lead nowhere but to places of the same file system.
  // A file system may follow such links itself; where it does not, it answers ELOOP or EXDEV, and links.h follows.
  virtual bool has_host_links() const { return false; }
  // Of a last symbolic link itself where `follow` is false. What open() of the path can change, unless overridden.
  virtual Expected<void> change(std::string_view path, const AttributeChange& change, bool follow);
  // `to` becomes one more name of the file `from`, a last symbolic link not being followed. EPERM without an override.
  virtual Expected<void> link(std::string_view from, std::string_view to);
  // EPERM without an override. `target` is not empty.
  virtual Expected<void> make_symbolic_link(std::string_view target, std::string_view path);
  // f_type of statfs(), a *_MAGIC of <linux/magic.h>; only for programs that ask what kind of file system this is.
  virtual std::uint64_t magic() const { return 0x01021994; }  // TMPFS_MAGIC
  // Everything that was written reaches the host's disk; called at exit too.
  virtual Expected<void> sync() = 0;
};

// Host storage under one mount, untrusted: what the encrypted and plain file systems stand on. Implemented over
// requests of boundary/calls.h (host_directory_calls.cc) and, for tests, in memory with faults. Implementations check
// that counts do not exceed what was asked; contents and sizes are whatever the host says.
class HostDirectory {
 public:
  using Handle = std::int32_t;
  virtual ~HostDirectory() = default;
  virtual Expected<Handle> open(std::string_view path, int open_flags, std::uint32_t mode) = 0;
  virtual void close(Handle handle) = 0;
  // May return fewer bytes than asked; 0 at the end.
  virtual Expected<std::size_t> read_at(Handle handle, std::uint64_t offset, std::span<std::byte> into) = 0;
  virtual Expected<std::size_t> write_at(Handle handle, std::uint64_t offset, std::span<const std::byte> from) = 0;
  virtual Expected<void> truncate(Handle handle, std::uint64_t size) = 0;
  virtual Expected<void> sync(Handle handle, bool data_only) = 0;
  virtual Expected<FileStatus> status(Handle handle) = 0;
  virtual Expected<FileStatus> status(std::string_view path) = 0;
  // Of a symbolic link itself; the same as status() for storage without links (the default).
  virtual Expected<FileStatus> link_status(std::string_view path) { return status(path); }
  virtual Expected<void> make_directory(std::string_view path, std::uint32_t mode) = 0;
  virtual Expected<void> remove(std::string_view path, bool directory) = 0;
  virtual Expected<void> rename(std::string_view from, std::string_view to, unsigned flags) = 0;
  virtual Expected<std::string> read_link(std::string_view path) = 0;
  virtual Expected<std::vector<DirectoryEntry>> entries(std::string_view path) = 0;
  virtual Expected<void> sync_directory(std::string_view path) = 0;
  // What only plain mounts ask for; EPERM without an override. Of last symbolic links themselves where `follow` is
  // false; link() never follows one.
  virtual Expected<void> change(Handle handle, const AttributeChange& change);
  virtual Expected<void> change(std::string_view path, const AttributeChange& change, bool follow);
  virtual Expected<void> link(std::string_view from, std::string_view to);
  virtual Expected<void> make_symbolic_link(std::string_view target, std::string_view path);
};

}  // namespace coffer::kernel::fs
