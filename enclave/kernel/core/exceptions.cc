// Exceptions of enclave code: what the processor left in the SSA is looked at on the exception stack, at CSSA 1.
//
// Little is done here. A page fault in memory that may be committed is committed; a `syscall` instruction that trapped
// is changed into a jump to the system-call entry, so that the call itself is served at CSSA 0 as any other.
#include <cstring>

#include "boundary/calls.h"
#include "enclave/kernel/core/image.h"
#include "enclave/kernel/core/kernel.h"
#include "enclave/kernel/core/thread.h"
#include "sgx/arch.h"

extern "C" void coffer_syscall_entry();

namespace coffer::kernel {

using boundary::Request;

namespace {

struct Reply {  // entry.S passes it on in RDI, RSI, RDX, R8
  std::uint64_t request, a, b, c;
};

constexpr int kSigill = 4, kSigtrap = 5, kSigfpe = 8, kSigsegv = 11;

int signal_of(std::uint8_t vector) {
  switch (vector) {
    case sgx::vector::kInvalidOpcode:
      return kSigill;
    case sgx::vector::kBreakpoint:
    case sgx::vector::kDebug:
      return kSigtrap;
    case sgx::vector::kDivideError:
    case sgx::vector::kX87:
    case sgx::vector::kSimd:
      return kSigfpe;
    default:
      return kSigsegv;
  }
}

bool redirect_syscall(sgx::GprArea& gpr) {
  constexpr std::uint8_t kSyscall[] = {0x0f, 0x05};
  if (!is_program_code(gpr.rip, sizeof(kSyscall))) return false;
  if (std::memcmp(reinterpret_cast<const void*>(gpr.rip), kSyscall, sizeof(kSyscall)) != 0) return false;
  gpr.rcx = gpr.rip + sizeof(kSyscall);
  gpr.r11 = gpr.rflags;
  gpr.rip = reinterpret_cast<std::uint64_t>(&coffer_syscall_entry);
  return true;
}

bool handle_page_fault(const sgx::ExInfo& info) {
  constexpr std::uint32_t kWrite = 2;
  constexpr std::uint32_t kFetch = 16;
  if ((info.error_code & kFetch) != 0) return false;
  return address_space().handle_fault(info.address, (info.error_code & kWrite) != 0) ==
         AddressSpace::FaultResult::kCommitted;
}

}  // namespace

extern "C" void coffer_exception(std::uint64_t tcs, std::uint64_t cssa, Reply* reply) {
  *reply = {static_cast<std::uint64_t>(Request::kResume), 0, 0, 0};
  auto* frame = reinterpret_cast<std::byte*>(tcs + boundary::kThreadSsaOffset + (cssa - 1) * SGX_PAGE_SIZE);
  auto* gpr = reinterpret_cast<sgx::GprArea*>(frame + SGX_PAGE_SIZE - sizeof(sgx::GprArea));
  const auto* info = reinterpret_cast<const sgx::ExInfo*>(reinterpret_cast<std::byte*>(gpr) - sizeof(sgx::ExInfo));
  const std::uint32_t exit_info = gpr->exit_info;
  if ((exit_info & sgx::exit_info::kValid) == 0) return;  // an interrupt: nothing to do but go on
  // Served once: a host that comes again without ERESUME finds nothing to do.
  gpr->exit_info = 0;
  const auto vector = static_cast<std::uint8_t>(exit_info & 0xff);
  if (cssa == 1) {
    if (vector == sgx::vector::kInvalidOpcode && redirect_syscall(*gpr)) return;
    if (vector == sgx::vector::kPageFault && handle_page_fault(*info)) return;
  }
  *reply = {static_cast<std::uint64_t>(Request::kUnhandled), static_cast<std::uint64_t>(signal_of(vector)),
            gpr->rip - enclave_base(), vector == sgx::vector::kPageFault ? info->address : 0};
}

}  // namespace coffer::kernel
