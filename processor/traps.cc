// Faults of enclave code: signals become ENCLU leaves or asynchronous exits.
//
// The handler starts on the FS base of whoever was interrupted. It finds its lane from its own stack (SA_ONSTACK), and
// loads the host's FS before it calls anything that might use thread-local storage.
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>
#include <csignal>
#include <cstdlib>
#include <cstring>

#include <algorithm>
#include <array>
#include <cerrno>
#include <mutex>
#include <span>

#include "base/secret.h"
#include "processor/entry.h"
#include "processor/lanes.h"
#include "processor/raw_entry.h"

extern "C" {
extern const char coffer_entry_begin[];
extern const char coffer_entry_end[];
extern const char coffer_exit_landing[];
extern const char coffer_gate_bad_tcs[];
extern const char coffer_gate_return[];
extern const char coffer_raw_begin[];
extern const char coffer_raw_end[];
extern const char coffer_raw_exit_trap[];
void coffer_signal_return();
}

namespace coffer::processor {

namespace {

constexpr std::array kTrapSignals = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP, SIGSYS};

// The kernel's own structure; the C library's sigaction() is passed by, because sanitizers wrap handlers that are
// installed through it in code that needs the host's FS base.
struct KernelSigaction {
  std::uintptr_t handler;  // void (*)(int, siginfo_t*, void*), or one of the two below
  unsigned long flags;
  void (*restorer)();
  unsigned long mask;
};
constexpr std::uintptr_t kDefault = 0;
constexpr std::uintptr_t kIgnore = 1;
constexpr unsigned long kSaRestorer = 0x04000000;

constexpr unsigned long bit_of(int signal) { return 1ul << (signal - 1); }
constexpr unsigned long kTrapMask =
    bit_of(SIGSEGV) | bit_of(SIGBUS) | bit_of(SIGILL) | bit_of(SIGFPE) | bit_of(SIGTRAP) | bit_of(SIGSYS);
// What waits while the processor serves a trap: a program's handler would find the enclave half inside, and pages that
// are on their way locked.
constexpr unsigned long kServingMask = ~kTrapMask;

bool is_trap(int signal) { return std::ranges::find(kTrapSignals, signal) != kTrapSignals.end(); }

std::array<KernelSigaction, 65> previous_actions;

std::uint64_t get(const ucontext_t* context, int index) {
  return static_cast<std::uint64_t>(context->uc_mcontext.gregs[index]);
}
void set(ucontext_t* context, int index, std::uint64_t value) {
  context->uc_mcontext.gregs[index] = static_cast<greg_t>(value);
}

// The gate's way to say that the enclave's operands are wrong: still in the enclave's own context.
bool at_bad_tcs(std::uint64_t rip) { return rip == reinterpret_cast<std::uint64_t>(coffer_gate_bad_tcs); }

// The gate's last instruction, with all of the enclave's context loaded: it reads the enclave's stack, which may have
// been paged out.
bool at_gate_return(std::uint64_t rip) { return rip == reinterpret_cast<std::uint64_t>(coffer_gate_return); }

// The same for a patched EEXIT site whose thread it could not tell.
bool at_raw_exit(std::uint64_t rip) { return rip == reinterpret_cast<std::uint64_t>(coffer_raw_exit_trap); }

bool in_entry_code(std::uint64_t rip) {
  const auto between = [rip](const char* begin, const char* end) {
    return rip >= reinterpret_cast<std::uint64_t>(begin) && rip < reinterpret_cast<std::uint64_t>(end);
  };
  return !at_bad_tcs(rip) && !at_gate_return(rip) && !at_raw_exit(rip) &&
         (between(coffer_entry_begin, coffer_entry_end) || between(coffer_raw_begin, coffer_raw_end));
}

std::uint8_t vector_of(int signal, const siginfo_t* info, std::uint64_t trap_number) {
  if (signal == SIGSYS) return sgx::vector::kInvalidOpcode;  // `syscall` is #UD inside an enclave
  if (signal == SIGBUS && info->si_code != BUS_ADRALN) return sgx::vector::kPageFault;
  if (signal == SIGTRAP && info->si_code == SI_KERNEL) return sgx::vector::kBreakpoint;
  return static_cast<std::uint8_t>(trap_number);
}

ExceptionInfo describe(int signal, const siginfo_t* info, ucontext_t* context, const SoftEnclave& enclave) {
  ExceptionInfo e;
  e.signal = signal;
  e.vector = vector_of(signal, info, get(context, REG_TRAPNO));
  if (e.vector == sgx::vector::kPageFault) {
    e.address = get(context, REG_CR2);
    e.error_code = enclave.page_fault_code(e.address, static_cast<std::uint32_t>(get(context, REG_ERR)));
  } else if (e.vector == sgx::vector::kGeneralProtection) {
    e.error_code = static_cast<std::uint32_t>(get(context, REG_ERR));
  }
  return e;
}

// The vectors that EXITINFO reports (SDM 3D table 34-11); #PF and #GP only where MISCSELECT asks for EXINFO.
std::uint32_t exit_info_of(const SoftEnclave& enclave, std::uint8_t vector) {
  namespace v = sgx::vector;
  switch (vector) {
    case v::kBreakpoint:
      return sgx::exit_info::kValid | sgx::exit_info::kSoftware | vector;
    case v::kDivideError:
    case v::kDebug:
    case v::kBoundRange:
    case v::kInvalidOpcode:
    case v::kX87:
    case v::kAlignmentCheck:
    case v::kSimd:
      return sgx::exit_info::kValid | sgx::exit_info::kHardware | vector;
    case v::kPageFault:
    case v::kGeneralProtection:
      if ((enclave.secs().misc_select & sgx::kMiscExInfo) == 0) return 0;
      return sgx::exit_info::kValid | sgx::exit_info::kHardware | vector;
    default:
      return 0;
  }
}

void save_general_registers(ucontext_t* context, const Lane& lane, sgx::GprArea& gpr) {
  gpr.rax = get(context, REG_RAX);
  gpr.rcx = get(context, REG_RCX);
  gpr.rdx = get(context, REG_RDX);
  gpr.rbx = get(context, REG_RBX);
  gpr.rsp = get(context, REG_RSP);
  gpr.rbp = get(context, REG_RBP);
  gpr.rsi = get(context, REG_RSI);
  gpr.rdi = get(context, REG_RDI);
  gpr.r8 = get(context, REG_R8);
  gpr.r9 = get(context, REG_R9);
  gpr.r10 = get(context, REG_R10);
  gpr.r11 = get(context, REG_R11);
  gpr.r12 = get(context, REG_R12);
  gpr.r13 = get(context, REG_R13);
  gpr.r14 = get(context, REG_R14);
  gpr.r15 = get(context, REG_R15);
  gpr.rflags = get(context, REG_EFL);
  gpr.rip = get(context, REG_RIP);
  gpr.fs_base = lane.enclave_fs;
  gpr.gs_base = lane.enclave_gs;
}

// The signal frame holds a standard-format XSAVE image; the lane gets the components of XFRM, the signal frame the
// initial state, so that no register of the enclave survives the exit.
void take_vector_state(ucontext_t* context, Lane& lane) {
  auto* area = reinterpret_cast<std::byte*>(context->uc_mcontext.fpregs);
  if (area == nullptr) return;
  std::memcpy(lane.xsave, area, xsave_area_size(lane.xsave_mask));
  std::memset(lane.xsave + 464, 0, 48);  // the kernel's own notes in the legacy area
  std::uint64_t header[8] = {};
  std::memcpy(header, lane.xsave + 512, 8);
  header[0] &= lane.xsave_mask;
  std::memcpy(lane.xsave + 512, header, sizeof(header));

  const std::uint64_t none = 0;
  std::memcpy(area + 512, &none, sizeof(none));
  std::memset(area + 32, 0, 384);  // x87 and SSE registers
  const std::uint16_t control_word = 0x37f;
  const std::uint32_t mxcsr = 0x1f80;
  std::memcpy(area, &control_word, sizeof(control_word));
  std::memcpy(area + 24, &mxcsr, sizeof(mxcsr));
}

void return_to_host(ucontext_t* context, Lane& lane, ExitKind kind) {
  lane.exit_kind = kind;
  lane.inside = 0;
  lane.dispatch &= ~0xffull;
  set(context, REG_RIP, reinterpret_cast<std::uint64_t>(coffer_exit_landing));
  set(context, REG_RSP, lane.host_rsp);
  set(context, REG_EFL, 0x202);
}

// The end of an SSA frame: EXINFO, then GPRSGX.
struct FrameEnd {
  sgx::ExInfo info;
  sgx::GprArea gpr;
};
static_assert(sizeof(FrameEnd) == sizeof(sgx::ExInfo) + sizeof(sgx::GprArea));

void save_frame(ucontext_t* context, Lane& lane, const ExceptionInfo* exception) {
  SoftEnclave& enclave = *lane.enclave;
  const FrameAccess frame(enclave, enclave.frame_offset(*lane.thread, lane.thread->tcs.current_ssa));
  const std::uint64_t end_offset = enclave.frame_size() - sizeof(FrameEnd);
  FrameEnd end;
  bool saved = frame.read(end_offset, std::as_writable_bytes(std::span(&end, 1)));
  save_general_registers(context, lane, end.gpr);
  end.gpr.exit_info = exception == nullptr ? 0 : exit_info_of(enclave, exception->vector);
  if ((enclave.secs().misc_select & sgx::kMiscExInfo) != 0) {
    end.info = exception == nullptr ? sgx::ExInfo{} : sgx::ExInfo{exception->address, exception->error_code, 0};
  }
  take_vector_state(context, lane);
  saved = saved && frame.write(end_offset, bytes_of(end)) &&
          frame.write(0, ByteView(lane.xsave).first(xsave_area_size(lane.xsave_mask)));
  wipe(&end, sizeof(end));
  if (!saved) std::abort();  // tracking keeps the frame in the EPC while somebody is inside: this cannot be
}

// AEX (SDM 3D 37.3): the state into SSA[CSSA], synthetic state into the registers.
void asynchronous_exit(ucontext_t* context, Lane& lane, const ExceptionInfo* exception) {
  const SoftEnclave& enclave = *lane.enclave;
  sgx::Tcs& tcs = lane.thread->tcs;
  save_frame(context, lane, exception);
  set_cssa(tcs, tcs.current_ssa + 1);
  lane.exception = exception == nullptr ? ExceptionInfo{} : *exception;
  if (exception != nullptr && !enclave.debug()) lane.exception.address &= ~(sgx::kPageSize - 1);  // as CR2 on AEX
  lane.exception.rip = get(context, REG_RIP) - enclave.base();
  // Hardware tells nothing of where the enclave was; people who operate a production enclave get the page.
  if (!enclave.debug()) lane.exception.rip &= ~(sgx::kPageSize - 1);
  for (int r : {REG_RAX, REG_RBX, REG_RCX, REG_RDX, REG_RSI, REG_RDI, REG_RBP, REG_R8, REG_R9, REG_R10, REG_R11,
                REG_R12, REG_R13, REG_R14, REG_R15}) {
    set(context, r, 0);
  }
  if (lane.raw) return raw_asynchronous_exit(context, lane);
  return_to_host(context, lane, exception == nullptr ? ExitKind::kInterrupt : ExitKind::kException);
}

// What stands at an instruction that trapped as #UD. kAway: its page has left the EPC since; done again, it faults
// first.
enum class Trapped : std::uint8_t { kEnclu, kOther, kAway };
Trapped trapped_at(const SoftEnclave& enclave, std::uint64_t rip) {
  constexpr std::array<std::uint8_t, 3> kEnclu = {0x0f, 0x01, 0xd7};
  std::array<std::uint8_t, 3> code{};
  if (!enclave.contains(rip, code.size())) return Trapped::kOther;
  const SoftEnclave::Copied copied =
      enclave.copy_out(rip - enclave.base(), std::as_writable_bytes(std::span(code)), sgx::SecinfoFlags::kR);
  if (copied == SoftEnclave::Copied::kAway) return Trapped::kAway;
  return copied == SoftEnclave::Copied::kYes && code == kEnclu ? Trapped::kEnclu : Trapped::kOther;
}

// The faithful path of ENCLU: the instruction trapped as #UD. True where the enclave goes on or has left; false where
// the leaf itself faulted, with *exception changed to that fault.
bool emulate_enclu(ucontext_t* context, Lane& lane, ExceptionInfo* exception) {
  if (get(context, REG_RAX) == SGX_ENCLU_EEXIT && lane.raw) {
    SoftEnclave& enclave = *lane.enclave;
    const std::uint64_t site = get(context, REG_RIP);
    lane.exit_kind = ExitKind::kExit;
    raw_exit(context, lane);
    if (raw_hooks().exit_trapped != nullptr && enclave.contains(site)) raw_hooks().exit_trapped(enclave, site);
    return true;
  }
  if (get(context, REG_RAX) == SGX_ENCLU_EEXIT) {
    lane.registers = {get(context, REG_RDI), get(context, REG_RSI), get(context, REG_RDX), get(context, REG_R8),
                      get(context, REG_R9)};
    return_to_host(context, lane, ExitKind::kExit);
    return true;
  }
  const LeafOperands operands{get(context, REG_RAX) & 0x7fffffff, get(context, REG_RBX), get(context, REG_RCX),
                              get(context, REG_RDX)};
  const LeafOutcome outcome = run_leaf(lane, operands);
  if (outcome.fault == LeafOutcome::Fault::kNone) {
    if (leaf_has_result(operands.rax)) {
      constexpr std::uint64_t kZeroFlag = 0x40;
      constexpr std::uint64_t kCleared = kZeroFlag | 0x895;  // CF PF AF SF OF
      set(context, REG_RAX, static_cast<std::uint64_t>(outcome.error));
      const std::uint64_t flags = get(context, REG_EFL) & ~kCleared;
      set(context, REG_EFL, outcome.error == sgx::LeafError::kSuccess ? flags : flags | kZeroFlag);
    }
    set(context, REG_RIP, get(context, REG_RIP) + 3);
    return true;
  }
  const bool is_page_fault = outcome.fault == LeafOutcome::Fault::kPageFault;
  exception->vector = is_page_fault ? sgx::vector::kPageFault : sgx::vector::kGeneralProtection;
  exception->address = outcome.fault_address;
  constexpr std::uint32_t kUser = 4;  // a read: which of a leaf's operands are written is the leaf's affair
  exception->error_code = is_page_fault ? lane.enclave->page_fault_code(outcome.fault_address, kUser) : 0;
  exception->signal = SIGSEGV;
  return false;
}

// A page fault as the operating system's driver takes it: done again, the access is allowed, or it faults for another
// reason. To the enclave it has not happened.
bool served_by_driver(SoftEnclave& enclave, int signal, const ucontext_t* context, bool may_add) {
  if (signal != SIGSEGV || get(context, REG_TRAPNO) != sgx::vector::kPageFault) return false;
  return enclave.demand_page(get(context, REG_CR2), static_cast<std::uint32_t>(get(context, REG_ERR)), may_add);
}

void trap_in_enclave(int signal, const siginfo_t* info, ucontext_t* context, Lane& lane) {
  asm volatile("rdgsbase %0" : "=r"(lane.enclave_gs));
  if (signal == interrupt_signal()) return asynchronous_exit(context, lane, nullptr);
  if (!is_trap(signal)) return asynchronous_exit(context, lane, nullptr);
  if (lane.raw && served_by_driver(*lane.enclave, signal, context, true)) return;
  ExceptionInfo exception = describe(signal, info, context, *lane.enclave);
  if (signal == SIGSYS) set(context, REG_RIP, get(context, REG_RIP) - 2);
  // INT3 is a fault inside an enclave (SDM 3D, "Behavior of INT3 inside an enclave"), a trap outside.
  if (exception.vector == sgx::vector::kBreakpoint) set(context, REG_RIP, get(context, REG_RIP) - 1);
  const std::uint64_t rip = get(context, REG_RIP);
  if (at_bad_tcs(rip)) exception.vector = sgx::vector::kGeneralProtection;
  const Trapped trapped = signal == SIGILL ? trapped_at(*lane.enclave, rip) : Trapped::kOther;
  if (trapped == Trapped::kAway) return;
  if (trapped == Trapped::kEnclu || (signal == SIGILL && at_raw_exit(rip))) {
    lane.inside = 0;
    const bool done = emulate_enclu(context, lane, &exception);
    if (done) {
      lane.inside = lane.exit_kind == ExitKind::kNone ? 1 : 0;
      return;
    }
  }
  asynchronous_exit(context, lane, &exception);
}

// Runs the program's own handler, as the kernel would have: under its mask, once where it asked for that. The kernel
// gives the mask back when the processor's handler returns.
void chain(int signal, siginfo_t* info, ucontext_t* context) {
  const KernelSigaction previous = previous_actions[static_cast<std::size_t>(signal)];
  if (previous.handler == kIgnore) return;
  if (previous.handler != kDefault) {
    if ((previous.flags & SA_RESETHAND) != 0) previous_actions[static_cast<std::size_t>(signal)] = {};
    unsigned long mask = 0;
    std::memcpy(&mask, &context->uc_sigmask, sizeof(mask));
    mask = (mask | previous.mask) & kServingMask;
    if ((previous.flags & SA_NODEFER) == 0) mask |= bit_of(signal);
    ::syscall(SYS_rt_sigprocmask, SIG_SETMASK, &mask, nullptr, 8);
    reinterpret_cast<void (*)(int, siginfo_t*, void*)>(previous.handler)(signal, info, context);
    mask = kServingMask;  // the way back is the processor's again
    ::syscall(SYS_rt_sigprocmask, SIG_SETMASK, &mask, nullptr, 8);
    return;
  }
  // The default is to die of it: put it back, and the instruction (or the re-sent signal) does the rest.
  KernelSigaction action{};
  ::syscall(SYS_rt_sigaction, signal, &action, nullptr, 8);
  if (info->si_code <= 0) ::syscall(SYS_tgkill, ::getpid(), ::syscall(SYS_gettid), signal);
}

// A signal of ordinary code: ENCLU, what the hooks serve, or the program's own affair.
void outside(int signal, siginfo_t* info, ucontext_t* context) {
  constexpr std::array<std::uint8_t, 3> kEnclu = {0x0f, 0x01, 0xd7};
  const std::uint64_t rip = get(context, REG_RIP);
  const RawHooks& hooks = raw_hooks();
  // Code outside that looks at an enclave's page.
  SoftEnclave* looked_at = signal == SIGSEGV ? published_enclave_at(get(context, REG_CR2)) : nullptr;
  if (looked_at != nullptr && served_by_driver(*looked_at, signal, context, false)) return;
  if (signal == SIGILL && hooks.enclu != 0 && info->si_code == ILL_ILLOPN &&
      std::memcmp(reinterpret_cast<const void*>(rip), kEnclu.data(), kEnclu.size()) == 0) {
    RawFault fault;
    if (raw_enclu(context, &fault)) return;
    signal = SIGSEGV;
    info->si_signo = signal;
    info->si_addr = reinterpret_cast<void*>(fault.address);
  }
  if (hooks.outside == nullptr || !hooks.outside(signal, info, context)) chain(signal, info, context);
}

// What the operating system does with an asynchronous exit of an enclave that ordinary code has entered: an exception
// at the ENCLU that asked for it is told to that code, any other is the program's signal, at the AEP.
void deliver(int signal, siginfo_t* info, ucontext_t* context, const Lane& lane) {
  const RawHooks& hooks = raw_hooks();
  const std::uint8_t vector = lane.exception.vector;
  const bool told = is_trap(signal) && lane.exception.signal != 0 && get(context, REG_RIP) == hooks.enclu &&
                    vector != sgx::vector::kDebug && vector != sgx::vector::kBreakpoint;
  if (!told) return chain(signal, info, context);
  set(context, REG_RIP, hooks.landing);
  set(context, REG_RDI, vector);
  set(context, REG_RSI, lane.exception.error_code);
  set(context, REG_RDX, lane.exception.address);
}

// The kernel leaves the interrupted code's AC flag in force, under which compiled code would fault at every unaligned
// access of its own.
inline void clear_alignment_check() { asm volatile("pushfq\n\tandl $0xfffbffff, (%%rsp)\n\tpopfq" ::: "memory", "cc"); }

__attribute__((no_stack_protector, no_sanitize("address", "undefined", "thread"))) void handle_trap(int signal,
                                                                                                    siginfo_t* info,
                                                                                                    void* raw) {
  auto* context = static_cast<ucontext_t*>(raw);
  Lane* lane = lane_of_stack(reinterpret_cast<std::uintptr_t>(__builtin_frame_address(0)));
  if (lane == nullptr) {  // a thread that never entered an enclave
    if (signal != interrupt_signal()) outside(signal, info, context);
    return;
  }
  std::uint64_t interrupted_fs = 0;
  std::uint64_t interrupted_gs = 0;
  asm volatile("rdfsbase %0" : "=r"(interrupted_fs));
  asm volatile("rdgsbase %0" : "=r"(interrupted_gs));
  asm volatile("wrfsbase %0" ::"r"(lane->host_fs) : "memory");
  clear_alignment_check();
  const std::uint64_t interrupted_dispatch = lane->dispatch;
  lane->dispatch = interrupted_dispatch & ~0xffull;
  const int saved_errno = errno;
  const bool inside = lane->inside != 0 && !in_entry_code(get(context, REG_RIP));
  if (inside) {
    const bool entered_raw = lane->raw;
    lane->enclave_fs = interrupted_fs;
    trap_in_enclave(signal, info, context, *lane);
    if (entered_raw && lane->inside == 0 && lane->exit_kind == ExitKind::kNone && signal != interrupt_signal()) {
      asm volatile("wrgsbase %0" ::"r"(lane->host_gs) : "memory");
      deliver(signal, info, context, *lane);
    }
  } else if (signal != interrupt_signal()) {
    outside(signal, info, context);
  }
  errno = saved_errno;
  if (!inside && lane->inside != 0 && !in_entry_code(get(context, REG_RIP))) {  // ENCLU of ordinary code: EENTER
    asm volatile("wrfsbase %0" ::"r"(lane->enclave_fs) : "memory");
    asm volatile("wrgsbase %0" ::"r"(lane->enclave_gs) : "memory");
  } else if (!inside || lane->inside != 0) {  // back to where the signal came from
    lane->dispatch = interrupted_dispatch;
    asm volatile("wrfsbase %0" ::"r"(interrupted_fs) : "memory");
    asm volatile("wrgsbase %0" ::"r"(interrupted_gs) : "memory");
  } else {
    asm volatile("wrgsbase %0" ::"r"(lane->host_gs) : "memory");
  }
}

Result<void> install(int signal) {
  KernelSigaction action{};
  action.handler = reinterpret_cast<std::uintptr_t>(&handle_trap);
  action.flags = SA_SIGINFO | SA_ONSTACK | kSaRestorer;
  action.restorer = coffer_signal_return;
  action.mask = kServingMask;
  if (::syscall(SYS_rt_sigaction, signal, &action, &previous_actions[static_cast<std::size_t>(signal)], 8) != 0) {
    return system_error("cannot install a trap handler", errno);
  }
  return {};
}

}  // namespace

