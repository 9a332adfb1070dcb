// Vectored exception handlers, over the signals that the enclave kernel makes of exceptions.
//
// Handlers run on the stack that the exception interrupted, or on the thread's stack for handlers where the exception
// is registered for that (internal/sgx/td.h). The kernel delivers to the latter while anything is registered for it;
// run_on() goes back for the others.
#include <openenclave/enclave.h>
#include <openenclave/internal/sgx/td.h>
#include <signal.h>
#include <ucontext.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <mutex>

#include "compat/openenclave/enclave/cpuid.h"
#include "compat/openenclave/enclave/parts.h"
#include "compat/openenclave/enclave/thread_data.h"

namespace {

constexpr std::size_t kMostHandlers = 64;
constexpr std::array kSignals = {SIGFPE, SIGILL, SIGSEGV, SIGBUS, SIGTRAP};
constexpr std::uint64_t kRedZone = 128;

// Read by signal handlers without a lock: entries are replaced one by one, and a handler that is being removed may run
// once more, as in any list of handlers.
std::array<oe_vectored_exception_handler_t, kMostHandlers> handlers{};
std::size_t handler_count = 0;
std::mutex lock;

std::uint32_t code_of(int signal, const siginfo_t& info, std::uint64_t trap) {
  enum Trap : std::uint64_t {
    kDivide = 0,
    kBreak = 3,
    kBound = 5,
    kOpcode = 6,
    kProtection = 13,
    kPage = 14,
    kX87 = 16,
    kAlignment = 17,
    kSimd = 19
  };
  switch (signal) {
    case SIGFPE:
      if (info.si_code == FPE_INTDIV) return OE_EXCEPTION_DIVIDE_BY_ZERO;
      return trap == kX87 ? OE_EXCEPTION_X87_FLOAT_POINT : OE_EXCEPTION_SIMD_FLOAT_POINT;
    case SIGILL:
      return OE_EXCEPTION_ILLEGAL_INSTRUCTION;
    case SIGTRAP:
      return OE_EXCEPTION_BREAKPOINT;
    case SIGBUS:
      return trap == kAlignment ? OE_EXCEPTION_MISALIGNMENT : OE_EXCEPTION_PAGE_FAULT;
    case SIGSEGV:
      if (trap == kBound) return OE_EXCEPTION_BOUND_OUT_OF_RANGE;
      return trap == kProtection ? OE_EXCEPTION_ACCESS_VIOLATION : OE_EXCEPTION_PAGE_FAULT;
    default:
      return OE_EXCEPTION_UNKNOWN;
  }
}

// Each register's place in both structures.
struct Register {
  std::uint64_t oe_context_t::* ours;
  int theirs;
};
constexpr std::array<Register, 18> kRegisters = {{{&oe_context_t::flags, REG_EFL},
                                                  {&oe_context_t::rax, REG_RAX},
                                                  {&oe_context_t::rbx, REG_RBX},
                                                  {&oe_context_t::rcx, REG_RCX},
                                                  {&oe_context_t::rdx, REG_RDX},
                                                  {&oe_context_t::rbp, REG_RBP},
                                                  {&oe_context_t::rsp, REG_RSP},
                                                  {&oe_context_t::rdi, REG_RDI},
                                                  {&oe_context_t::rsi, REG_RSI},
                                                  {&oe_context_t::r8, REG_R8},
                                                  {&oe_context_t::r9, REG_R9},
                                                  {&oe_context_t::r10, REG_R10},
                                                  {&oe_context_t::r11, REG_R11},
                                                  {&oe_context_t::r12, REG_R12},
                                                  {&oe_context_t::r13, REG_R13},
                                                  {&oe_context_t::r14, REG_R14},
                                                  {&oe_context_t::r15, REG_R15},
                                                  {&oe_context_t::rip, REG_RIP}}};

void take_context(const ucontext_t& from, oe_context_t& to) {
  for (const Register& each : kRegisters) {
    to.*each.ours = static_cast<std::uint64_t>(from.uc_mcontext.gregs[each.theirs]);
  }
  if (from.uc_mcontext.fpregs == nullptr) return;
  std::memcpy(to.basic_xstate.blob, from.uc_mcontext.fpregs, sizeof(to.basic_xstate.blob));
  to.mxcsr = from.uc_mcontext.fpregs->mxcsr;
}

void give_context(const oe_context_t& from, ucontext_t& to) {
  for (const Register& each : kRegisters) {
    to.uc_mcontext.gregs[each.theirs] = static_cast<greg_t>(from.*each.ours);
  }
  if (to.uc_mcontext.fpregs == nullptr) return;
  // Legacy state without the bytes that say what else is saved behind it.
  constexpr std::size_t kUsed = 416;
  std::memcpy(to.uc_mcontext.fpregs, from.basic_xstate.blob, kUsed);
  to.uc_mcontext.fpregs->mxcsr = from.mxcsr;
}

// True where a handler wants the program to go on.
extern "C" __attribute__((used)) bool coffer_oe_ask_handlers(oe_exception_record_t* record) {
  for (std::size_t i = 0; i < kMostHandlers; ++i) {
    const auto handler = __atomic_load_n(&handlers[i], __ATOMIC_ACQUIRE);
    if (handler == nullptr) return false;
    const std::uint64_t answer = handler(record);
    if (answer == OE_EXCEPTION_CONTINUE_EXECUTION) return true;
    if (answer == OE_EXCEPTION_ABORT_EXECUTION) return false;
  }
  return false;
}

// Asks the handlers with the stack pointer at `stack_end`.
bool run_on(std::uint64_t stack_end, oe_exception_record_t* record) {
  bool result = false;
  asm volatile(
      "mov %%rsp, %%rbx\n\t"
      "mov %[stack], %%rsp\n\t"
      "call coffer_oe_ask_handlers\n\t"
      "mov %%rbx, %%rsp"
      : "=a"(result), "+D"(record)
      : [stack] "r"(stack_end & ~std::uint64_t{15})
      : "rbx", "rcx", "rdx", "rsi", "r8", "r9", "r10", "r11", "cc", "memory", "xmm0", "xmm1", "xmm2", "xmm3", "xmm4",
        "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", "xmm11", "xmm12", "xmm13", "xmm14", "xmm15");
  return result;
}

bool ask(oe_exception_record_t* record) {
  const _td& td = *oe_sgx_get_td();
  const auto here = reinterpret_cast<std::uint64_t>(__builtin_frame_address(0));
  const auto on_handler_stack = [&td](std::uint64_t address) {
    return address - td.handler_stack < td.handler_stack_size;
  };
  const bool registered = td.handler_stack != 0 && record->code <= OE_SGX_EXCEPTION_CODE_MAXIMUM &&
                          (td.handler_codes >> record->code & 1) != 0;
  const std::uint64_t interrupted = record->context->rsp;
  if (registered || !on_handler_stack(here) || on_handler_stack(interrupted)) return coffer_oe_ask_handlers(record);
  return run_on(interrupted - kRedZone, record);
}

using coffer::openenclave::answer_cpuid;
using coffer::openenclave::cpuid_bytes;
using coffer::openenclave::kCpuidLength;

void on_signal(int signal, siginfo_t* info, void* given) {
  auto& context = *static_cast<ucontext_t*>(given);
  const auto stopped_at = static_cast<std::uint64_t>(context.uc_mcontext.gregs[REG_RIP]);
  const bool is_cpuid = signal == SIGILL && coffer::openenclave::is_cpuid_site(stopped_at);
  if (is_cpuid && answer_cpuid(context, /*all_leaves=*/false)) return;
  const auto trap = static_cast<std::uint64_t>(context.uc_mcontext.gregs[REG_TRAPNO]);
  oe_context_t state = {};
  take_context(context, state);
  oe_exception_record_t record = {};
  record.code = code_of(signal, *info, trap);
  record.flags = OE_EXCEPTION_FLAGS_HARDWARE;
  record.address = state.rip;
  if (record.code == OE_EXCEPTION_PAGE_FAULT) {
    record.faulting_address = reinterpret_cast<std::uint64_t>(info->si_addr);
    record.error_code = static_cast<std::uint32_t>(context.uc_mcontext.gregs[REG_ERR]);
  }
  record.context = &state;
  // Handlers look at the instruction, and go on behind it; a UD2 stands in its place.
  if (is_cpuid) state.rip = cpuid_bytes();
  if (ask(&record)) {
    if (is_cpuid && state.rip - cpuid_bytes() <= kCpuidLength) state.rip = stopped_at + (state.rip - cpuid_bytes());
    give_context(state, context);
    return;
  }
  if (is_cpuid && answer_cpuid(context, /*all_leaves=*/true)) return;
  // Nobody wants it: the same exception again, which now ends the enclave and says where.
  struct sigaction standard = {};
  standard.sa_handler = SIG_DFL;
  ::sigaction(signal, &standard, nullptr);
}

bool install_once() {
  struct sigaction action = {};
  action.sa_sigaction = on_signal;
  action.sa_flags = SA_SIGINFO | SA_NODEFER | SA_ONSTACK;
  return std::ranges::all_of(kSignals, [&action](int signal) { return ::sigaction(signal, &action, nullptr) == 0; });
}

bool install() {
  static const bool installed = install_once();
  return installed;
}

void set(std::size_t place, oe_vectored_exception_handler_t handler) {
  __atomic_store_n(&handlers[place], handler, __ATOMIC_RELEASE);
}

}  // namespace

