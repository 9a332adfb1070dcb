// The root of the tree: the measured read-only files of the image, and the directories that lead to them and to the
// mount points. Freestanding; built at start, then immutable.
#pragma once

#include "enclave/kernel/fs/snapshot_file.h"

namespace coffer::kernel::fs {

struct ImageFile {
  std::string_view path;               // absolute
  std::span<const std::byte> content;  // measured memory, which outlives the file system
  std::uint32_t mode = 0444;           // permission bits
};

class ImageFileSystem final : public UnchangeableFileSystem {
 public:
  ImageFileSystem() { nodes_.push_back({"", {}, 0, true}); }

  // Adds the file and the directories above it. EEXIST, ENOTDIR where a file stands in the way, EINVAL for a path that
  // is not absolute.
  Expected<void> add_file(const ImageFile& file);
  // Adds the directory and those above it; nothing where they are there already.
  Expected<void> add_directory(std::string_view path);

  Expected<Ref<File>> open(std::string_view path, int open_flags, std::uint32_t mode) override;
  Expected<FileStatus> status(std::string_view path) override;
  Expected<std::string> read_link(std::string_view path) override;

 private:
  struct Node {
    std::string path;  // relative to the root, "" for the root
    std::span<const std::byte> content;
    std::uint32_t mode;
    bool directory;
  };
  Expected<std::size_t> find(std::string_view path) const;
  FileStatus status_of(std::size_t index) const;

  std::vector<Node> nodes_;
};

}  // namespace coffer::kernel::fs
