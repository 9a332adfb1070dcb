#include "enclave/kernel/core/threads.h"

#include <cerrno>

#include "enclave/kernel/core/attestation.h"
#include "enclave/kernel/core/futex.h"
#include "enclave/kernel/core/image.h"
#include "enclave/kernel/core/kernel.h"
#include "enclave/kernel/fs/files.h"
#include "enclave/kernel/signals/pending.h"
#include "enclave/kernel/signals/timers.h"
#include "enclave/kernel/support/cpu_features.h"
#include "enclave/kernel/support/cpuid.h"
#include "enclave/kernel/syscalls/syscall.h"

namespace coffer::kernel {

using boundary::Request;

extern "C" [[noreturn]] void coffer_leave(std::uint64_t request, std::uint64_t argument, void* state,
                                          std::uint64_t value);

namespace {

std::uint64_t exchange_base = 0;
std::atomic<std::uint32_t> running{1};
std::atomic<std::uint32_t> next_thread_id{kProcessId + 1};

constexpr std::uint64_t kCloneVm = 0x100, kCloneFs = 0x200, kCloneFiles = 0x400, kCloneSighand = 0x800,
                        kCloneThread = 0x10000, kCloneSettls = 0x80000, kCloneParentSettid = 0x100000,
                        kCloneChildCleartid = 0x200000, kCloneChildSettid = 0x1000000;
constexpr std::uint64_t kThreadFlags = kCloneVm | kCloneFs | kCloneFiles | kCloneSighand | kCloneThread;

// A free TCS, now kStarting; 0 where there is none (0 is the first thread's).
std::uint32_t claim_thread() {
  for (std::uint32_t i = 1; i < layout().thread_count && !signals::is_service_thread(i); ++i) {
    ThreadState expected = ThreadState::kFree;
    if (thread_block(i).state.compare_exchange_strong(expected, ThreadState::kStarting)) return i;
  }
  return 0;
}

bool store_id(std::uint64_t address, std::uint32_t id) {
  if (!user_range(address, sizeof(id), true)) return false;
  *reinterpret_cast<std::uint32_t*>(address) = id;
  return true;
}

}  // namespace

void set_exchange_areas(std::uint64_t base) { exchange_base = base; }
std::uint32_t live_threads() { return running; }
std::uint32_t current_thread_index() { return current_thread().index; }

void init_thread_block(std::uint64_t tcs, std::uint32_t index) {
  ThreadControl& thread = current_thread();
  thread.tcs = tcs;
  thread.index = index;
  constexpr std::uint64_t kVectorState = 0xe7;  // x87, SSE, AVX, AVX-512
  thread.xsave_mask = read_xcr0() & kVectorState;
  const CpuFeatures& cpu = cpu_features();
  constexpr std::uint64_t kAvx = 0x6;
  constexpr std::uint64_t kAvx512 = 0xe6;
  if (cpu.xgetbv_in_use && (thread.xsave_mask & kAvx) == kAvx) {
    const bool wide = (thread.xsave_mask & kAvx512) == kAvx512 && cpu.avx512bw;
    if (wide || (thread.xsave_mask & kAvx512) == kAvx) thread.clearing = wide ? CLEAR_AVX512 : CLEAR_AVX;
  }
  thread.exchange = reinterpret_cast<boundary::ExchangeArea*>(exchange_base) + index;
}

std::int64_t clone_thread(const SyscallFrame& frame, const CloneRequest& request) {
  if ((request.flags & kThreadFlags) != kThreadFlags) return -ENOSYS;  // a new process: there are none in an enclave
  if (request.stack == 0) return -EINVAL;
  const std::uint32_t index = claim_thread();
  if (index == 0) {
    debug_log("no free thread: raise `threads` in coffer.toml");
    return -EAGAIN;
  }
  ThreadControl& thread = thread_block(index);
  thread.thread_id = next_thread_id.fetch_add(1);
  thread.signal_mask.store(current_thread().signal_mask.load());
  thread.alternate_stack = {};
  thread.start = frame;
  thread.start.rax = 0;
  thread.start.rsp = request.stack;
  thread.start_fs = request.tls;
  if ((request.flags & kCloneSettls) == 0) asm volatile("rdfsbase %0" : "=r"(thread.start_fs));
  thread.clear_child_tid = (request.flags & kCloneChildCleartid) != 0 ? request.child_tid : 0;
  const bool told = ((request.flags & kCloneParentSettid) == 0 || store_id(request.parent_tid, thread.thread_id)) &&
                    ((request.flags & kCloneChildSettid) == 0 || store_id(request.child_tid, thread.thread_id));
  const std::uint32_t id = thread.thread_id;
  running.fetch_add(1);
  if (!told || call_host(Request::kSpawn, index).result != 0) {
    running.fetch_sub(1);
    // Nobody has entered, and begin_thread() refuses who comes later. A thread that runs already keeps its block and
    // its stack, which the program is about to free: a host that denies it ends the enclave.
    ThreadState expected = ThreadState::kStarting;
    if (!thread.state.compare_exchange_strong(expected, ThreadState::kFree)) {
      panic("the host denies a thread that it has entered");
    }
    return told ? -EAGAIN : -EFAULT;
  }
  return id;
}

[[noreturn]] void begin_thread(std::uint64_t tcs) {
  ThreadControl& thread = current_thread();
  const std::uint64_t first = enclave_base() + layout().thread_offset;
  const std::uint64_t index = (tcs - first) / boundary::kThreadStride;
  if (tcs < first || index >= layout().thread_count) __builtin_trap();
  init_thread_block(tcs, static_cast<std::uint32_t>(index));
  ThreadState expected = ThreadState::kStarting;
  if (!thread.state.compare_exchange_strong(expected, ThreadState::kRunning)) {
    panic("the host entered a thread that was not asked for");
  }
  if (signals::is_service_thread(thread.index)) signals::serve();
  asm volatile("wrfsbase %0" ::"r"(thread.start_fs));
  coffer_resume_user(&thread.start);
}

[[noreturn]] void exit_thread() {
  ThreadControl& thread = current_thread();
  if (running.fetch_sub(1) == 1) exit_process(0);
  thread.thread_id = 0;  // no signal names it any more
  signals::forget_thread(thread);
  if (const std::uint64_t address = thread.clear_child_tid; address != 0) {
    thread.clear_child_tid = 0;
    if (store_id(address, 0)) futex_wake(address, 1, kFutexAnyBit);
  }
  coffer_leave(static_cast<std::uint64_t>(Request::kThreadExit), 0, &thread.state,
               static_cast<std::uint64_t>(thread.index == 0 ? ThreadState::kRunning : ThreadState::kFree));
}

[[noreturn]] void exit_process(int status) {
  fs::sync_all_files();
  const std::uint64_t report_size = leave_output_report(status);
  while (true) call_host(Request::kExit, static_cast<std::uint64_t>(status), report_size);
}

[[noreturn]] void die_of_signal(int signal) {
  while (true) call_host(Request::kAbort, static_cast<std::uint64_t>(signal));
}

}  // namespace coffer::kernel
