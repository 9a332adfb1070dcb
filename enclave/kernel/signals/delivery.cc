#include "enclave/kernel/signals/delivery.h"

#include <sys/socket.h>
#include <sys/syscall.h>

#include <cerrno>
#include <csignal>
#include <cstring>
#include <utility>

#include "enclave/kernel/core/crash.h"
#include "enclave/kernel/core/image.h"
#include "enclave/kernel/core/kernel.h"
#include "enclave/kernel/core/threads.h"
#include "enclave/kernel/fs/files.h"
#include "enclave/kernel/signals/pending.h"
#include "enclave/kernel/signals/trap_info.h"

extern "C" {
void coffer_syscall_entry();
void coffer_save_vectors(void* area);
void coffer_load_vectors(const void* area);
[[noreturn]] void coffer_repeat_call(const coffer::kernel::SyscallFrame* frame);
}

namespace coffer::kernel::signals {

namespace {

// struct rt_sigframe of x86-64 Linux (arch/x86/include/uapi/asm/sigcontext.h), as programs and debuggers read it.
struct SignalFrame {
  std::uint64_t return_address;
  std::uint64_t uc_flags, uc_link, stack_begin;
  std::int32_t stack_flags, stack_padding;
  std::uint64_t stack_size;
  std::uint64_t r8, r9, r10, r11, r12, r13, r14, r15, rdi, rsi, rbp, rbx, rdx, rax, rcx, rsp, rip, rflags;
  std::uint64_t segments, error_code, trap_number, old_mask, fault_address;
  std::uint64_t vectors;
  std::uint64_t restart_magic, restart_number, restart_rip;  // of the 64 reserved bytes: our own
  std::uint64_t reserved[5];
  std::uint64_t mask;
  siginfo_t info;
};
static_assert(sizeof(SignalFrame) == 8 + 304 + 128);

constexpr std::uint64_t kFlagsWithVectors = 1 | 2 | 4;  // UC_FP_XSTATE, UC_SIGCONTEXT_SS, UC_STRICT_RESTORE_SS
constexpr std::uint64_t kSegments = 0x002b'0000'0000'0033;
constexpr std::uint64_t kRestartMagic = 0x7472'6174'7365'7221;
constexpr std::uint64_t kRedZone = 128;
constexpr std::size_t kReclaimed = std::size_t{4} << 20;  // at once, where the EPC is at its end

// The vector part of a frame: an XSAVE image, with Linux's notes in the bytes that the processor leaves alone.
constexpr std::uint32_t kVectorMagic1 = 0x46505853, kVectorMagic2 = 0x46505845;
constexpr std::size_t kNotes = 464, kHeader = 512, kHeaderSize = 64, kLegacyEnd = 576, kMostVectors = 2688;
struct VectorNotes {
  std::uint32_t magic1, extended_size;
  std::uint64_t features;
  std::uint32_t state_size, padding[7];
};

std::size_t vector_size(const ThreadControl& thread) {
  constexpr std::uint64_t kAvx = 4;
  constexpr std::uint64_t kAvx512 = 0xe0;
  if ((thread.xsave_mask & kAvx512) != 0) return kMostVectors;
  return (thread.xsave_mask & kAvx) != 0 ? 832 : kLegacyEnd;
}

constexpr std::uint64_t kDirection = 0x400, kTrapFlag = 0x100, kAlignment = 0x40000, kResume = 0x10000;
// What of RFLAGS a frame may set: CF PF AF ZF SF DF OF AC.
constexpr std::uint64_t kUserFlags = 0xcd5 | kAlignment;

bool on_alternate_stack(const ThreadControl& thread, std::uint64_t rsp) {
  const AlternateStack& stack = thread.alternate_stack;
  return stack.size != 0 && rsp > stack.begin && rsp - stack.begin <= stack.size;
}

// For contexts where RCX and R11 mean nothing: the beginning of a handler, and behind a system call.
SyscallFrame frame_of(const UserContext& c) {
  SyscallFrame f;
  f.rflags = c.rflags;
  f.r15 = c.r15, f.r14 = c.r14, f.r13 = c.r13, f.r12 = c.r12;
  f.rbp = c.rbp, f.rbx = c.rbx, f.r10 = c.r10, f.r9 = c.r9, f.r8 = c.r8;
  f.rdi = c.rdi, f.rsi = c.rsi, f.rdx = c.rdx, f.rax = c.rax;
  f.rip = c.rip, f.rsp = c.rsp;
  return f;
}

[[noreturn]] void die(const ThreadControl& thread, int signal) {
  fs::sync_all_files();
  record_death(thread.stopped, thread.cause);
  const std::uint64_t address = thread.cause.vector != TrapCause::kNoTrap ? visible_address(thread.cause.address) : 0;
  const std::uint64_t rip = visible_address(thread.stopped.rip) - enclave_base();
  while (true) {
    call_host(boundary::Request::kAbort, static_cast<std::uint64_t>(signal), rip, address);
  }
}

void save_vectors(const ThreadControl& thread, std::uint64_t at, std::size_t size) {
  auto* area = reinterpret_cast<std::byte*>(at);
  std::memset(area + kHeader, 0, kHeaderSize);
  coffer_save_vectors(area);
  const VectorNotes notes{.magic1 = kVectorMagic1,
                          .extended_size = static_cast<std::uint32_t>(size + sizeof(kVectorMagic2)),
                          .features = thread.xsave_mask,
                          .state_size = static_cast<std::uint32_t>(size),
                          .padding = {}};
  std::memcpy(area + kNotes, &notes, sizeof(notes));
  std::memcpy(area + size, &kVectorMagic2, sizeof(kVectorMagic2));
}

// Where the frame and its vectors go; false where they do not fit the alternate stack.
struct Place {
  std::uint64_t frame, vectors, size;
};
bool find_place(const ThreadControl& thread, const Disposition& disposition, Place* place) {
  const AlternateStack& stack = thread.alternate_stack;
  const std::size_t vectors = vector_size(thread);
  std::uint64_t rsp = thread.stopped.rsp;
  const bool there = on_alternate_stack(thread, rsp);
  const bool change = (disposition.flags & SA_ONSTACK) != 0 && stack.size != 0 && !there;
  rsp = change ? stack.begin + stack.size : rsp - kRedZone;
  const std::uint64_t end = rsp;
  place->vectors = (rsp - vectors - sizeof(kVectorMagic2)) & ~std::uint64_t{63};
  place->frame = ((place->vectors - sizeof(SignalFrame)) & ~std::uint64_t{15}) - 8;
  place->size = end - place->frame;
  return (!change && !there) || (place->frame > stack.begin && place->frame < end);
}

constexpr std::uint64_t kNoRestart = ~std::uint64_t{0};
constexpr std::uint64_t kNextCall = 0xf003;  // coffer_next_call, which knows no EINTR

SignalFrame describe(const ThreadControl& thread, const siginfo_t& info, const Disposition& disposition,
                     std::uint64_t vectors, std::uint64_t restart) {
  const UserContext& c = thread.stopped;
  const AlternateStack& stack = thread.alternate_stack;
  SignalFrame f{};
  f.return_address = disposition.restorer;
  f.uc_flags = kFlagsWithVectors;
  f.stack_begin = stack.begin;
  f.stack_size = stack.size;
  f.stack_flags = stack.size == 0 ? SS_DISABLE : on_alternate_stack(thread, c.rsp) ? SS_ONSTACK : 0;
  f.stack_flags |= static_cast<std::int32_t>(stack.flags);
  f.r8 = c.r8, f.r9 = c.r9, f.r10 = c.r10, f.r11 = c.r11, f.r12 = c.r12, f.r13 = c.r13, f.r14 = c.r14, f.r15 = c.r15;
  f.rdi = c.rdi, f.rsi = c.rsi, f.rbp = c.rbp, f.rbx = c.rbx, f.rdx = c.rdx, f.rax = c.rax, f.rcx = c.rcx;
  f.rsp = c.rsp, f.rip = c.rip, f.rflags = c.rflags;
  f.segments = kSegments;
  if (thread.cause.vector != TrapCause::kNoTrap) {
    f.error_code = thread.cause.error_code;
    f.trap_number = thread.cause.vector;
    f.fault_address = thread.cause.address;
  }
  f.vectors = vectors;
  if (restart != kNoRestart && ((disposition.flags & SA_RESTART) != 0 || restart == kNextCall)) {
    f.restart_magic = kRestartMagic;
    f.restart_number = restart;
    f.restart_rip = c.rip;
  }
  f.mask = thread.restore_mask ? thread.mask_to_restore : thread.signal_mask.load();
  f.old_mask = f.mask;
  f.info = info;
  return f;
}

// The frame of one handler, and the context that begins it. False where there is no room for it.
bool begin_handler(ThreadControl& thread, const siginfo_t& info, const Disposition& disposition,
                   std::uint64_t restart) {
  Place place{};
  if (!find_place(thread, disposition, &place)) return false;
  if ((disposition.flags & SA_RESTORER_FLAG) == 0) return false;  // x86-64 has no other way back
  const UserBytes room = user_bytes(place.frame, place.size, true);
  if (!room.ok) return false;
  save_vectors(thread, place.vectors, vector_size(thread));
  const SignalFrame frame = describe(thread, info, disposition, place.vectors, restart);
  std::memcpy(room.bytes.data(), &frame, sizeof(frame));
  coffer_load_vectors(nullptr);

  const int signal = info.si_signo;
  std::uint64_t mask = thread.signal_mask.load() | disposition.mask;
  if ((disposition.flags & SA_NODEFER) == 0) mask |= bit_of(signal);
  set_mask(thread, mask);
  thread.restore_mask = false;
  if ((thread.alternate_stack.flags & SS_AUTODISARM_FLAG) != 0) thread.alternate_stack = {};
  UserContext& c = thread.stopped;
  c.rax = 0;
  c.rdi = static_cast<std::uint64_t>(signal);
  c.rsi = place.frame + offsetof(SignalFrame, info);
  c.rdx = place.frame + offsetof(SignalFrame, uc_flags);
  c.rsp = place.frame;
  c.rip = disposition.handler;
  c.rcx = c.rip;
  c.rflags &= ~(kDirection | kTrapFlag | kResume);
  c.r11 = c.rflags;
  thread.cause = {};
  return true;
}

// Does what the application wants done with this signal. True where a handler begins.
bool deliver(ThreadControl& thread, const siginfo_t& info, std::uint64_t restart) {
  const int signal = info.si_signo;
  const Disposition disposition = use_disposition(signal);
  if (disposition.handler == kIgnore) return false;
  if (disposition.handler == kDefault) {
    if (is_ignored(signal)) return false;
    die(thread, signal);
  }
  if (begin_handler(thread, info, disposition, restart)) return true;
  // No room for the handler's frame is a SIGSEGV, whose own handler may have a stack of its own.
  if (signal == SIGSEGV) die(thread, SIGSEGV);
  siginfo_t fault{};
  fault.si_signo = SIGSEGV;
  fault.si_code = SI_KERNEL;
  if (!handled_by(thread, SIGSEGV)) die(thread, SIGSEGV);
  return deliver(thread, fault, kNoRestart);
}

// Delivers everything that may be. True where a handler begins; more than one nest.
bool deliver_all(ThreadControl& thread, std::uint64_t restart) {
  bool begun = false;
  siginfo_t info{};
  while (take(thread, ~thread.signal_mask.load(), &info)) {
    if (!deliver(thread, info, restart)) continue;
    begun = true;
    restart = kNoRestart;
  }
  return begun;
}

// Goes on at thread.stopped, whatever it is.
[[noreturn]] void go_on(ThreadControl& thread) {
  const UserContext& c = thread.stopped;
  if (c.rcx == c.rip && c.r11 == c.rflags) {  // behind a system call or at a handler's begin: no exception needed
    thread.start = frame_of(c);
    coffer_resume_user(&thread.start);
  }
  coffer_resume_context();
}

bool restarts(std::uint64_t number, const SyscallFrame& frame) {
  switch (number) {
    case SYS_read:
    case SYS_write:
    case SYS_readv:
    case SYS_writev:
    case SYS_open:
    case SYS_openat:
    case SYS_ioctl:
    case SYS_fcntl:
    case SYS_flock:
    case SYS_sendfile:
    case SYS_accept:
    case SYS_accept4:
    case SYS_connect:
    case SYS_recvfrom:
    case SYS_recvmsg:
    case SYS_recvmmsg:
    case SYS_sendto:
    case SYS_sendmsg:
    case SYS_sendmmsg:
    case kNextCall:
      return true;
    case SYS_futex:
      return frame.r10 == 0;  // a wait with a timeout is not made again
    default:
      return false;
  }
}

bool canonical(std::uint64_t address) {
  const auto top = static_cast<std::int64_t>(address) >> 47;
  return top == 0 || top == -1;
}

// The vector state of a frame, made safe for XRSTOR. False where the application gives memory that is none.
bool load_vectors(const ThreadControl& thread, std::uint64_t at) {
  if (at == 0) {
    coffer_load_vectors(nullptr);
    return true;
  }
  alignas(64) std::byte area[kMostVectors];
  const UserBytes legacy = user_bytes(at, kHeader, false);
  if (!legacy.ok) return false;
  std::memset(area, 0, sizeof(area));
  std::memcpy(area, legacy.bytes.data(), kHeader);
  VectorNotes notes;
  std::memcpy(&notes, area + kNotes, sizeof(notes));
  std::uint64_t features = 3;  // x87 and SSE
  const std::size_t size = vector_size(thread);
  if (notes.magic1 == kVectorMagic1 && notes.state_size >= size) {
    const UserBytes all = user_bytes(at, size, false);
    if (!all.ok) return false;
    std::memcpy(area, all.bytes.data(), size);
    std::memcpy(&features, area + kHeader, sizeof(features));
  }
  std::memset(area + kNotes, 0, kLegacyEnd - kNotes);
  features &= thread.xsave_mask;
  std::memcpy(area + kHeader, &features, sizeof(features));
  std::uint32_t control = 0;
  constexpr std::size_t kMxcsr = 24;
  std::memcpy(&control, area + kMxcsr, sizeof(control));
  control &= 0xffff;
  std::memcpy(area + kMxcsr, &control, sizeof(control));
  coffer_load_vectors(area);
  return true;
}

// Of RFLAGS what a program may set.
UserContext context_of(const SignalFrame& f) {
  UserContext context = user_context(f);
  context.rflags = (f.rflags & kUserFlags) | 0x202;
  return context;
}

}  // namespace

Interruption after_interruption(SyscallFrame& frame, std::uint64_t number) {
  ThreadControl& thread = current_thread();
  thread.cause = {};
  thread.stopped = user_context(frame);
  thread.stopped.rax = static_cast<std::uint64_t>(-EINTR);
  const bool begun = deliver_all(thread, restarts(number, frame) ? number : kNoRestart);
  if (!begun) {
    if (std::exchange(thread.restore_mask, false)) set_mask(thread, thread.mask_to_restore);
    return Interruption::kRepeat;
  }
  frame = frame_of(thread.stopped);
  return Interruption::kDelivered;
}

void note_broken_pipe(std::uint64_t number, const SyscallArguments& arguments) {
  std::uint64_t flags = 0;
  switch (number) {
    case SYS_write:
    case SYS_writev:
    case SYS_sendfile:
      break;
    case SYS_sendto:
    case SYS_sendmmsg:
      flags = arguments.a[3];
      break;
    case SYS_sendmsg:
      flags = arguments.a[2];
      break;
    default:
      return;
  }
  if ((flags & MSG_NOSIGNAL) != 0) return;
  siginfo_t info{};
  info.si_signo = SIGPIPE;
  info.si_code = SI_USER;
  send_to_thread(current_thread(), info);
}

std::int64_t wait_under_mask(std::uint64_t number, const SyscallArguments& arguments, SyscallHandler handler) {
  std::uint64_t address = number == SYS_ppoll ? arguments.a[3] : arguments.a[4];
  if (number == SYS_pselect6) {
    struct {
      std::uint64_t mask, size;
    } given{};
    if (arguments.a[5] != 0 && !get_user(arguments.a[5], &given)) return -EFAULT;
    address = given.mask;
  }
  if (address == 0) return handler(arguments);
  std::uint64_t mask = 0;
  if (!get_user(address, &mask)) return -EFAULT;
  ThreadControl& thread = current_thread();
  thread.mask_to_restore = thread.signal_mask.load();
  thread.restore_mask = true;
  set_mask(thread, mask);
  const std::int64_t result = handler(arguments);
  if (result != -EINTR && std::exchange(thread.restore_mask, false)) set_mask(thread, thread.mask_to_restore);
  return result;
}

[[noreturn]] void return_from_handler(const SyscallFrame& call) {
  ThreadControl& thread = current_thread();
  thread.cause = {};
  SignalFrame frame;
  const std::uint64_t at = call.rsp - sizeof(frame.return_address);
  thread.stopped = user_context(call);
  if (!get_user(at, &frame) || !canonical(frame.rip) || !load_vectors(thread, frame.vectors)) die(thread, SIGSEGV);
  thread.stopped = context_of(frame);
  set_mask(thread, frame.mask);
  const std::uint32_t flags = static_cast<std::uint32_t>(frame.stack_flags);
  if ((flags & SS_DISABLE) == 0 && frame.stack_size >= kLeastAlternateStack) {
    thread.alternate_stack = {frame.stack_begin, frame.stack_size, flags & SS_AUTODISARM_FLAG};
  } else if (!on_alternate_stack(thread, thread.stopped.rsp)) {
    thread.alternate_stack = {};
  }
  const bool again = frame.restart_magic == kRestartMagic && frame.rip == frame.restart_rip;
  if (deliver_all(thread, again ? frame.restart_number : kNoRestart)) go_on(thread);
  if (again) {
    thread.start = frame_of(thread.stopped);
    thread.start.rax = frame.restart_number;
    coffer_repeat_call(&thread.start);
  }
  go_on(thread);
}

// From entry.S, behind a system call that is done: its result is in the frame.
extern "C" void coffer_signals_after_call(SyscallFrame* frame) {
  ThreadControl& thread = current_thread();
  thread.cause = {};
  thread.stopped = user_context(*frame);
  if (deliver_all(thread, kNoRestart)) *frame = frame_of(thread.stopped);
}

// From entry.S, on the way back from exceptions.cc: the application was stopped at thread.stopped because of
// thread.cause.
extern "C" [[noreturn]] void coffer_trap() {
  ThreadControl& thread = current_thread();
  if (thread.cause.out_of_memory && address_space().reclaim(kReclaimed)) thread.cause = {};
  if (thread.cause.vector != TrapCause::kNoTrap) {
    const siginfo_t info = info_of_trap(thread);
    if (!handled_by(thread, info.si_signo)) die(thread, info.si_signo);  // blocked or ignored kills, as on Linux
    deliver(thread, info, kNoRestart);
  }
  deliver_all(thread, kNoRestart);
  go_on(thread);
}

}  // namespace coffer::kernel::signals
