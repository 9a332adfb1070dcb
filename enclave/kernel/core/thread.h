// The kernel's block of a thread: the page that GS points to. Fresh pages are zero, which is a valid free block.
// Freestanding.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

#include "boundary/calls.h"
#include "boundary/image_layout.h"
#include "enclave/kernel/core/thread_offsets.h"

namespace coffer::kernel {

// Registers of the application at a system call, as entry.S pushes them.
struct SyscallFrame {
  std::uint64_t rflags = 0;
  std::uint64_t r15 = 0, r14 = 0, r13 = 0, r12 = 0, rbp = 0, rbx = 0, r10 = 0, r9 = 0, r8 = 0, rdi = 0, rsi = 0,
                rdx = 0;
  std::uint64_t rax = 0;  // the call's number, then its result
  std::uint64_t rip = 0, rsp = 0;
};
static_assert(offsetof(SyscallFrame, rax) == FRAME_RAX && sizeof(SyscallFrame) == FRAME_SIZE);

// All general registers of the application, where it was stopped at any instruction. The vector registers stay in the
// processor: the kernel does not touch them.
struct UserContext {
  std::uint64_t rax = 0, rcx = 0, rdx = 0, rbx = 0, rsp = 0, rbp = 0, rsi = 0, rdi = 0;
  std::uint64_t r8 = 0, r9 = 0, r10 = 0, r11 = 0, r12 = 0, r13 = 0, r14 = 0, r15 = 0;
  std::uint64_t rflags = 0, rip = 0;
};

// The same from whatever has them by these names: the SSA, a signal's frame, the frame of a system call, where RCX and
// R11 are as the instruction leaves them.
template <class Registers>
[[nodiscard]] UserContext user_context(const Registers& r) {
  UserContext context{.rax = r.rax,
                      .rdx = r.rdx,
                      .rbx = r.rbx,
                      .rsp = r.rsp,
                      .rbp = r.rbp,
                      .rsi = r.rsi,
                      .rdi = r.rdi,
                      .r8 = r.r8,
                      .r9 = r.r9,
                      .r10 = r.r10,
                      .r12 = r.r12,
                      .r13 = r.r13,
                      .r14 = r.r14,
                      .r15 = r.r15,
                      .rflags = r.rflags,
                      .rip = r.rip};
  if constexpr (requires { r.rcx, r.r11; }) {
    context.rcx = r.rcx, context.r11 = r.r11;
  } else {
    context.rcx = r.rip, context.r11 = r.rflags;
  }
  return context;
}

// Why the application was stopped; kNoTrap for an interrupt.
struct TrapCause {
  static constexpr std::uint32_t kNoTrap = ~std::uint32_t{0};
  std::uint32_t vector = kNoTrap;
  std::uint32_t error_code = 0;
  std::uint64_t address = 0;
  bool out_of_memory = false;  // a page fault that was only one because the EPC is at its end
};

// sigaltstack(): `size` 0 where there is none.
struct AlternateStack {
  std::uint64_t begin = 0, size = 0;
  std::uint32_t flags = 0;
};

struct QueuedSignal;  // signals/pending.h

enum class ThreadState : std::uint32_t { kFree = 0, kStarting = 1, kRunning = 2 };

// Application memory that this thread has found accessible, good as long as no mapping has been taken away or
// protected: a program uses the same few buffers again and again. All zero is empty.
class CheckedRanges {
 public:
  // `changes` is AddressSpace::changes() from before the range was checked.
  [[nodiscard]] bool hold(std::uint64_t address, std::uint64_t size, bool write, std::uint64_t changes) const {
    if (changes != changes_) return false;
    for (const Range& range : ranges_) {
      const std::uint64_t offset = address - range.begin;
      if (offset < range.size && size <= range.size - offset && (range.writable || !write)) return true;
    }
    return false;
  }
  void add(std::uint64_t address, std::uint64_t size, bool writable, std::uint64_t changes) {
    if (changes != changes_) *this = {};
    changes_ = changes;
    ranges_[next_++ % ranges_.size()] = {address, size, writable};
  }

