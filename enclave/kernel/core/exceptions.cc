// Exceptions of enclave code: what the processor left in the SSA is looked at on the exception stack, at CSSA 1.
//
// Little is done here, and nothing that takes a lock or leaves. A page fault in memory that may be committed is
// committed; CPUID is answered; a `syscall` instruction that trapped is changed into a jump to the system-call entry,
// so that the call itself is served at CSSA 0 as any other. What is a signal of the application moves the application's
// registers into the thread's block, and lets the kernel go on at CSSA 0, where delivery.cc does the rest.
#include <algorithm>
#include <cstring>

#include "boundary/calls.h"
#include "enclave/kernel/core/crash.h"
#include "enclave/kernel/core/image.h"
#include "enclave/kernel/core/kernel.h"
#include "enclave/kernel/core/thread.h"
#include "enclave/kernel/signals/pending.h"
#include "enclave/kernel/signals/trap_info.h"
#include "enclave/kernel/support/cpuid.h"
#include "sgx/arch.h"

extern "C" {
void coffer_syscall_entry();
void coffer_trap_entry();
extern const char coffer_leave_begin[];
extern const char coffer_leave_end[];
extern const char coffer_resume_point[];
extern const char __kernel_end[];
}

namespace coffer::kernel {

using boundary::Request;

namespace {

struct Reply {  // entry.S passes it on in RDI, RSI, RDX, R8
  std::uint64_t request, a, b, c;
};

bool redirect_syscall(sgx::GprArea& gpr) {
  constexpr std::uint8_t kSyscall[] = {0x0f, 0x05};
  if (!is_program_code(gpr.rip, sizeof(kSyscall))) return false;
  if (std::memcmp(reinterpret_cast<const void*>(gpr.rip), kSyscall, sizeof(kSyscall)) != 0) return false;
  gpr.rcx = gpr.rip + sizeof(kSyscall);
  gpr.r11 = gpr.rflags;
  gpr.rip = reinterpret_cast<std::uint64_t>(&coffer_syscall_entry);
  return true;
}

// Where the program has CPUID. A UD2 counts where the measured layout says that the instruction is a CPUID: a software
// rung may have put it there, so that CPUID is #UD as on hardware. Any other UD2 is the program's own.
bool is_program_cpuid(std::uint64_t rip) {
  constexpr std::uint8_t kCpuid[] = {0x0f, 0xa2};
  constexpr std::uint8_t kUd2[] = {0x0f, 0x0b};
  if (!is_program_code(rip, sizeof(kCpuid))) return false;
  if (std::memcmp(reinterpret_cast<const void*>(rip), kCpuid, sizeof(kCpuid)) == 0) return true;
  if (std::memcmp(reinterpret_cast<const void*>(rip), kUd2, sizeof(kUd2)) != 0) return false;
  const auto sites = layout_table<std::uint64_t>(layout().cpuid_table, layout().cpuid_count);
  return std::ranges::binary_search(sites, rip - enclave_base());
}

bool answer_cpuid(sgx::GprArea& gpr) {
  constexpr std::uint64_t kLength = 2;
  if (!is_kernel_cpuid(gpr.rip) && !is_program_cpuid(gpr.rip)) return false;
  const CpuidRegisters answer = trapped_cpuid(static_cast<std::uint32_t>(gpr.rax), static_cast<std::uint32_t>(gpr.rcx));
  gpr.rax = answer.eax, gpr.rbx = answer.ebx, gpr.rcx = answer.ecx, gpr.rdx = answer.edx;
  gpr.rip += kLength;
  return true;
}

AddressSpace::FaultResult handle_page_fault(const sgx::ExInfo& info) {
  constexpr std::uint32_t kWrite = 2;
  constexpr std::uint32_t kFetch = 16;
  if ((info.error_code & kFetch) != 0) return AddressSpace::FaultResult::kProtection;
  return address_space().handle_fault(info.address, (info.error_code & kWrite) != 0);
}

std::uint64_t address_of(const char* symbol) { return reinterpret_cast<std::uint64_t>(symbol); }
bool in_kernel(std::uint64_t rip) { return rip >= enclave_base() && rip < address_of(__kernel_end); }
// The end of the thread's kernel stack, which is empty while the application runs.
std::uint64_t kernel_stack_end(const ThreadControl& thread) { return reinterpret_cast<std::uint64_t>(&thread); }
constexpr std::uint64_t kCleanFlags = 2;

bool has_signals(const ThreadControl& thread) {
  return (signals::pending_for(thread) & ~thread.signal_mask.load()) != 0;
}

void continue_in_kernel(sgx::GprArea& gpr, std::uint64_t rip, std::uint64_t rsp) {
  gpr.rip = rip;
  gpr.rsp = rsp;
  gpr.rflags = kCleanFlags;
}
void continue_at_trap_entry(const ThreadControl& thread, sgx::GprArea& gpr) {
  continue_in_kernel(gpr, reinterpret_cast<std::uint64_t>(&coffer_trap_entry), kernel_stack_end(thread));
}

// The application's registers go to the thread's block, and the kernel goes on with the cause.
void stop_application(ThreadControl& thread, sgx::GprArea& gpr, const TrapCause& cause) {
  thread.stopped = user_context(gpr);
  thread.cause = cause;
  continue_at_trap_entry(thread, gpr);
}

// coffer_resume_context(): the other direction.
void resume_application(ThreadControl& thread, sgx::GprArea& gpr) {
  if (has_signals(thread)) {  // that came since the kernel looked
    thread.cause = {};
    return continue_at_trap_entry(thread, gpr);
  }
  const UserContext& c = thread.stopped;
  gpr.rax = c.rax, gpr.rcx = c.rcx, gpr.rdx = c.rdx, gpr.rbx = c.rbx;
  gpr.rsp = c.rsp, gpr.rbp = c.rbp, gpr.rsi = c.rsi, gpr.rdi = c.rdi;
  gpr.r8 = c.r8, gpr.r9 = c.r9, gpr.r10 = c.r10, gpr.r11 = c.r11;
  gpr.r12 = c.r12, gpr.r13 = c.r13, gpr.r14 = c.r14, gpr.r15 = c.r15;
  gpr.rflags = c.rflags;
  gpr.rip = c.rip;
}

// Somebody wants this thread to look at its signals. In the kernel it does so on its way out, wherever that was.
void look_at_signals(ThreadControl& thread, sgx::GprArea& gpr) {
  if (!has_signals(thread)) return;
  if (!in_kernel(gpr.rip)) return stop_application(thread, gpr, {});
  if (gpr.rip > address_of(coffer_leave_begin) && gpr.rip < address_of(coffer_leave_end)) {
    continue_in_kernel(gpr, address_of(coffer_leave_begin), kernel_stack_end(thread) - FRAME_SIZE);
  }
}

}  // namespace

extern "C" void coffer_exception(std::uint64_t tcs, std::uint64_t cssa, Reply* reply) {
  *reply = {static_cast<std::uint64_t>(Request::kResume), 0, 0, 0};
  auto* frame = reinterpret_cast<std::byte*>(tcs + boundary::kThreadSsaOffset + (cssa - 1) * SGX_PAGE_SIZE);
  auto* gpr = reinterpret_cast<sgx::GprArea*>(frame + SGX_PAGE_SIZE - sizeof(sgx::GprArea));
  const auto* info = reinterpret_cast<const sgx::ExInfo*>(reinterpret_cast<std::byte*>(gpr) - sizeof(sgx::ExInfo));
  const std::uint32_t exit_info = gpr->exit_info;
  ThreadControl& thread = current_thread();
  if ((exit_info & sgx::exit_info::kValid) == 0) {  // an interrupt
    if (cssa == 1) look_at_signals(thread, *gpr);
    return;
  }
  // Served once: a host that comes again without ERESUME finds nothing to do.
  gpr->exit_info = 0;
  const auto vector = static_cast<std::uint8_t>(exit_info & 0xff);
  const int signal = signals::signal_of(vector);
  const bool has_address = vector == sgx::vector::kPageFault;
  if (cssa == 1) {
    if (vector == sgx::vector::kInvalidOpcode && gpr->rip == address_of(coffer_resume_point)) {
      return resume_application(thread, *gpr);
    }
    if (vector == sgx::vector::kInvalidOpcode && (redirect_syscall(*gpr) || answer_cpuid(*gpr))) return;
    bool reclaims = false;
    if (has_address) {
      const AddressSpace::FaultResult result = handle_page_fault(*info);
      if (result == AddressSpace::FaultResult::kCommitted) return;
      // Only the kernel itself, which may ask the host, can give pages back that nobody has, and then try again.
      reclaims = result == AddressSpace::FaultResult::kOutOfMemory && address_space().can_reclaim();
    }
    if (!in_kernel(gpr->rip) && (reclaims || signals::handled_by(thread, signal))) {
      const bool has_code = has_address || vector == sgx::vector::kGeneralProtection;
      return stop_application(thread, *gpr,
                              {.vector = vector,
                               .error_code = has_code ? info->error_code : 0,
                               .address = has_address ? info->address : 0,
                               .out_of_memory = reclaims});
    }
  }
  record_fault(*gpr, vector, *info);
  *reply = {static_cast<std::uint64_t>(Request::kUnhandled), static_cast<std::uint64_t>(signal),
            visible_address(gpr->rip) - enclave_base(), has_address ? visible_address(info->address) : 0};
}

}  // namespace coffer::kernel
