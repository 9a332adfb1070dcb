#include "enclave/kernel/fs/ram_node.h"

#include <errno.h>
#include <sys/stat.h>

#include <algorithm>
#include <cstring>

namespace coffer::kernel::fs {

namespace {

constinit std::atomic<std::uint64_t> next_inode{1};

// Keeps block tables small enough to allocate: 16 TiB, far above any enclave.
constexpr std::uint64_t kLargestFile = std::uint64_t{1} << 36;

}  // namespace

RamNode::RamNode(Ref<RamFileSystem::Budget> budget, std::uint32_t mode, Timestamp now, std::string_view link_target)
    : inode_(next_inode.fetch_add(1)),
      link_target_(link_target),
      budget_(std::move(budget)),
      mode_(mode),
      mtime_(now),
      ctime_(now),
      atime_(now) {}

RamNode::~RamNode() {
  for (std::byte* block : blocks_) {
    if (block != nullptr) budget_->give_back_block(block);
  }
  for (std::size_t i = 0; i < nodes_for(link_target_); ++i) budget_->give_back_node();
}

bool RamNode::is_directory() const { return type() == S_IFDIR; }

bool RamNode::is_link() const { return type() == S_IFLNK; }

// The type never changes, so it needs no lock.
std::uint32_t RamNode::type() const { return mode_ & S_IFMT; }

RamNode::Child* RamNode::child(std::string_view name) {
  const auto found = std::find_if(children.begin(), children.end(), [&](const Child& c) { return c.name == name; });
  return found == children.end() ? nullptr : &*found;
}

FileStatus RamNode::status() {
  LockGuard guard(lock_);
  FileStatus status;
  status.inode = inode_;
  status.size = is_link() ? link_target_.size() : size_;
  status.mode = mode_;
  status.links = is_directory() && names != 0 ? 2 : names.load();
  status.mtime_s = mtime_.seconds;
  status.mtime_ns = mtime_.nanoseconds;
  status.ctime_s = ctime_.seconds;
  status.ctime_ns = ctime_.nanoseconds;
  status.atime_s = atime_.seconds;
  status.atime_ns = atime_.nanoseconds;
  return status;
}

Expected<std::size_t> RamNode::read_at(std::uint64_t offset, std::span<std::byte> into) {
  LockGuard guard(lock_);
  if (offset >= size_) return 0;
  const std::size_t length = static_cast<std::size_t>(std::min<std::uint64_t>(into.size(), size_ - offset));
  std::size_t done = 0;
  while (done < length) {
    const std::uint64_t at = offset + done;
    const std::size_t start = at % kRamBlock;
    const std::size_t piece = std::min(length - done, kRamBlock - start);
    const std::byte* block = blocks_[at / kRamBlock];
    if (block != nullptr) {
      std::memcpy(into.data() + done, block + start, piece);
    } else {
      std::memset(into.data() + done, 0, piece);
    }
    done += piece;
  }
  return done;
}

Expected<std::size_t> RamNode::write_at(std::uint64_t offset, std::span<const std::byte> from, Timestamp now) {
  LockGuard guard(lock_);
  return write_locked(offset, from, now);
}

Expected<std::uint64_t> RamNode::append(std::span<const std::byte> from, Timestamp now) {
  LockGuard guard(lock_);
  const std::uint64_t before = size_;
  const auto written = write_locked(before, from, now);
  if (!written) return error(written.error());
  if (*written < from.size()) return error(ENOSPC);
  return size_;
}

Expected<std::size_t> RamNode::write_locked(std::uint64_t offset, std::span<const std::byte> from, Timestamp now) {
  if (offset > kLargestFile || from.size() > kLargestFile - offset) return error(EFBIG);
  if (from.empty()) return 0;
  const std::size_t needed = static_cast<std::size_t>((offset + from.size() + kRamBlock - 1) / kRamBlock);
  if (blocks_.size() < needed) blocks_.resize(needed);
  std::size_t done = 0;
  while (done < from.size()) {
    const std::uint64_t at = offset + done;
    const std::size_t start = at % kRamBlock;
    const std::size_t piece = std::min(from.size() - done, kRamBlock - start);
    std::byte*& block = blocks_[at / kRamBlock];
    if (block == nullptr) block = budget_->take_block();
    if (block == nullptr) break;
    std::memcpy(block + start, from.data() + done, piece);
    done += piece;
  }
  if (done == 0) return error(ENOSPC);
  size_ = std::max(size_, offset + done);
  mtime_ = ctime_ = now;
  return done;
}

Expected<void> RamNode::truncate(std::uint64_t size, Timestamp now) {
  if (size > kLargestFile) return error(EFBIG);
  LockGuard guard(lock_);
  const std::size_t kept = static_cast<std::size_t>((size + kRamBlock - 1) / kRamBlock);
  for (std::size_t i = kept; i < blocks_.size(); ++i) {
    if (blocks_[i] != nullptr) budget_->give_back_block(blocks_[i]);
  }
  blocks_.resize(kept);
  // What was behind the new end must read as zeros if the file grows again.
  if (size < size_ && size % kRamBlock != 0 && blocks_.back() != nullptr) {
    std::memset(blocks_.back() + size % kRamBlock, 0, kRamBlock - size % kRamBlock);
  }
  size_ = size;
  mtime_ = ctime_ = now;
  return {};
}

void RamNode::change(const AttributeChange& change, Timestamp now) {
  LockGuard guard(lock_);
  if (change.set_mode) mode_ = (mode_ & S_IFMT) | (change.mode & 07777);
  if (change.set_atime) atime_ = {change.atime_s, change.atime_ns};
  if (change.set_mtime) mtime_ = {change.mtime_s, change.mtime_ns};
  ctime_ = now;
}

}  // namespace coffer::kernel::fs
