// One open file of the host, read and written whole: a short answer is an error here. Freestanding.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "enclave/kernel/fs/vfs.h"

namespace coffer::kernel::fs::encrypted {

class HostFile {
 public:
  HostFile() = default;
  HostFile(const HostFile&) = delete;
  HostFile& operator=(const HostFile&) = delete;
  ~HostFile() { close(); }

  [[nodiscard]] Expected<void> open(HostDirectory& host, std::string_view name, int open_flags);
  void close();
  [[nodiscard]] bool is_open() const { return host_ != nullptr; }

  // All of `into`, or EIO where the file ends before.
  [[nodiscard]] Expected<void> read(std::uint64_t offset, std::span<std::byte> into);
  // As much as the file has; at most `into`.
  [[nodiscard]] Expected<std::size_t> read_some(std::uint64_t offset, std::span<std::byte> into);
  [[nodiscard]] Expected<void> write(std::uint64_t offset, std::span<const std::byte> from);
  [[nodiscard]] Expected<void> truncate(std::uint64_t size) { return host_->truncate(handle_, size); }
  [[nodiscard]] Expected<void> sync() { return host_->sync(handle_, false); }

 private:
  HostDirectory* host_ = nullptr;
  HostDirectory::Handle handle_ = -1;
};

}  // namespace coffer::kernel::fs::encrypted
