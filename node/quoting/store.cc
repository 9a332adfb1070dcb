#include "node/quoting/store.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

namespace coffer::node {
namespace {

constexpr std::size_t kMostFile = std::size_t{1} << 20;

Result<void> sync_folder(const std::filesystem::path& folder) {
  const FileDescriptor descriptor(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!descriptor || ::fsync(descriptor.get()) != 0) return system_error("cannot sync " + folder.string(), errno);
  return {};
}

std::filesystem::path beside(const std::filesystem::path& folder, const char* suffix) {
  return folder.string() + suffix;
}

}  // namespace

Result<FolderStore> FolderStore::open(const std::filesystem::path& parent, std::string_view name, Access access) {
  FolderStore store;
  store.folder_ = parent / name;
  const auto path = beside(store.folder_, ".lock");
  store.lock_ = FileDescriptor(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  if (!store.lock_) {
    if (access == Access::kRead) return store;
    return system_error("cannot lock " + store.folder_.string(), errno);
  }
  if (::flock(store.lock_.get(), access == Access::kRead ? LOCK_SH : LOCK_EX) != 0) {
    return system_error("cannot lock " + store.folder_.string(), errno);
  }
  if (access == Access::kChange) {
    if (auto recovered = store.recover(); !recovered) return std::unexpected(recovered.error());
  }
  return store;
}

Result<bool> FolderStore::there() const {
  std::error_code error;
  bool there = std::filesystem::exists(folder_, error);
  // A crash between the two renames of a change: the old folder waits for the next change to put it back.
  if (!error && !there && std::filesystem::exists(beside(folder_, ".old"), error)) {
    return fail(ErrorKind::kSystem, folder_.string() + ": a change was cut short; run `coffer platform init`");
  }
  if (error) return system_error("cannot look at " + folder_.string(), error.value());
  return there;
}

Result<std::vector<std::byte>> FolderStore::read(std::string_view file) const {
  return read_file(folder_ / file, kMostFile);
}

Result<void> FolderStore::recover() const {
  std::error_code error;
  const auto old = beside(folder_, ".old");
  if (!std::filesystem::exists(folder_, error) && std::filesystem::exists(old, error)) {
    if (::rename(old.c_str(), folder_.c_str()) != 0) return system_error("cannot restore " + folder_.string(), errno);
  }
  std::filesystem::remove_all(old, error);
  std::filesystem::remove_all(beside(folder_, ".new"), error);
  if (error) return system_error("cannot clean up beside " + folder_.string(), error.value());
  return {};
}

Result<void> FolderStore::replace(const std::vector<StoredFile>& files) const {
  const auto fresh = beside(folder_, ".new");
  const auto old = beside(folder_, ".old");
  if (::mkdir(fresh.c_str(), 0700) != 0) return system_error("cannot make " + fresh.string(), errno);
  for (const StoredFile& file : files) {
    if (auto written = write_file_atomically(fresh / file.name, file.content, file.mode); !written) return written;
  }
  std::error_code error;
  const bool there = std::filesystem::exists(folder_, error);
  if (there && ::rename(folder_.c_str(), old.c_str()) != 0) {
    return system_error("cannot replace " + folder_.string(), errno);
  }
  if (::rename(fresh.c_str(), folder_.c_str()) != 0) return system_error("cannot replace " + folder_.string(), errno);
  if (auto synced = sync_folder(folder_.parent_path()); !synced) return synced;
  std::filesystem::remove_all(old, error);
  return {};
}

}  // namespace coffer::node
