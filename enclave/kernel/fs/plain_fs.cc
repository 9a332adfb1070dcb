#include "enclave/kernel/fs/plain_fs.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include <limits>

namespace coffer::kernel::fs {

namespace {

class PlainFile final : public File {
 public:
  PlainFile(HostDirectory& directory, SleepLock& append_lock, HostDirectory::Handle handle, std::string_view path)
      : directory_(directory), append_lock_(append_lock), handle_(handle), path_(path) {}

  Expected<std::size_t> read_at(std::uint64_t offset, std::span<std::byte> into) override {
    std::size_t done = 0;
    while (done < into.size()) {
      const auto count = directory_.read_at(handle_, offset + done, into.subspan(done));
      if (!count) {
        if (done > 0) break;
        return error(count.error());
      }
      if (*count > into.size() - done) return error(EIO);
      if (*count == 0) break;
      done += *count;
    }
    return done;
  }

  Expected<std::size_t> write_at(std::uint64_t offset, std::span<const std::byte> from) override {
    std::size_t done = 0;
    while (done < from.size()) {
      const auto count = directory_.write_at(handle_, offset + done, from.subspan(done));
      if (!count) {
        if (done > 0) break;
        return error(count.error());
      }
      if (*count == 0 || *count > from.size() - done) return error(EIO);
      done += *count;
    }
    return done;
  }

  Expected<std::uint64_t> append(std::span<const std::byte> from) override {
    LockGuard guard(append_lock_);
    const auto now = directory_.status(handle_);
    if (!now) return error(now.error());
    if (from.size() > std::numeric_limits<std::int64_t>::max() - now->size) return error(EFBIG);
    const auto written = write_at(now->size, from);
    if (!written) return error(written.error());
    if (*written < from.size()) return error(EIO);  // the caller could not tell how much of it is there
    return now->size + *written;
  }

  Expected<void> truncate(std::uint64_t size) override { return directory_.truncate(handle_, size); }
  Expected<void> sync(bool data_only) override { return directory_.sync(handle_, data_only); }
  Expected<FileStatus> status() override { return directory_.status(handle_); }
  Expected<std::vector<DirectoryEntry>> entries() override { return directory_.entries(path_); }
  Expected<void> change(const AttributeChange& change) override { return directory_.change(handle_, change); }

 private:
  ~PlainFile() override { directory_.close(handle_); }

  HostDirectory& directory_;
  SleepLock& append_lock_;  // held across calls to the host: the end must not move between asking and writing
  const HostDirectory::Handle handle_;
  const std::string path_;
};

}  // namespace

Expected<Ref<File>> PlainFileSystem::open(std::string_view path, int open_flags, std::uint32_t mode) {
  const auto handle = directory_->open(path, open_flags & ~O_APPEND, mode);
  if (!handle) return error(handle.error());
  return Ref<File>(new PlainFile(*directory_, append_lock_, *handle, path));
}

Expected<FileStatus> PlainFileSystem::status(std::string_view path) { return directory_->status(path); }

Expected<FileStatus> PlainFileSystem::link_status(std::string_view path) { return directory_->link_status(path); }

Expected<void> PlainFileSystem::make_directory(std::string_view path, std::uint32_t mode) {
  return directory_->make_directory(path, mode);
}

Expected<void> PlainFileSystem::remove(std::string_view path, bool directory) {
  return directory_->remove(path, directory);
}

Expected<void> PlainFileSystem::rename(std::string_view from, std::string_view to, unsigned flags) {
  return directory_->rename(from, to, flags);
}

Expected<std::string> PlainFileSystem::read_link(std::string_view path) { return directory_->read_link(path); }

Expected<void> PlainFileSystem::change(std::string_view path, const AttributeChange& change, bool follow) {
  return directory_->change(path, change, follow);
}

Expected<void> PlainFileSystem::link(std::string_view from, std::string_view to) { return directory_->link(from, to); }

Expected<void> PlainFileSystem::make_symbolic_link(std::string_view target, std::string_view path) {
  return directory_->make_symbolic_link(target, path);
}

}  // namespace coffer::kernel::fs
