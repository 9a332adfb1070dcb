// File descriptors and the open file descriptions behind them. Freestanding; thread-safe.
#pragma once

#include <atomic>
#include <limits>

#include "enclave/kernel/core/locks.h"
#include "enclave/kernel/fs/vfs.h"

namespace coffer::kernel::fs {

class RecordLocks;

// An open file description: what dup() shares. The path is the one it was opened with, for fchdir() and /proc/self/fd.
class Description final : public Shared {
 public:
  // `flags`: O_ACCMODE, O_APPEND, O_NONBLOCK, O_PATH, O_DIRECTORY... of open(). `file_system` may be null (pipes);
  // `device` is the st_dev of the mount.
  Description(Ref<File> file, int flags, std::string path, FileSystem* file_system, std::uint64_t device)
      : file_(std::move(file)), path_(std::move(path)), file_system_(file_system), device_(device), flags_(flags) {}

  [[nodiscard]] File& file() const { return *file_; }
  [[nodiscard]] const Ref<File>& shared_file() const { return file_; }
  [[nodiscard]] const std::string& path() const { return path_; }
  [[nodiscard]] FileSystem* file_system() const { return file_system_; }
  [[nodiscard]] std::uint64_t device() const { return device_; }
  [[nodiscard]] int flags() const { return flags_.load(); }
  void set_status_flags(int flags);  // O_APPEND and O_NONBLOCK, as F_SETFL
  [[nodiscard]] bool readable() const;
  [[nodiscard]] bool writable() const;

  // read(), write(): at the position, which moves. EBADF where the description is not open for that.
  Expected<std::size_t> read(std::span<std::byte> into);
  Expected<std::size_t> write(std::span<const std::byte> from);
  // pread(), pwrite(): ESPIPE where the file has no positions.
  Expected<std::size_t> read_at(std::uint64_t offset, std::span<std::byte> into);
  Expected<std::size_t> write_at(std::uint64_t offset, std::span<const std::byte> from);
  Expected<std::uint64_t> seek(std::int64_t offset, int whence);

  // Calls visit(entry, index of the next one) from the position on while it returns true. The first entries are "." and
  // ".."; the list stands from the moment it is read at position 0. `extra` are names that the listing must have.
  using EntryVisitor = bool (*)(void* context, const DirectoryEntry& entry, std::uint64_t next);
  Expected<void> read_entries(const std::vector<std::string>& extra, EntryVisitor visit, void* context);

  // Which file this is, for locks. On plain mounts the inode is the host's word.
  struct Identity {
    std::uint64_t device, inode;
    bool operator==(const Identity&) const = default;
  };
  Expected<Identity> identity();
  void note_epoll() { in_epoll_.store(true); }                  // an epoll must be told when this description ends
  void note_locks(RecordLocks* locks) { locks_.store(locks); }  // whose locks end with this description

 private:
  ~Description() override;
  Expected<void> list_entries(const std::vector<std::string>& extra);

  const Ref<File> file_;
  const std::string path_;
  FileSystem* const file_system_;
  const std::uint64_t device_;
  std::atomic<int> flags_;
  std::atomic<RecordLocks*> locks_{nullptr};
  std::atomic<bool> in_epoll_{false};
  std::atomic<bool> inode_known_{false};
  std::atomic<std::uint64_t> inode_{0};

  SleepLock lock_;  // guards what follows; held across the read or write so that the position moves with it
  std::uint64_t position_ = 0;
  std::vector<DirectoryEntry> entries_;
  bool listed_ = false;
};

struct Descriptor {
  Ref<Description> description;
  bool close_on_exec = false;
};

class DescriptorTable {
 public:
  explicit DescriptorTable(std::size_t limit) : limit_(limit) {}

  // EBADF for what is not open.
  [[nodiscard]] Expected<Ref<Description>> get(std::int64_t number);
  // The lowest free number from `lowest` on: EMFILE at the limit, EINVAL for a `lowest` beyond it.
  Expected<int> add(Ref<Description> description, bool close_on_exec, std::int64_t lowest = 0);
  Expected<int> duplicate_to(std::int64_t from, std::int64_t to, bool close_on_exec);
  Expected<void> close(std::int64_t number);
  Expected<bool> close_on_exec(std::int64_t number);
  Expected<void> set_close_on_exec(std::int64_t number, bool value);
  void close_range(std::uint64_t first, std::uint64_t last, bool only_mark);
  [[nodiscard]] std::vector<int> open_numbers();
  // RLIMIT_NOFILE's soft limit.
  [[nodiscard]] std::size_t limit() const { return limit_.load(); }
  void set_limit(std::size_t limit) { limit_.store(limit); }

 private:
  SpinLock lock_;  // never held while a description ends: that may call the host
  std::vector<Descriptor> slots_;
  std::atomic<std::size_t> limit_;
};

}  // namespace coffer::kernel::fs
