#include "enclave/kernel/signals/pending.h"

#include <cerrno>
#include <memory>
#include <utility>

#include "enclave/kernel/core/image.h"
#include "enclave/kernel/core/kernel.h"
#include "enclave/kernel/core/locks.h"
#include "enclave/kernel/core/threads.h"
#include "enclave/kernel/fs/waiters.h"
#include "enclave/kernel/signals/timers.h"

constinit std::atomic<std::uint64_t> coffer_shared_signals{0};

namespace coffer::kernel {

struct QueuedSignal {
  siginfo_t info;
  QueuedSignal* next = nullptr;
};

namespace signals {

constinit std::atomic<std::uint32_t> signal_files{0};

namespace {

constexpr std::uint32_t kMostQueued = 1024;
constexpr int kFirstRealtime = 32;

SpinLock lock;  // for everything below, and each thread's queue; nothing under it waits or allocates
Disposition dispositions[kLastSignal + 1];
QueuedSignal* shared_queue = nullptr;
std::uint32_t queued = 0;
constinit std::atomic<std::uint64_t> waiting[1024]{};  // by thread: the sets of set_waiting()

struct Queue {
  std::atomic<std::uint64_t>& pending;
  QueuedSignal*& first;
};
Queue queue_of(ThreadControl& thread) { return {thread.pending_signals, thread.signal_queue}; }
Queue queue_of_process() { return {coffer_shared_signals, shared_queue}; }

bool ignored_by_default(int signal) {
  switch (signal) {
    case SIGCHLD:
    case SIGURG:
    case SIGWINCH:
    case SIGCONT:
    case SIGSTOP:
    case SIGTSTP:
    case SIGTTIN:
    case SIGTTOU:
      return true;
    default:
      return false;
  }
}

bool ignored(int signal) {
  const std::uint64_t handler = dispositions[signal].handler;
  return handler == kIgnore || (handler == kDefault && ignored_by_default(signal));
}

bool is_queued(const Queue& queue, const siginfo_t& info) {
  for (const QueuedSignal* at = queue.first; at != nullptr; at = at->next) {
    if (at->info.si_code == SI_TIMER && at->info.si_timerid == info.si_timerid) return true;
  }
  return false;
}

enum class Put { kDone, kNothingNew, kTooMany };

Put put(Queue queue, std::unique_ptr<QueuedSignal>& node) {
  const int signal = node->info.si_signo;
  const bool there = (queue.pending.load() & bit_of(signal)) != 0;
  if (there && signal < kFirstRealtime) return Put::kNothingNew;
  if (node->info.si_code == SI_TIMER && is_queued(queue, node->info)) return Put::kNothingNew;
  if (queued >= kMostQueued) return Put::kTooMany;
  ++queued;
  QueuedSignal** last = &queue.first;
  while (*last != nullptr) last = &(*last)->next;
  *last = node.release();
  queue.pending.fetch_or(bit_of(signal));
  return Put::kDone;
}

// Takes the first of `signal` out; null where there is none.
QueuedSignal* take_out(Queue queue, int signal) {
  QueuedSignal* found = nullptr;
  bool more = false;
  for (QueuedSignal** at = &queue.first; *at != nullptr;) {
    if ((*at)->info.si_signo != signal) {
      at = &(*at)->next;
    } else if (found == nullptr) {
      found = *at;
      *at = found->next;
      --queued;
    } else {
      more = true;
      break;
    }
  }
  if (!more) queue.pending.fetch_and(~bit_of(signal));
  return found;
}

// Takes out all of `signal`; they come back as a list, to be deleted without the lock.
QueuedSignal* take_all(Queue queue, int signal) {
  QueuedSignal* list = nullptr;
  while (QueuedSignal* one = take_out(queue, signal)) {
    one->next = list;
    list = one;
  }
  return list;
}

void delete_list(QueuedSignal* list) {
  while (list != nullptr) delete std::exchange(list, list->next);
}

bool takes(const ThreadControl& thread, int signal) {
  if (thread.state.load() != ThreadState::kRunning || is_service_thread(thread.index)) return false;
  const std::uint64_t waits = thread.index < std::size(waiting) ? waiting[thread.index].load() : 0;
  return ((~thread.signal_mask.load() | waits) & bit_of(signal)) != 0;
}

// Who is to take a signal of the process: the first thread where it may, as on Linux; null where all block it.
ThreadControl* choose(int signal) {
  ThreadControl* unwilling = nullptr;
  for (std::uint32_t i = 0; i < layout().thread_count; ++i) {
    ThreadControl& thread = thread_block(i);
    if (!takes(thread, signal)) continue;
    if (!thread.serves_calls.load()) return &thread;
    unwilling = &thread;
  }
  return unwilling;
}

// The thread looks at its signals soon, whatever it does. With no lock held.
void interrupt(const ThreadControl& thread) {
  if (&thread == &current_thread()) return;
  call_host(boundary::Request::kInterrupt, thread.index);
  fs::wake_thread(thread.index);
}

int send(ThreadControl* to, const siginfo_t& info) {
  const int signal = info.si_signo;
  if (signal == SIGKILL) die_of_signal(signal);
  auto node = std::make_unique<QueuedSignal>(QueuedSignal{info, nullptr});
  Put done = Put::kNothingNew;
  ThreadControl* target = to;
  {
    const LockGuard guard(lock);
    const std::uint64_t mask = to != nullptr ? to->signal_mask.load() : thread_block(0).signal_mask.load();
    const bool blocked = (mask & bit_of(signal)) != 0;
    if (!blocked && ignored(signal)) return 0;
    done = put(to != nullptr ? queue_of(*to) : queue_of_process(), node);
    if (to == nullptr) target = choose(signal);
  }
  if (done == Put::kTooMany) return EAGAIN;
  if (done == Put::kNothingNew) return 0;
  if (target != nullptr) interrupt(*target);
  if (signal_files.load() != 0) fs::announce_change();
  return 0;
}

}  // namespace

Disposition disposition_of(int signal) {
  const LockGuard guard(lock);
  return dispositions[signal];
}

void set_disposition(int signal, const Disposition& disposition) {
  QueuedSignal* lost[2] = {};
  {
    const LockGuard guard(lock);
    dispositions[signal] = disposition;
    dispositions[signal].mask &= ~kUnstoppable;
    if (ignored(signal)) {
      lost[0] = take_all(queue_of_process(), signal);
      lost[1] = take_all(queue_of(current_thread()), signal);
    }
  }
  for (QueuedSignal* list : lost) delete_list(list);
}

Disposition use_disposition(int signal) {
  const LockGuard guard(lock);
  const Disposition now = dispositions[signal];
  if (now.handler > kIgnore && (now.flags & SA_RESETHAND) != 0) dispositions[signal].handler = kDefault;
  return now;
}

bool handled_by(const ThreadControl& thread, int signal) {
  // Without the lock: the exception handler asks, and whoever it interrupted may hold it. Looked at again later.
  const std::uint64_t handler = std::atomic_ref(dispositions[signal].handler).load(std::memory_order_relaxed);
  return handler > kIgnore && (thread.signal_mask.load() & bit_of(signal)) == 0;
}

bool is_ignored(int signal) {
  const LockGuard guard(lock);
  return ignored(signal);
}

int send_to_thread(ThreadControl& thread, const siginfo_t& info) { return send(&thread, info); }
int send_to_process(const siginfo_t& info) { return send(nullptr, info); }

bool take(ThreadControl& thread, std::uint64_t wanted, siginfo_t* info) {
  std::unique_ptr<QueuedSignal> taken;
  {
    const LockGuard guard(lock);
    while (taken == nullptr) {
      const std::uint64_t own = thread.pending_signals.load() & wanted;
      const std::uint64_t all = own | (coffer_shared_signals.load() & wanted);
      if (all == 0) return false;
      const std::uint64_t urgent = (all & kSynchronous) != 0 ? all & kSynchronous : all;
      const int signal = __builtin_ctzll(urgent) + 1;
      taken.reset(take_out((own & bit_of(signal)) != 0 ? queue_of(thread) : queue_of_process(), signal));
    }
  }
  *info = taken->info;
  if (info->si_code == SI_TIMER) note_delivery(info);
  return true;
}

std::uint64_t pending_for(const ThreadControl& thread) {
  return thread.pending_signals.load() | coffer_shared_signals.load();
}

bool interrupted() {
  const ThreadControl& thread = current_thread();
  return (pending_for(thread) & ~thread.signal_mask.load()) != 0;
}

void set_waiting(std::uint64_t set) {
  const std::uint32_t index = current_thread().index;
  if (index < std::size(waiting)) waiting[index].store(set);
}

void set_mask(ThreadControl& thread, std::uint64_t mask) { thread.signal_mask.store(mask & ~kUnstoppable); }

void forget_thread(ThreadControl& thread) {
  thread.signal_mask.store(~std::uint64_t{0});
  QueuedSignal* list = nullptr;
  std::uint64_t shared = 0;
  {
    const LockGuard guard(lock);
    list = std::exchange(thread.signal_queue, nullptr);
    for (const QueuedSignal* at = list; at != nullptr; at = at->next) --queued;
    thread.pending_signals.store(0);
    shared = coffer_shared_signals.load();
  }
  delete_list(list);
  // What this thread would have taken is somebody else's now.
  for (int signal = 1; signal <= kLastSignal && shared != 0; ++signal) {
    if ((shared & bit_of(signal)) == 0) continue;
    if (ThreadControl* other = choose(signal); other != nullptr) interrupt(*other);
  }
}

}  // namespace signals
}  // namespace coffer::kernel
