// Signals and time as files: signalfd and timerfd. Freestanding; thread-safe.
#pragma once

#include "enclave/kernel/fs/vfs.h"
#include "enclave/kernel/signals/timers.h"

namespace coffer::kernel::signals {

// signalfd: reads take pending signals of the set off the reading thread's and the process's.
class SignalFile : public fs::File {
 public:
  virtual void set(std::uint64_t signals) = 0;
};
fs::Ref<SignalFile> make_signal_file(std::uint64_t signals);

// timerfd: reads answer how often it went off since the last.
class TimerFile : public fs::File {
 public:
  virtual TimerSetting read_setting() = 0;
  // What it was before.
  virtual TimerSetting set(const TimerSetting& setting, bool absolute) = 0;
};
// `clock` is one that read_clock_ns() knows.
fs::Ref<TimerFile> make_timer_file(clockid_t clock);

}  // namespace coffer::kernel::signals