namespace coffer::openenclave {
void prepare_exceptions() {
  if (has_cpuid_sites()) (void)install();  // as soon as there can be one
}
}  // namespace coffer::openenclave

extern "C" {

oe_result_t oe_add_vectored_exception_handler(bool is_first_handler, oe_vectored_exception_handler_t handler) {
  if (handler == nullptr) return OE_INVALID_PARAMETER;
  const std::scoped_lock held(lock);
  const auto end = handlers.begin() + static_cast<std::ptrdiff_t>(handler_count);
  if (handler_count == kMostHandlers || std::find(handlers.begin(), end, handler) != end) return OE_FAILURE;
  if (!install()) return OE_FAILURE;
  if (is_first_handler) {
    for (std::size_t i = handler_count; i > 0; --i) set(i, handlers[i - 1]);
    set(0, handler);
  } else {
    set(handler_count, handler);
  }
  ++handler_count;
  return OE_OK;
}

oe_result_t oe_remove_vectored_exception_handler(oe_vectored_exception_handler_t handler) {
  if (handler == nullptr) return OE_INVALID_PARAMETER;
  const std::scoped_lock held(lock);
  const auto end = handlers.begin() + static_cast<std::ptrdiff_t>(handler_count);
  const auto found = std::find(handlers.begin(), end, handler);
  if (found == end) return OE_FAILURE;
  for (auto place = static_cast<std::size_t>(found - handlers.begin()); place + 1 < handler_count; ++place) {
    set(place, handlers[place + 1]);
  }
  set(--handler_count, nullptr);
  return OE_OK;
}

}  // extern "C"
