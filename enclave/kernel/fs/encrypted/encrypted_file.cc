#include "enclave/kernel/fs/encrypted/encrypted_file.h"

#include <errno.h>

#include <algorithm>
#include <cstring>

#include "enclave/kernel/fs/encrypted/directory.h"
#include "enclave/kernel/fs/encrypted/volume.h"

namespace coffer::kernel::fs {

using encrypted::kBlockSize;
using encrypted::kMaxFileSize;
using encrypted::Volume;

namespace {

constexpr std::size_t kBlocksPastCache = 8;  // from here on reads and writes do not go through the cache
constexpr std::size_t kFirstReadAhead = 4;   // blocks; doubles
constexpr std::size_t kMaxDirectRead = 256 * kBlockSize;

}  // namespace

EncryptedFile::~EncryptedFile() {
  if (object_ == nullptr) return;
  LockGuard guard(system_.lock_);
  system_.volume_->release(object_, true);
}

int EncryptedFile::give_up(int why) {
  system_.volume_->release(object_);
  object_ = nullptr;
  return why;
}

Expected<std::size_t> EncryptedFile::read_at(std::uint64_t offset, std::span<std::byte> into) {
  LockGuard guard(system_.lock_);
  if (object_->is_directory()) return error(EISDIR);
  if (object_->tree.damaged) return error(EIO);
  const std::uint64_t size = object_->record.size;
  if (offset >= size) return 0;
  into = into.first(std::min<std::uint64_t>(into.size(), size - offset));
  std::size_t done = 0;
  while (done < into.size()) {
    auto count = read_some(offset + done, into.subspan(done));
    if (!count) return done != 0 ? Expected<std::size_t>(done) : count;
    done += *count;
  }
  return done;
}

// At least one byte, at most to the end of a block or a run of whole blocks.
Expected<std::size_t> EncryptedFile::read_some(std::uint64_t offset, std::span<std::byte> into) {
  encrypted::Forest& forest = system_.volume_->forest();
  const std::uint64_t index = offset / kBlockSize;
  const std::size_t within = offset % kBlockSize;
  if (within == 0 && into.size() >= kBlocksPastCache * kBlockSize) {
    const auto run = into.first(std::min(into.size() / kBlockSize * kBlockSize, kMaxDirectRead));
    if (auto read = forest.read_run(object_->tree, index, run); !read) return error(read.error());
    return run.size();
  }
  note_read(index);
  auto block = forest.read_block(object_->tree, index, read_ahead_);
  if (!block) return error(block.error());
  const std::size_t count = std::min(into.size(), kBlockSize - within);
  if (*block) {
    std::memcpy(into.data(), (*block)->data.data() + within, count);
  } else {
    std::memset(into.data(), 0, count);
  }
  return count;
}

void EncryptedFile::note_read(std::uint64_t index) {
  if (index + 1 == next_read_) return;  // the same block again
  read_ahead_ = index != next_read_ ? 1 : std::clamp(read_ahead_ * 2, kFirstReadAhead, encrypted::Forest::kMaxRun);
  next_read_ = index + 1;
}

Expected<std::size_t> EncryptedFile::write_at(std::uint64_t offset, std::span<const std::byte> from) {
  LockGuard guard(system_.lock_);
  return write_locked(offset, from);
}

Expected<std::uint64_t> EncryptedFile::append(std::span<const std::byte> from) {
  LockGuard guard(system_.lock_);
  auto written = write_locked(object_->record.size, from);
  if (!written) return error(written.error());
  if (*written != from.size()) return error(ENOSPC);
  return object_->record.size;
}

Expected<std::size_t> EncryptedFile::write_locked(std::uint64_t offset, std::span<const std::byte> from) {
  if (!writable_) return error(EBADF);
  if (from.empty()) return 0;
  if (offset >= kMaxFileSize || from.size() > kMaxFileSize - offset) return error(EFBIG);
  Volume& volume = *system_.volume_;
  encrypted::InodeRecord& record = object_->record;
  std::size_t done = 0;
  // What cannot be kept is refused before it is taken; what was taken is counted.
  auto stop = [&done](int why) { return done != 0 ? Expected<std::size_t>(done) : error(why); };
  while (done < from.size()) {
    if (auto room = volume.balance(*object_); !room) return stop(room.error());
    const auto count = write_some(offset + done, from.subspan(done));
    if (!count) return stop(count.error());
    done += *count;
    record.size = std::max(record.size, offset + done);
    volume.touch(*object_);
  }
  return done;
}

// At least one byte, at most to the end of a block or a run of whole blocks.
Expected<std::size_t> EncryptedFile::write_some(std::uint64_t offset, std::span<const std::byte> from) {
  encrypted::Forest& forest = system_.volume_->forest();
  const std::size_t within = offset % kBlockSize;
  if (within == 0 && from.size() >= kBlocksPastCache * kBlockSize) {
    const auto run = from.first(std::min(from.size() / kBlockSize, encrypted::Forest::kMaxRun) * kBlockSize);
    if (auto written = forest.write_run(object_->tree, offset / kBlockSize, run); !written) {
      return error(written.error());
    }
    return run.size();
  }
  const std::size_t count = std::min(from.size(), kBlockSize - within);
  auto block = forest.modify_block(object_->tree, offset / kBlockSize, count == kBlockSize);
  if (!block) return error(block.error());
  std::memcpy((*block)->data.data() + within, from.data(), count);
  return count;
}

Expected<void> EncryptedFile::truncate(std::uint64_t size) {
  LockGuard guard(system_.lock_);
  if (!writable_) return error(EBADF);
  return truncate_locked(size);
}

Expected<void> EncryptedFile::truncate_locked(std::uint64_t size) {
  encrypted::InodeRecord& record = object_->record;
  if (size > kMaxFileSize) return error(EFBIG);
  if (size < record.size) {
    if (auto cut = cut_last_block(size); !cut) return cut;
    const std::uint64_t keep = (size + kBlockSize - 1) / kBlockSize;
    if (auto cut = system_.volume_->forest().truncate(object_->tree, keep); !cut) return cut;
  }
  record.size = size;
  system_.volume_->touch(*object_);
  return {};
}

// What lies behind the end must read as zeros when the file grows again.
Expected<void> EncryptedFile::cut_last_block(std::uint64_t size) {
  const std::size_t within = size % kBlockSize;
  if (within == 0) return {};
  encrypted::Forest& forest = system_.volume_->forest();
  auto there = forest.read_block(object_->tree, size / kBlockSize);
  if (!there) return error(there.error());
  if (!*there) return {};
  auto block = forest.modify_block(object_->tree, size / kBlockSize, false);
  if (!block) return error(block.error());
  std::memset((*block)->data.data() + within, 0, kBlockSize - within);
  return {};
}

Expected<void> EncryptedFile::sync(bool /*data_only*/) {
  LockGuard guard(system_.lock_);
  if (object_->tree.orphan) return {};
  return system_.volume_->commit(object_, Volume::Durability::kMachine);
}

Expected<FileStatus> EncryptedFile::status() {
  LockGuard guard(system_.lock_);
  system_.volume_->stamp(*object_);
  return status_of(object_->number, object_->record, object_->tree.orphan);
}

Expected<std::vector<DirectoryEntry>> EncryptedFile::entries() {
  LockGuard guard(system_.lock_);
  if (!object_->is_directory()) return error(ENOTDIR);
  return encrypted::Directory(system_.volume_->forest(), *object_).list();
}

Expected<void> EncryptedFile::change(const AttributeChange& change) {
  LockGuard guard(system_.lock_);
  if (system_.volume_->read_only()) return error(EROFS);
  apply_change(*system_.volume_, *object_, change);
  return {};
}

}  // namespace coffer::kernel::fs
