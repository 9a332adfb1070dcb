// The host's standard streams. Untrusted: the host sees what is written and chooses what is read. Freestanding;
// thread-safe.
#pragma once

#include "enclave/kernel/fs/vfs.h"

namespace coffer::kernel::fs {

class StreamFile final : public File {
 public:
  // Host handles to read from and write to; -1 where it cannot.
  StreamFile(std::int32_t read_handle, std::int32_t write_handle, bool terminal)
      : read_handle_(read_handle), write_handle_(write_handle), terminal_(terminal) {}

  Expected<std::size_t> read_at(std::uint64_t offset, std::span<std::byte> into) override;
  Expected<std::size_t> write_at(std::uint64_t offset, std::span<const std::byte> from) override;
  Expected<void> truncate(std::uint64_t size) override;
  Expected<void> sync(bool data_only) override;
  Expected<FileStatus> status() override;
  bool seekable() const override { return false; }
  std::uint32_t ready() override { return 0; }  // the host's to tell
  std::int32_t host_handle() const override { return any_handle(); }
  Expected<std::size_t> read_stream(std::span<std::byte> into, bool nonblocking) override;
  bool is_terminal() const override { return terminal_; }
  Expected<TerminalSize> terminal_size() override;

 private:
  ~StreamFile() override = default;
  [[nodiscard]] Expected<std::size_t> write_once(std::span<const std::byte> from) const;
  [[nodiscard]] std::int32_t any_handle() const { return read_handle_ >= 0 ? read_handle_ : write_handle_; }

  const std::int32_t read_handle_, write_handle_;
  const bool terminal_;
};

}  // namespace coffer::kernel::fs
