// Whole files and descriptors, for the untrusted side and the tools.
#pragma once

#include <filesystem>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"

namespace coffer {

// Owns a file descriptor and closes it.
class FileDescriptor {
 public:
  FileDescriptor() = default;
  explicit FileDescriptor(int fd) : fd_(fd) {}
  FileDescriptor(FileDescriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  FileDescriptor& operator=(FileDescriptor&& other) noexcept {
    if (this != &other) {
      reset();
      fd_ = std::exchange(other.fd_, -1);
    }
    return *this;
  }
  ~FileDescriptor() { reset(); }

  [[nodiscard]] int get() const { return fd_; }
  [[nodiscard]] int release() { return std::exchange(fd_, -1); }
  [[nodiscard]] explicit operator bool() const { return fd_ >= 0; }
  void reset();

 private:
  int fd_ = -1;
};

// Reads a regular file of at most `limit` bytes.
[[nodiscard]] Result<std::vector<std::byte>> read_file(const std::filesystem::path& path,
                                                       std::size_t limit = std::size_t{1} << 32);

// Replaces the file as a whole or not at all: a temporary file beside it, fsync, rename, fsync of the folder.
[[nodiscard]] Result<void> write_file_atomically(const std::filesystem::path& path, ByteView content,
                                                 unsigned mode = 0644);

// $COFFER_HOME, else $XDG_DATA_HOME/coffer, else ~/.local/share/coffer; made with mode 0700 where it is missing.
[[nodiscard]] Result<std::filesystem::path> state_directory();

}  // namespace coffer
