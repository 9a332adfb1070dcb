#include "enclave/kernel/fs/received_stream.h"

#include <errno.h>

#include <algorithm>
#include <cstring>

namespace coffer::kernel::fs {

Expected<void> ReceivedStream::spoil() {
  broken_ = true;
  return error(EIO);
}

Expected<void> ReceivedStream::add(std::uint64_t offset, std::span<const std::byte> bytes) {
  LockGuard guard(lock_);
  std::size_t held = ready_.size() - taken_;
  for (const Piece& piece : early_) held += piece.bytes.size();
  if (broken_ || offset < end_ || offset - end_ > kMost || held + bytes.size() > kMost) return spoil();
  if (bytes.empty()) return {};
  if (offset == end_) {
    if (taken_ == ready_.size()) {
      ready_.clear();
      taken_ = 0;
    }
    ready_.insert(ready_.end(), bytes.begin(), bytes.end());
    end_ += bytes.size();
    join_early();
  } else {
    early_.push_back({offset, {bytes.begin(), bytes.end()}});
  }
  return broken_ ? spoil() : Expected<void>{};
}

// Moves early pieces whose turn has come.
void ReceivedStream::join_early() {
  for (std::size_t i = 0; i < early_.size();) {
    if (early_[i].offset > end_) {
      ++i;
      continue;
    }
    if (early_[i].offset < end_) broken_ = true;  // it overlaps: no honest host says so
    if (broken_) return;
    ready_.insert(ready_.end(), early_[i].bytes.begin(), early_[i].bytes.end());
    end_ += early_[i].bytes.size();
    early_.erase(early_.begin() + static_cast<std::ptrdiff_t>(i));
    i = 0;
  }
}

bool ReceivedStream::pass(std::uint64_t offset, std::size_t size) {
  LockGuard guard(lock_);
  if (broken_ || offset != end_ || taken_ != ready_.size()) return false;
  end_ += size;
  join_early();
  return true;
}

bool ReceivedStream::reaches(std::uint64_t offset) {
  LockGuard guard(lock_);
  return offset <= end_;
}

bool ReceivedStream::has_given(std::uint64_t offset) {
  LockGuard guard(lock_);
  return offset <= end_ && taken_ == ready_.size();
}

std::size_t ReceivedStream::take(std::span<std::byte> into, bool peek) {
  LockGuard guard(lock_);
  const std::size_t count = std::min(into.size(), ready_.size() - taken_);
  if (count == 0) return 0;
  std::memcpy(into.data(), ready_.data() + taken_, count);
  if (!peek) taken_ += count;
  return count;
}

std::size_t ReceivedStream::available() {
  LockGuard guard(lock_);
  return ready_.size() - taken_;
}

bool ReceivedStream::broken() {
  LockGuard guard(lock_);
  return broken_;
}

}  // namespace coffer::kernel::fs