int program_sigaction(int signal, const struct sigaction* action, struct sigaction* previous) {
  if (signal <= 0 || signal > 64 || signal == SIGKILL || signal == SIGSTOP) {
    errno = EINVAL;
    return -1;
  }
  KernelSigaction& kept = previous_actions[static_cast<std::size_t>(signal)];
  const bool ours = is_trap(signal);
  KernelSigaction wanted{};
  if (action != nullptr) {
    wanted.handler = reinterpret_cast<std::uintptr_t>(action->sa_handler);
    wanted.flags = static_cast<unsigned long>(action->sa_flags) | kSaRestorer;
    wanted.restorer = coffer_signal_return;
    sigset_t mask = action->sa_mask;
    keep_unblocked(mask);
    std::memcpy(&wanted.mask, &mask, sizeof(wanted.mask));
  }
  KernelSigaction installed = wanted;
  const bool handler = wanted.handler != kDefault && wanted.handler != kIgnore;
  if (handler) {
    installed.handler = reinterpret_cast<std::uintptr_t>(&handle_trap);
    installed.flags |= SA_SIGINFO | SA_ONSTACK;
    installed.flags &= ~static_cast<unsigned long>(SA_RESETHAND);
    installed.mask = kServingMask;
  }
  KernelSigaction before = kept;
  const bool set = action != nullptr && !ours;
  KernelSigaction in_force;
  if (!ours && ::syscall(SYS_rt_sigaction, signal, set ? &installed : nullptr, &in_force, 8) != 0) return -1;
  if (!ours && in_force.handler != reinterpret_cast<std::uintptr_t>(&handle_trap)) before = in_force;
  if (action != nullptr) kept = wanted;
  if (previous != nullptr) {
    *previous = {};
    previous->sa_sigaction = reinterpret_cast<void (*)(int, siginfo_t*, void*)>(before.handler);
    previous->sa_flags = static_cast<int>(before.flags & ~kSaRestorer);
    std::memcpy(&previous->sa_mask, &before.mask, sizeof(before.mask));
  }
  return 0;
}