 private:
  struct Range {
    std::uint64_t begin = 0, size = 0;
    bool writable = false;
  };
  std::array<Range, 4> ranges_{};
  std::uint64_t changes_ = 0;
  std::uint32_t next_ = 0;
};

struct ThreadControl {
  // entry.S
  std::uint64_t saved_rsp = 0;    // the kernel's stack while the thread is outside; 0: nothing to go back to
  std::uint64_t exit_target = 0;  // where EEXIT goes: what EENTER had in RCX
  std::uint64_t host_rsp = 0, host_rbp = 0;
  std::uint64_t user_rsp = 0;
  std::uint64_t tcs = 0;  // linear address
  std::uint64_t xsave_mask = 0;
  std::uint64_t clearing = CLEAR_BY_XRSTOR;
  std::uint64_t call_leaves = 0;  // 1: the system call ends with leaving for the next call, with these two
  std::uint64_t call_status = 0, call_written = 0;
  // Signals that wait for this thread (bit n - 1 for signal n; changed under the lock of signals/pending.cc), and those
  // that it blocks (changed by the thread itself).
  std::atomic<std::uint64_t> pending_signals{0};
  std::atomic<std::uint64_t> signal_mask{0};
  // C++
  std::uint32_t index = 0;
  std::atomic<ThreadState> state{ThreadState::kFree};
  boundary::ExchangeArea* exchange = nullptr;  // in the arena, checked
  std::uint32_t thread_id = 0;
  std::uint64_t clear_child_tid = 0;
  std::uint64_t call_result = 0, call_room = 0;       // where the host wants the result of the call being served
  std::uint64_t call_argument = 0, call_size = 0;     // where its argument stands with the host
  std::uint64_t call_input = 0, call_input_room = 0;  // where the program wants the next call's argument
  SyscallFrame* frame = nullptr;                      // of the system call that is being served
  std::uint64_t system_calls = 0;                     // served since the TCS was first entered
  std::array<char, 16> name{};
  CheckedRanges checked;
  SyscallFrame start;  // kStarting: where the thread begins
  std::uint64_t start_fs = 0;
  // Signals, the thread's own but for the queue
  UserContext stopped;  // where the application goes on: by coffer_resume_context()
  TrapCause cause;      // why it was stopped
  AlternateStack alternate_stack;
  std::uint64_t mask_to_restore = 0;  // by calls that wait under another mask
  bool restore_mask = false;
  std::uint64_t sleep_deadline = 0;       // of a sleep that goes on after a signal without a handler; 0: none
  std::atomic<bool> serves_calls{false};  // waits for a call of the host's, which no signal ends
  QueuedSignal* signal_queue = nullptr;   // under the lock of signals/pending.cc
};
static_assert(offsetof(ThreadControl, saved_rsp) == TCB_SAVED_RSP &&
              offsetof(ThreadControl, exit_target) == TCB_EXIT_TARGET &&
              offsetof(ThreadControl, host_rsp) == TCB_HOST_RSP && offsetof(ThreadControl, host_rbp) == TCB_HOST_RBP &&
              offsetof(ThreadControl, user_rsp) == TCB_USER_RSP && offsetof(ThreadControl, tcs) == TCB_TCS &&
              offsetof(ThreadControl, xsave_mask) == TCB_XSAVE_MASK &&
              offsetof(ThreadControl, clearing) == TCB_CLEARING &&
              offsetof(ThreadControl, call_leaves) == TCB_CALL_LEAVES &&
              offsetof(ThreadControl, call_status) == TCB_CALL_STATUS &&
              offsetof(ThreadControl, call_written) == TCB_CALL_WRITTEN &&
              offsetof(ThreadControl, pending_signals) == TCB_PENDING_SIGNALS &&
              offsetof(ThreadControl, signal_mask) == TCB_SIGNAL_MASK);
static_assert(sizeof(ThreadControl) <= SGX_PAGE_SIZE);
static_assert(boundary::kThreadExceptionStackEnd == EXCEPTION_STACK_END &&
              boundary::kThreadSsaOffset == THREAD_SSA_OFFSET &&
              static_cast<std::uint64_t>(boundary::Request::kUnhandled) == REQUEST_UNHANDLED &&
              static_cast<std::uint64_t>(boundary::Request::kNextCall) == REQUEST_NEXT_CALL);

// The block of the thread that runs.
inline ThreadControl& current_thread() {
  ThreadControl* thread = nullptr;
  asm("rdgsbase %0" : "=r"(thread));
  return *thread;
}

// The block of thread `index`; index < layout().thread_count.
ThreadControl& thread_block(std::uint32_t index);

// Sleeps until unpark() of this thread, the timeout (ns, boundary::kNoTimeout for none), or for no reason at all.
void park(std::uint64_t timeout_ns);
void unpark(std::uint32_t index);

// entry.S
extern "C" {
[[noreturn]] void coffer_enter_user(std::uint64_t rip, std::uint64_t rsp);
// Goes on where the frame says, with its RAX.
[[noreturn]] void coffer_resume_user(const SyscallFrame* frame);
// Goes on where current_thread().stopped says, with every register as it stands there, by way of an exception: nothing
// else can load them all. Signals that came meanwhile are delivered first.
[[noreturn]] void coffer_resume_context();
}

}  // namespace coffer::kernel
