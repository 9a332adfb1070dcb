// SleepLock for hosted unit tests: waiters yield to the scheduler.
#include <sched.h>

#include "enclave/kernel/core/locks.h"

namespace coffer::kernel {

void SleepLock::lock() {
  while (held_.exchange(true, std::memory_order_acquire)) sched_yield();
}

}  // namespace coffer::kernel
