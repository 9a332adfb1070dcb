#include "enclave/kernel/fs/descriptors.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>

#include "enclave/kernel/fs/epoll.h"
#include "enclave/kernel/fs/record_locks.h"
#include "enclave/kernel/fs/shared_mappings.h"

namespace coffer::kernel::fs {

namespace {

constexpr std::uint64_t kLastOffset = std::numeric_limits<std::int64_t>::max();
constexpr int kChangeableFlags = O_APPEND | O_NONBLOCK;

bool range_has_end(std::uint64_t offset, std::size_t length) {
  return offset <= kLastOffset && length <= kLastOffset - offset;
}

}  // namespace

Description::~Description() {
  if (RecordLocks* locks = locks_.load(); locks != nullptr) locks->drop_owner(this);
  if (in_epoll_.load()) forget_in_epolls(this);
}

void Description::set_status_flags(int flags) {
  int before = flags_.load();
  while (!flags_.compare_exchange_weak(before, (before & ~kChangeableFlags) | (flags & kChangeableFlags))) {
  }
}

bool Description::readable() const { return (flags() & O_PATH) == 0 && (flags() & O_ACCMODE) != O_WRONLY; }

bool Description::writable() const { return (flags() & O_PATH) == 0 && (flags() & O_ACCMODE) != O_RDONLY; }

Expected<std::size_t> Description::read(std::span<std::byte> into) {
  if (!readable()) return error(EBADF);
  if (!file_->seekable()) return file_->read_stream(into, (flags() & O_NONBLOCK) != 0);
  LockGuard guard(lock_);
  const auto count = read_file(*this, position_, into);
  if (count) position_ += *count;
  return count;
}

Expected<std::size_t> Description::write(std::span<const std::byte> from) {
  if (!writable()) return error(EBADF);
  if (!file_->seekable()) return file_->write_stream(from, (flags() & O_NONBLOCK) != 0);
  LockGuard guard(lock_);
  if ((flags() & O_APPEND) != 0) {
    const auto end = append_to_file(*this, from);
    if (!end) return error(end.error());
    position_ = *end;
    return from.size();
  }
  if (!range_has_end(position_, from.size())) return error(EFBIG);
  const auto count = write_file(*this, position_, from);
  if (count) position_ += *count;
  return count;
}

Expected<std::size_t> Description::read_at(std::uint64_t offset, std::span<std::byte> into) {
  if (!readable()) return error(EBADF);
  if (!file_->seekable()) return error(ESPIPE);
  if (offset > kLastOffset) return error(EINVAL);
  return read_file(*this, offset, into);
}

Expected<std::size_t> Description::write_at(std::uint64_t offset, std::span<const std::byte> from) {
  if (!writable()) return error(EBADF);
  if (!file_->seekable()) return error(ESPIPE);
  if (offset > kLastOffset) return error(EINVAL);
  if (!range_has_end(offset, from.size())) return error(EFBIG);
  if ((flags() & O_APPEND) != 0) {  // as Linux does, whatever the offset says
    const auto end = append_to_file(*this, from);
    if (!end) return error(end.error());
    return from.size();
  }
  return write_file(*this, offset, from);
}

Expected<std::uint64_t> Description::seek(std::int64_t offset, int whence) {
  if ((flags() & O_PATH) != 0) return error(EBADF);
  if (!file_->seekable()) return error(ESPIPE);
  LockGuard guard(lock_);
  std::int64_t base = 0;
  if (whence == SEEK_CUR) base = static_cast<std::int64_t>(position_);
  if (whence == SEEK_END || whence == SEEK_DATA || whence == SEEK_HOLE) {
    const auto status = file_->status();
    if (!status) return error(status.error());
    base = static_cast<std::int64_t>(std::min(status->size, kLastOffset));
  }
  std::int64_t target = 0;
  switch (whence) {
    case SEEK_SET:
    case SEEK_CUR:
    case SEEK_END:
      if (__builtin_add_overflow(base, offset, &target)) return error(EOVERFLOW);
      break;
    case SEEK_DATA:  // everything up to the end counts as data
    case SEEK_HOLE:
      if (offset < 0 || offset >= base) return error(ENXIO);
      target = whence == SEEK_DATA ? offset : base;
      break;
    default:
      return error(EINVAL);
  }
  if (target < 0) return error(EINVAL);
  position_ = static_cast<std::uint64_t>(target);
  return position_;
}

Expected<void> Description::list_entries(const std::vector<std::string>& extra) {
  auto found = file_->entries();
  if (!found) return error(found.error());
  const auto status = file_->status();
  const std::uint64_t inode = status ? status->inode : 1;
  entries_.clear();
  entries_.reserve(found->size() + extra.size() + 2);
  entries_.push_back({".", inode, DT_DIR});
  entries_.push_back({"..", inode, DT_DIR});
  for (DirectoryEntry& entry : *found) entries_.push_back(std::move(entry));
  for (const std::string& name : extra) {
    const auto same = [&](const DirectoryEntry& entry) { return entry.name == name; };
    if (std::none_of(entries_.begin(), entries_.end(), same)) entries_.push_back({name, inode, DT_DIR});
  }
  listed_ = true;
  return {};
}

Expected<void> Description::read_entries(const std::vector<std::string>& extra, EntryVisitor visit, void* context) {
  if (!readable()) return error(EBADF);
  LockGuard guard(lock_);
  if (position_ == 0 || !listed_) {
    if (auto listed = list_entries(extra); !listed) return listed;
  }
  while (position_ < entries_.size()) {
    if (!visit(context, entries_[position_], position_ + 1)) break;
    ++position_;
  }
  return {};
}

Expected<Description::Identity> Description::identity() {
  // A file stays the same as long as it is open.
  if (inode_known_.load(std::memory_order_acquire)) return Identity{device_, inode_.load()};
  const auto status = file_->status();
  if (!status) return error(status.error());
  inode_.store(status->inode);
  inode_known_.store(true, std::memory_order_release);
  return Identity{device_, status->inode};
}

Expected<Ref<Description>> DescriptorTable::get(std::int64_t number) {
  LockGuard guard(lock_);
  if (number < 0 || static_cast<std::uint64_t>(number) >= slots_.size()) return error(EBADF);
  const Ref<Description>& description = slots_[static_cast<std::size_t>(number)].description;
  if (!description) return error(EBADF);
  return description;
}

Expected<int> DescriptorTable::add(Ref<Description> description, bool close_on_exec, std::int64_t lowest) {
  LockGuard guard(lock_);
  const std::size_t limit = limit_.load();
  if (lowest < 0 || static_cast<std::uint64_t>(lowest) >= limit) return error(lowest == 0 ? EMFILE : EINVAL);
  std::size_t number = static_cast<std::size_t>(lowest);
  while (number < slots_.size() && slots_[number].description) ++number;
  if (number >= limit) return error(EMFILE);
  if (number >= slots_.size()) slots_.resize(number + 1);
  slots_[number] = {std::move(description), close_on_exec};
  return static_cast<int>(number);
}

Expected<int> DescriptorTable::duplicate_to(std::int64_t from, std::int64_t to, bool close_on_exec) {
  Ref<Description> replaced;  // ends after the lock
  LockGuard guard(lock_);
  if (from < 0 || static_cast<std::uint64_t>(from) >= slots_.size()) return error(EBADF);
  Ref<Description> description = slots_[static_cast<std::size_t>(from)].description;
  if (!description || to < 0 || static_cast<std::uint64_t>(to) >= limit_.load()) return error(EBADF);
  const auto number = static_cast<std::size_t>(to);
  if (number >= slots_.size()) slots_.resize(number + 1);
  replaced = std::move(slots_[number].description);
  slots_[number] = {std::move(description), close_on_exec};
  return static_cast<int>(to);
}

Expected<void> DescriptorTable::close(std::int64_t number) {
  Ref<Description> closed;  // ends after the lock
  LockGuard guard(lock_);
  if (number < 0 || static_cast<std::uint64_t>(number) >= slots_.size()) return error(EBADF);
  closed = std::move(slots_[static_cast<std::size_t>(number)].description);
  if (!closed) return error(EBADF);
  return {};
}

Expected<bool> DescriptorTable::close_on_exec(std::int64_t number) {
  LockGuard guard(lock_);
  if (number < 0 || static_cast<std::uint64_t>(number) >= slots_.size()) return error(EBADF);
  const Descriptor& slot = slots_[static_cast<std::size_t>(number)];
  if (!slot.description) return error(EBADF);
  return slot.close_on_exec;
}

Expected<void> DescriptorTable::set_close_on_exec(std::int64_t number, bool value) {
  LockGuard guard(lock_);
  if (number < 0 || static_cast<std::uint64_t>(number) >= slots_.size()) return error(EBADF);
  Descriptor& slot = slots_[static_cast<std::size_t>(number)];
  if (!slot.description) return error(EBADF);
  slot.close_on_exec = value;
  return {};
}

void DescriptorTable::close_range(std::uint64_t first, std::uint64_t last, bool only_mark) {
  std::vector<Ref<Description>> closed;  // end after the lock
  LockGuard guard(lock_);
  for (std::uint64_t number = first; number < slots_.size() && number <= last; ++number) {
    Descriptor& slot = slots_[number];
    if (!slot.description) continue;
    if (only_mark) {
      slot.close_on_exec = true;
    } else {
      closed.push_back(std::move(slot.description));
    }
  }
}

std::vector<int> DescriptorTable::open_numbers() {
  std::vector<int> numbers;
  LockGuard guard(lock_);
  for (std::size_t number = 0; number < slots_.size(); ++number) {
    if (slots_[number].description) numbers.push_back(static_cast<int>(number));
  }
  return numbers;
}

}  // namespace coffer::kernel::fs
