#include "enclave/kernel/signals/files.h"

#include <errno.h>
#include <sys/signalfd.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "enclave/kernel/core/locks.h"
#include "enclave/kernel/fs/clock.h"
#include "enclave/kernel/fs/waiters.h"
#include "enclave/kernel/signals/pending.h"

namespace coffer::kernel::signals {

namespace {

using fs::error;
using fs::Expected;

// What both are to the file layer: streams that cannot be written.
template <class Base>
class ReadOnlyStream : public Base {
 public:
  Expected<std::size_t> read_at(std::uint64_t /*offset*/, std::span<std::byte> into) final {
    return this->read_stream(into, false);
  }
  Expected<std::size_t> write_at(std::uint64_t /*offset*/, std::span<const std::byte> /*from*/) final {
    return error(EINVAL);
  }
  Expected<void> truncate(std::uint64_t /*size*/) final { return error(EINVAL); }
  Expected<void> sync(bool /*data_only*/) final { return error(EINVAL); }
  Expected<fs::FileStatus> status() final {
    fs::FileStatus status;
    status.mode = 0600;  // as Linux: no type at all
    return status;
  }
  bool seekable() const final { return false; }
};

signalfd_siginfo describe(const siginfo_t& info) {
  signalfd_siginfo told{};
  told.ssi_signo = static_cast<std::uint32_t>(info.si_signo);
  told.ssi_errno = info.si_errno;
  told.ssi_code = info.si_code;
  if (info.si_code == SI_TIMER) {
    told.ssi_tid = static_cast<std::uint32_t>(info.si_timerid);
    told.ssi_overrun = static_cast<std::uint32_t>(info.si_overrun);
  } else {
    told.ssi_pid = static_cast<std::uint32_t>(info.si_pid);
    told.ssi_uid = info.si_uid;
  }
  told.ssi_int = info.si_value.sival_int;
  told.ssi_ptr = reinterpret_cast<std::uint64_t>(info.si_value.sival_ptr);
  return told;
}

class PendingSignals final : public ReadOnlyStream<SignalFile> {
 public:
  explicit PendingSignals(std::uint64_t set) : set_(set) { signal_files.fetch_add(1); }

  Expected<std::size_t> read_stream(std::span<std::byte> into, bool nonblocking) override {
    if (into.size() < sizeof(signalfd_siginfo)) return error(EINVAL);
    for (;;) {
      const std::uint64_t ticket = fs::change_ticket();
      const std::size_t done = take_as_many(into);
      if (done != 0) return done;
      if (nonblocking) return error(EAGAIN);
      if (interrupted()) return error(EINTR);
      fs::wait_for_change(ticket, boundary::kNoTimeout);
    }
  }
  std::uint32_t ready() override { return (pending_for(current_thread()) & set_.load()) != 0 ? fs::kReadyToRead : 0; }
  void set(std::uint64_t signals) override {
    set_.store(signals);
    fs::announce_change();
  }

 private:
  ~PendingSignals() override { signal_files.fetch_sub(1); }

  std::size_t take_as_many(std::span<std::byte> into) {
    std::size_t done = 0;
    siginfo_t info{};
    while (into.size() - done >= sizeof(signalfd_siginfo) && take(current_thread(), set_.load(), &info)) {
      const signalfd_siginfo told = describe(info);
      std::memcpy(into.data() + done, &told, sizeof(told));
      done += sizeof(told);
    }
    return done;
  }

  std::atomic<std::uint64_t> set_;
};

class TimeOuts final : public ReadOnlyStream<TimerFile> {
 public:
  explicit TimeOuts(clockid_t clock) : clock_(clock) {}

  Expected<std::size_t> read_stream(std::span<std::byte> into, bool nonblocking) override {
    if (into.size() < sizeof(std::uint64_t)) return error(EINVAL);
    for (;;) {
      const std::uint64_t ticket = fs::change_ticket();
      const auto [times, left] = take(true);
      if (times != 0) {
        std::memcpy(into.data(), &times, sizeof(times));
        return sizeof(times);
      }
      if (nonblocking) return error(EAGAIN);
      if (interrupted()) return error(EINTR);
      fs::wait_for_change(ticket, left);
    }
  }
  std::uint32_t ready() override { return take(false).times != 0 ? fs::kReadyToRead : 0; }

  // Monotonic time at which ready() may change by itself.
  std::uint64_t changes_at_ns() override {
    const std::uint64_t left = take(false).left;
    return left == boundary::kNoTimeout ? kNever : fs::monotonic_now_ns() + left;
  }

  TimerSetting read_setting() override {
    const std::uint64_t now = clock_now();
    const LockGuard guard(lock_);
    advance(now);
    return setting(now);
  }

  TimerSetting set(const TimerSetting& wanted, bool absolute) override {
    const std::uint64_t now = clock_now();
    TimerSetting before;
    {
      const LockGuard guard(lock_);
      advance(now);
      before = setting(now);
      armed_ = wanted.value_ns != 0;
      interval_ = wanted.interval_ns;
      deadline_ = absolute ? wanted.value_ns : now + std::min(wanted.value_ns, kNever / 2);
      times_ = 0;
    }
    fs::announce_change();
    return before;
  }

 private:
  ~TimeOuts() override = default;

  struct Look {
    std::uint64_t times, left;  // left: until the next, kNoTimeout for never
  };

  [[nodiscard]] std::uint64_t clock_now() const {
    std::uint64_t now = 0;
    read_clock_ns(static_cast<std::uint64_t>(clock_), &now);
    return now;
  }
  // With the lock held, all three.
  void advance(std::uint64_t now) {
    if (!armed_ || now < deadline_) return;
    if (interval_ == 0) {
      armed_ = false;
      ++times_;
    } else {
      const std::uint64_t missed = (now - deadline_) / interval_ + 1;
      deadline_ += missed * interval_;
      times_ += missed;
    }
  }
  [[nodiscard]] TimerSetting setting(std::uint64_t now) const {
    return {armed_ ? std::max<std::uint64_t>(deadline_ - now, 1) : 0, interval_};
  }
  Look take(bool reset) {
    const std::uint64_t now = clock_now();
    const LockGuard guard(lock_);
    advance(now);
    const std::uint64_t times = times_;
    if (reset) times_ = 0;
    return {times, armed_ ? deadline_ - now : boundary::kNoTimeout};
  }

  const clockid_t clock_;
  SpinLock lock_;
  bool armed_ = false;
  std::uint64_t deadline_ = 0, interval_ = 0, times_ = 0;
};

}  // namespace

fs::Ref<SignalFile> make_signal_file(std::uint64_t signals) { return fs::Ref<SignalFile>(new PendingSignals(signals)); }
fs::Ref<TimerFile> make_timer_file(clockid_t clock) { return fs::Ref<TimerFile>(new TimeOuts(clock)); }

}  // namespace coffer::kernel::signals
