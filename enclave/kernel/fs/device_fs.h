// /dev: null, zero, full, random, urandom, tty, and the names of the standard streams. Freestanding; thread-safe.
//
// /dev/stdin, /dev/stdout, /dev/stderr and /dev/fd/N name descriptors of the process: Files (files.h) opens those
// before it asks this file system, which only lists them.
#pragma once

#include "enclave/kernel/fs/snapshot_file.h"

namespace coffer::kernel::fs {

class DeviceFileSystem final : public UnchangeableFileSystem {
 public:
  // `terminal`: what /dev/tty opens; empty where no standard stream is a terminal.
  explicit DeviceFileSystem(Ref<File> terminal) : terminal_(std::move(terminal)) {}

  Expected<Ref<File>> open(std::string_view path, int open_flags, std::uint32_t mode) override;
  Expected<FileStatus> status(std::string_view path) override;
  Expected<FileStatus> link_status(std::string_view path) override { return status(path); }
  Expected<std::string> read_link(std::string_view path) override;
  bool has_own_links() const override { return true; }

 private:
  const Ref<File> terminal_;
};

}  // namespace coffer::kernel::fs
