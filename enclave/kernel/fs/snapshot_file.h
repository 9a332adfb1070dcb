// Files whose content stands when they are opened: listings of directories, texts that the kernel makes, measured
// files of the image. Freestanding; immutable, so thread-safe.
#pragma once

#include <errno.h>

#include <algorithm>
#include <cstring>

#include "enclave/kernel/fs/vfs.h"

namespace coffer::kernel::fs {

// A directory with these entries.
class SnapshotDirectory final : public File {
 public:
  SnapshotDirectory(const FileStatus& status, std::vector<DirectoryEntry> entries)
      : status_(status), entries_(std::move(entries)) {}
  Expected<std::size_t> read_at(std::uint64_t /*offset*/, std::span<std::byte> /*into*/) override {
    return error(EISDIR);
  }
  Expected<std::size_t> write_at(std::uint64_t /*offset*/, std::span<const std::byte> /*from*/) override {
    return error(EISDIR);
  }
  Expected<void> truncate(std::uint64_t /*size*/) override { return error(EISDIR); }
  Expected<void> sync(bool /*data_only*/) override { return {}; }
  Expected<FileStatus> status() override { return status_; }
  Expected<std::vector<DirectoryEntry>> entries() override { return entries_; }

 private:
  const FileStatus status_;
  const std::vector<DirectoryEntry> entries_;
};

// Bytes that are only read. Derived classes own or borrow them.
class ReadOnlyFile : public File {
 public:
  Expected<std::size_t> read_at(std::uint64_t offset, std::span<std::byte> into) override {
    if (offset >= content_.size()) return 0;
    const std::size_t count = std::min(into.size(), content_.size() - static_cast<std::size_t>(offset));
    if (count != 0) std::memcpy(into.data(), content_.data() + offset, count);
    return count;
  }
  Expected<std::size_t> write_at(std::uint64_t /*offset*/, std::span<const std::byte> /*from*/) override {
    return error(EROFS);
  }
  Expected<void> truncate(std::uint64_t /*size*/) override { return error(EROFS); }
  Expected<void> sync(bool /*data_only*/) override { return {}; }
  Expected<FileStatus> status() override { return status_; }

 protected:
  explicit ReadOnlyFile(const FileStatus& status) : status_(status) {}
  std::span<const std::byte> content_;

 private:
  const FileStatus status_;
};

// Borrows memory that outlives everything: the image's.
class MemoryFile final : public ReadOnlyFile {
 public:
  MemoryFile(const FileStatus& status, std::span<const std::byte> content) : ReadOnlyFile(status) {
    content_ = content;
  }
};

class TextFile final : public ReadOnlyFile {
 public:
  TextFile(const FileStatus& status, std::string text) : ReadOnlyFile(status), text_(std::move(text)) {
    content_ = std::as_bytes(std::span(text_));
  }

 private:
  const std::string text_;
};

// The refusals of a tree that nobody can change.
class UnchangeableFileSystem : public FileSystem {
 public:
  Expected<void> make_directory(std::string_view /*path*/, std::uint32_t /*mode*/) override { return error(EROFS); }
  Expected<void> remove(std::string_view /*path*/, bool /*directory*/) override { return error(EROFS); }
  Expected<void> rename(std::string_view /*from*/, std::string_view /*to*/, unsigned /*flags*/) override {
    return error(EROFS);
  }
  Expected<void> sync() override { return {}; }
};

}  // namespace coffer::kernel::fs
