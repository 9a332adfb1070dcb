#include "enclave/kernel/signals/trap_info.h"

#include "enclave/kernel/core/image.h"
#include "sgx/arch.h"

namespace coffer::kernel::signals {

namespace {

// The codes of <csignal> that say which floating-point exception it was, from the six flags that x87 and SSE share.
int floating_point_code(std::uint32_t raised) {
  constexpr std::uint32_t kInvalid = 1, kDenormal = 2, kZeroDivide = 4, kOverflow = 8, kUnderflow = 16, kInexact = 32;
  if ((raised & kInvalid) != 0) return FPE_FLTINV;
  if ((raised & kZeroDivide) != 0) return FPE_FLTDIV;
  if ((raised & kOverflow) != 0) return FPE_FLTOVF;
  if ((raised & (kUnderflow | kDenormal)) != 0) return FPE_FLTUND;
  return (raised & kInexact) != 0 ? FPE_FLTRES : 0;
}

int x87_code() {
  std::uint16_t status = 0;
  std::uint16_t control = 0;
  asm volatile("fnstsw %0" : "=m"(status));
  asm volatile("fnstcw %0" : "=m"(control));
  return floating_point_code(status & ~std::uint32_t{control} & 0x3f);
}

int sse_code() {
  std::uint32_t control = 0;
  asm volatile("stmxcsr %0" : "=m"(control));
  return floating_point_code(control & ~(control >> 7) & 0x3f);
}

bool is_mapped(std::uint64_t address) {
  if (in_program(address, 1, false) || in_program(address, 1, true)) return true;
  struct Search {
    std::uint64_t address;
    bool found;
  } search{address, false};
  address_space().visit_mappings(
      [](void* raw, std::uintptr_t begin, std::uintptr_t end, int, int) {
        auto& wanted = *static_cast<Search*>(raw);
        wanted.found = wanted.found || (wanted.address >= begin && wanted.address < end);
      },
      &search);
  return search.found;
}

}  // namespace

int signal_of(std::uint32_t vector) {
  switch (vector) {
    case sgx::vector::kInvalidOpcode:
      return SIGILL;
    case sgx::vector::kBreakpoint:
    case sgx::vector::kDebug:
      return SIGTRAP;
    case sgx::vector::kDivideError:
    case sgx::vector::kX87:
    case sgx::vector::kSimd:
      return SIGFPE;
    case sgx::vector::kAlignmentCheck:
      return SIGBUS;
    default:
      return SIGSEGV;
  }
}

siginfo_t info_of_trap(ThreadControl& thread) {
  const TrapCause& cause = thread.cause;
  siginfo_t info{};
  info.si_signo = signal_of(cause.vector);
  void* const rip = reinterpret_cast<void*>(thread.stopped.rip);
  switch (cause.vector) {
    case sgx::vector::kPageFault:
      info.si_code = is_mapped(cause.address) ? SEGV_ACCERR : SEGV_MAPERR;
      info.si_addr = reinterpret_cast<void*>(cause.address);
      break;
    case sgx::vector::kDivideError:
      info.si_code = FPE_INTDIV;
      info.si_addr = rip;
      break;
    case sgx::vector::kX87:
      info.si_code = x87_code();
      info.si_addr = rip;
      break;
    case sgx::vector::kSimd:
      info.si_code = sse_code();
      info.si_addr = rip;
      break;
    case sgx::vector::kInvalidOpcode:
      info.si_code = ILL_ILLOPN;
      info.si_addr = rip;
      break;
    case sgx::vector::kBreakpoint:  // a fault inside an enclave, a trap outside
      info.si_code = SI_KERNEL;
      thread.stopped.rip += 1;
      break;
    case sgx::vector::kDebug:
      info.si_code = TRAP_TRACE;
      info.si_addr = rip;
      break;
    case sgx::vector::kAlignmentCheck:
      info.si_code = BUS_ADRALN;
      break;
    default:
      info.si_code = SI_KERNEL;
      break;
  }
  return info;
}

}  // namespace coffer::kernel::signals
