#include "enclave/kernel/fs/device_fs.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "enclave/kernel/support/crypto.h"

namespace coffer::kernel::fs {

namespace {

enum class Device : std::uint8_t { kNull, kZero, kFull, kRandom, kTerminal, kLink };

struct Name {
  std::string_view name;
  Device device;
  std::string_view target;  // of links
};
constexpr Name kNames[] = {
    {"null", Device::kNull, ""},
    {"zero", Device::kZero, ""},
    {"full", Device::kFull, ""},
    {"random", Device::kRandom, ""},
    {"urandom", Device::kRandom, ""},
    {"tty", Device::kTerminal, ""},
    {"stdin", Device::kLink, "/proc/self/fd/0"},
    {"stdout", Device::kLink, "/proc/self/fd/1"},
    {"stderr", Device::kLink, "/proc/self/fd/2"},
    {"fd", Device::kLink, "/proc/self/fd"},
};

constexpr std::uint64_t kRootInode = 1;

FileStatus device_status(std::size_t index) {
  FileStatus status;
  status.inode = kRootInode + 1 + index;
  status.mode = kNames[index].device == Device::kLink ? S_IFLNK | 0777 : S_IFCHR | 0666;
  return status;
}

FileStatus root_status() {
  FileStatus status;
  status.inode = kRootInode;
  status.mode = S_IFDIR | 0555;
  status.links = 2;
  return status;
}

class DeviceFile final : public File {
 public:
  explicit DeviceFile(std::size_t index) : index_(index) {}

  Expected<std::size_t> read_at(std::uint64_t /*offset*/, std::span<std::byte> into) override {
    switch (device()) {
      case Device::kZero:
      case Device::kFull:
        if (!into.empty()) std::memset(into.data(), 0, into.size());
        return into.size();
      case Device::kRandom:
        random_bytes(into);
        return into.size();
      default:
        return 0;
    }
  }
  Expected<std::size_t> write_at(std::uint64_t /*offset*/, std::span<const std::byte> from) override {
    if (device() == Device::kFull) return error(ENOSPC);
    return from.size();  // what is written to random is not mixed in: the generator needs nobody's help
  }
  Expected<std::uint64_t> append(std::span<const std::byte> from) override {
    if (device() == Device::kFull) return error(ENOSPC);
    return from.size();
  }
  Expected<void> truncate(std::uint64_t /*size*/) override { return error(EINVAL); }
  Expected<void> sync(bool /*data_only*/) override { return error(EINVAL); }
  Expected<FileStatus> status() override { return device_status(index_); }

 private:
  ~DeviceFile() override = default;
  [[nodiscard]] Device device() const { return kNames[index_].device; }
  const std::size_t index_;
};

Expected<std::size_t> find(std::string_view path) {
  for (std::size_t i = 0; i < std::size(kNames); ++i) {
    if (kNames[i].name == path) return i;
  }
  return error(ENOENT);
}

}  // namespace

Expected<Ref<File>> DeviceFileSystem::open(std::string_view path, int open_flags, std::uint32_t /*mode*/) {
  const bool writes = (open_flags & O_ACCMODE) != O_RDONLY;
  if (path.empty()) {
    if (writes) return error(EISDIR);
    std::vector<DirectoryEntry> entries;
    for (std::size_t i = 0; i < std::size(kNames); ++i) {
      const bool link = kNames[i].device == Device::kLink;
      entries.push_back(
          {std::string(kNames[i].name), kRootInode + 1 + i, link ? std::uint8_t{DT_LNK} : std::uint8_t{DT_CHR}});
    }
    return Ref<File>(new SnapshotDirectory(root_status(), std::move(entries)));
  }
  const auto index = find(path);
  if (!index) return error((open_flags & O_CREAT) != 0 ? EACCES : ENOENT);
  if ((open_flags & (O_CREAT | O_EXCL)) == (O_CREAT | O_EXCL)) return error(EEXIST);
  if ((open_flags & O_DIRECTORY) != 0) return error(ENOTDIR);
  switch (kNames[*index].device) {
    case Device::kLink:
      return error(ELOOP);
    case Device::kTerminal:
      if (!terminal_) return error(ENXIO);
      return terminal_;
    default:
      return Ref<File>(new DeviceFile(*index));
  }
}

Expected<FileStatus> DeviceFileSystem::status(std::string_view path) {
  if (path.empty()) return root_status();
  const auto index = find(path);
  if (!index) return error(index.error());
  return device_status(*index);
}

Expected<std::string> DeviceFileSystem::read_link(std::string_view path) {
  const auto index = find(path);
  if (!index) return error(path.empty() ? EINVAL : ENOENT);
  if (kNames[*index].device != Device::kLink) return error(EINVAL);
  return std::string(kNames[*index].target);
}

}  // namespace coffer::kernel::fs
