#include "enclave/kernel/fs/pipe.h"

#include <errno.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstring>
#include <limits>

#include "boundary/calls.h"
#include "enclave/kernel/core/locks.h"
#include "enclave/kernel/fs/waiters.h"

namespace coffer::kernel::fs {

namespace {

constinit std::atomic<std::uint64_t> next_inode{1};

// Runs `attempt` (which answers EAGAIN for "not now") until it has an answer.
template <class Attempt>
Expected<std::size_t> wait_until(bool nonblocking, Attempt attempt) {
  for (;;) {
    const std::uint64_t ticket = change_ticket();
    auto result = attempt();
    if (result || result.error() != EAGAIN) {
      announce_change();
      return result;
    }
    if (nonblocking) return result;
    if (wait_interrupted()) return error(EINTR);
    wait_for_change(ticket, boundary::kNoTimeout);
  }
}

class Pipe final : public Shared {
 public:
  // EAGAIN: empty, and somebody may still write.
  Expected<std::size_t> read(std::span<std::byte> into, bool take) {
    LockGuard guard(lock_);
    if (into.empty()) return 0;
    if (given_back_.empty() && used_ == 0) return writer_open_ ? Expected<std::size_t>(error(EAGAIN)) : 0;
    const std::size_t before = std::min(into.size(), given_back_.size());
    if (before != 0) std::memcpy(into.data(), given_back_.data(), before);
    into = into.subspan(before);
    const std::size_t count = std::min(into.size(), used_);
    const std::size_t first = std::min(count, kPipeCapacity - start_);
    if (count != 0) {
      std::memcpy(into.data(), buffer_.data() + start_, first);
      std::memcpy(into.data() + first, buffer_.data(), count - first);
    }
    if (take) {
      given_back_.erase(given_back_.begin(), given_back_.begin() + static_cast<std::ptrdiff_t>(before));
      start_ = (start_ + count) % kPipeCapacity;
      used_ -= count;
    }
    return before + count;
  }

  void give_back(std::span<const std::byte> bytes) {
    LockGuard guard(lock_);
    given_back_.insert(given_back_.begin(), bytes.begin(), bytes.end());
  }

  // EAGAIN: none.
  Expected<std::size_t> room() {
    LockGuard guard(lock_);
    if (!reader_open_) return error(EPIPE);
    if (used_ == kPipeCapacity) return error(EAGAIN);
    return kPipeCapacity - used_;
  }

  // EAGAIN: no room (for all of it, where it must not be split).
  Expected<std::size_t> write(std::span<const std::byte> from) {
    LockGuard guard(lock_);
    if (!reader_open_) return error(EPIPE);
    if (from.empty()) return 0;
    const std::size_t room = kPipeCapacity - used_;
    if (room == 0 || (from.size() <= kPipeAtomic && room < from.size())) return error(EAGAIN);
    const std::size_t count = std::min(from.size(), room);
    const std::size_t end = (start_ + used_) % kPipeCapacity;
    const std::size_t first = std::min(count, kPipeCapacity - end);
    std::memcpy(buffer_.data() + end, from.data(), first);
    std::memcpy(buffer_.data(), from.data() + first, count - first);
    used_ += count;
    return count;
  }

  void close(bool reader) {
    {
      LockGuard guard(lock_);
      (reader ? reader_open_ : writer_open_) = false;
    }
    announce_change();
  }

  std::uint32_t ready(bool reader) {
    LockGuard guard(lock_);
    if (reader) return (used_ > 0 || !given_back_.empty() ? kReadyToRead : 0) | (writer_open_ ? 0 : kReadyHangUp);
    return (kPipeCapacity - used_ >= kPipeAtomic || !reader_open_ ? kReadyToWrite : 0) |
           (reader_open_ ? 0 : kReadyError);
  }

  [[nodiscard]] std::size_t used() {
    LockGuard guard(lock_);
    return used_ + given_back_.size();
  }
  [[nodiscard]] std::uint64_t inode() const { return inode_; }

 private:
  const std::uint64_t inode_ = next_inode.fetch_add(1);
  SpinLock lock_;  // copies of at most 64 KiB; nothing under it waits or calls the host
  std::size_t start_ = 0, used_ = 0;
  bool reader_open_ = true, writer_open_ = true;
  std::vector<std::byte> given_back_;  // comes before what is in the buffer; what one splice() moves at most
  std::array<std::byte, kPipeCapacity> buffer_;
};

// What pipes and counters have in common.
class StateFile : public File {
 public:
  Expected<std::size_t> read_at(std::uint64_t /*offset*/, std::span<std::byte> into) final {
    return read_stream(into, false);
  }
  Expected<std::size_t> write_at(std::uint64_t /*offset*/, std::span<const std::byte> from) final {
    return write_stream(from, false);
  }
  Expected<void> truncate(std::uint64_t /*size*/) final { return error(EINVAL); }
  Expected<void> sync(bool /*data_only*/) final { return error(EINVAL); }
  bool seekable() const final { return false; }
};

class PipeEnd final : public StateFile, public PipeAccess {
 public:
  PipeEnd(Ref<Pipe> pipe, bool reader) : pipe_(std::move(pipe)), reader_(reader) {}

