// /proc: what the C library and common libraries read of it. "self", "thread-self" and the process's number are the
// same directory. Freestanding; thread-safe.
#pragma once

#include "enclave/kernel/fs/generated_fs.h"

namespace coffer::kernel::fs {

class ProcFileSystem final : public GeneratedFileSystem {
 public:
  explicit ProcFileSystem(const ProcessInfo& info);

  Expected<Ref<File>> open(std::string_view path, int open_flags, std::uint32_t mode) override;
  Expected<FileStatus> status(std::string_view path) override;
  Expected<std::string> read_link(std::string_view path) override;
  std::uint64_t magic() const override { return 0x9fa0; }  // PROC_SUPER_MAGIC

 private:
  [[nodiscard]] std::string canonical(std::string_view path) const;
};

// The descriptor number of an absolute path that names one ("/proc/self/fd/3", "/dev/fd/3"), or -1.
int descriptor_named_by(std::string_view absolute, std::uint32_t process_id);

}  // namespace coffer::kernel::fs