void keep_unblocked(sigset_t& mask) {
  for (int signal : kTrapSignals) sigdelset(&mask, signal);
}

SignalsHeld::SignalsHeld() { ::syscall(SYS_rt_sigprocmask, SIG_BLOCK, &kServingMask, &before_, 8); }

SignalsHeld::~SignalsHeld() { ::syscall(SYS_rt_sigprocmask, SIG_SETMASK, &before_, nullptr, 8); }

// GDB stops at neither of them.
static void choose_quiet_interrupts() {
  for (const int signal : {SIGVTALRM, SIGURG}) {
    struct sigaction in_force = {};
    if (::sigaction(signal, nullptr, &in_force) != 0 || in_force.sa_handler != SIG_DFL) continue;
    choose_interrupt_signal(signal);
    return;
  }
}

Result<void> install_traps(SyscallTrap how, bool under_debugger) {
  static std::once_flag once;
  static Result<void> result;
  std::call_once(once, [how, under_debugger] {
    if (under_debugger) choose_quiet_interrupts();
    if (how == SyscallTrap::kUserDispatch) use_syscall_user_dispatch();
    for (int signal : kTrapSignals) {
      if (result) result = install(signal);
    }
    if (result) result = install(interrupt_signal());
  });
  return result;
}

}  // namespace coffer::processor