  Expected<std::size_t> read_stream(std::span<std::byte> into, bool nonblocking) override {
    if (!reader_) return error(EBADF);
    return wait_until(nonblocking, [&] { return pipe_->read(into, true); });
  }

  Expected<std::size_t> write_stream(std::span<const std::byte> from, bool nonblocking) override {
    if (reader_) return error(EBADF);
    std::size_t done = 0;
    do {
      const auto count = wait_until(nonblocking, [&] { return pipe_->write(from.subspan(done)); });
      if (!count) {
        if (done > 0) break;
        return error(count.error());
      }
      done += *count;
    } while (done < from.size());
    return done;
  }

  Expected<FileStatus> status() override {
    FileStatus status;
    status.inode = pipe_->inode();
    status.mode = S_IFIFO | 0600;
    status.size = pipe_->used();
    return status;
  }
  std::uint32_t ready() override { return pipe_->ready(reader_); }

  PipeAccess* as_pipe() override { return this; }
  bool is_reader() const override { return reader_; }
  bool same_pipe(const PipeAccess& other) const override {
    return static_cast<const PipeEnd&>(other).pipe_.get() == pipe_.get();  // there is no other kind
  }
  Expected<std::size_t> peek(std::span<std::byte> into, bool nonblocking) override {
    if (!reader_) return error(EBADF);
    return wait_until(nonblocking, [&] { return pipe_->read(into, false); });
  }
  void give_back(std::span<const std::byte> bytes) override {
    pipe_->give_back(bytes);
    announce_change();
  }
  Expected<std::size_t> wait_for_room(bool nonblocking) override {
    if (reader_) return error(EBADF);
    return wait_until(nonblocking, [&] { return pipe_->room(); });
  }

 private:
  ~PipeEnd() override { pipe_->close(reader_); }
  const Ref<Pipe> pipe_;
  const bool reader_;
};

class EventCounter final : public StateFile {
 public:
  EventCounter(std::uint64_t initial, bool semaphore) : value_(initial), semaphore_(semaphore) {}

  Expected<std::size_t> read_stream(std::span<std::byte> into, bool nonblocking) override {
    if (into.size() < sizeof(value_)) return error(EINVAL);
    return wait_until(nonblocking, [&]() -> Expected<std::size_t> {
      LockGuard guard(lock_);
      if (value_ == 0) return error(EAGAIN);
      const std::uint64_t taken = semaphore_ ? 1 : value_;
      value_ -= taken;
      std::memcpy(into.data(), &taken, sizeof(taken));
      return sizeof(taken);
    });
  }

  Expected<std::size_t> write_stream(std::span<const std::byte> from, bool nonblocking) override {
    std::uint64_t added = 0;
    if (from.size() < sizeof(added)) return error(EINVAL);
    std::memcpy(&added, from.data(), sizeof(added));
    if (added == std::numeric_limits<std::uint64_t>::max()) return error(EINVAL);
    return wait_until(nonblocking, [&]() -> Expected<std::size_t> {
      LockGuard guard(lock_);
      if (added > kMost - value_) return error(EAGAIN);
      value_ += added;
      return sizeof(added);
    });
  }

  Expected<FileStatus> status() override {
    FileStatus status;
    status.mode = 0600;  // as Linux: no type at all
    return status;
  }
  std::uint32_t ready() override {
    LockGuard guard(lock_);
    return (value_ > 0 ? kReadyToRead : 0) | (value_ < kMost ? kReadyToWrite : 0);
  }

 private:
  static constexpr std::uint64_t kMost = std::numeric_limits<std::uint64_t>::max() - 1;
  ~EventCounter() override = default;
  SpinLock lock_;
  std::uint64_t value_;
  const bool semaphore_;
};

}  // namespace

std::pair<Ref<File>, Ref<File>> make_pipe() {
  const Ref<Pipe> pipe(new Pipe);
  return {Ref<File>(new PipeEnd(pipe, true)), Ref<File>(new PipeEnd(pipe, false))};
}

Ref<File> make_event_counter(std::uint64_t initial, bool semaphore) {
  return Ref<File>(new EventCounter(initial, semaphore));
}

}  // namespace coffer::kernel::fs
