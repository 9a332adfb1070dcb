// One open file or directory of an encrypted mount. Freestanding.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "enclave/kernel/fs/encrypted/encrypted_file_system.h"
#include "enclave/kernel/fs/encrypted/object.h"
#include "enclave/kernel/fs/vfs.h"

namespace coffer::kernel::fs {

[[nodiscard]] FileStatus status_of(std::uint64_t inode, const encrypted::InodeRecord& record, bool orphan);

// Modes and modification times; access times are not stored. With the mount's lock held.
void apply_change(encrypted::Volume& volume, encrypted::Object& object, const AttributeChange& change);

class EncryptedFile final : public File {
 public:
  // Takes over one use of the object.
  EncryptedFile(EncryptedFileSystem& system, encrypted::Object* object, bool writable)
      : system_(system), object_(object), writable_(writable) {}

  Expected<std::size_t> read_at(std::uint64_t offset, std::span<std::byte> into) override;
  Expected<std::size_t> write_at(std::uint64_t offset, std::span<const std::byte> from) override;
  Expected<void> truncate(std::uint64_t size) override;
  Expected<void> sync(bool data_only) override;
  Expected<FileStatus> status() override;
  Expected<std::vector<DirectoryEntry>> entries() override;
  Expected<std::uint64_t> append(std::span<const std::byte> from) override;
  Expected<void> change(const AttributeChange& change) override;

  // With the mount's lock held.
  [[nodiscard]] Expected<void> truncate_locked(std::uint64_t size);
  // Ends the use at once, for an open() that fails; returns `why`.
  int give_up(int why);

 protected:
  ~EncryptedFile() override;

 private:
  [[nodiscard]] Expected<std::size_t> write_locked(std::uint64_t offset, std::span<const std::byte> from);
  [[nodiscard]] Expected<std::size_t> read_some(std::uint64_t offset, std::span<std::byte> into);
  [[nodiscard]] Expected<std::size_t> write_some(std::uint64_t offset, std::span<const std::byte> from);
  void note_read(std::uint64_t index);
  [[nodiscard]] Expected<void> cut_last_block(std::uint64_t size);

  EncryptedFileSystem& system_;
  encrypted::Object* object_;
  bool writable_;
  // Whoever reads block after block gets more of them with each request to the host.
  std::uint64_t next_read_ = ~std::uint64_t{0};  // the block after the last that was read
  std::size_t read_ahead_ = 1;                   // blocks
};

}  // namespace coffer::kernel::fs
