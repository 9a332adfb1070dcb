#include "enclave/kernel/core/crash.h"

#include <algorithm>
#include <atomic>
#include <cstring>

#include "boundary/crash.h"
#include "enclave/kernel/core/image.h"
#include "enclave/kernel/core/kernel.h"
#include "enclave/kernel/core/thread.h"
#include "enclave/kernel/syscalls/syscall.h"

namespace coffer::kernel {

namespace {

using boundary::CrashRecord;
using boundary::CrashRegister;

std::uint64_t& at(CrashRecord& record, CrashRegister name) {
  return record.registers[static_cast<std::uint32_t>(name)];
}

// The stack from below its red zone on, page by page, as far as it is the program's memory.
void copy_stack(CrashRecord& record, std::byte* place) {
  constexpr std::uint64_t kRedZone = 128;
  std::uint64_t from = at(record, CrashRegister::kRsp) - kRedZone;
  record.stack_begin = from;
  while (record.stack_size < boundary::kCrashStack) {
    const std::uint64_t piece =
        std::min<std::uint64_t>(SGX_PAGE_SIZE - from % SGX_PAGE_SIZE, boundary::kCrashStack - record.stack_size);
    if (!address_space().owns(from, piece) || !user_range(from, piece, false)) return;
    std::memcpy(place + record.stack_size, reinterpret_cast<const void*>(from), piece);
    record.stack_size += static_cast<std::uint32_t>(piece);
    from += piece;
  }
}

// A patched system call goes on in its thunk, which no symbol and no call-frame information knows: where that leads to.
std::uint64_t address_in_program(std::uint64_t address) {
  const std::uint64_t offset = address - enclave_base();
  if (offset - layout().thunk_offset >= layout().thunk_size) return address;
  const boundary::LayoutSite* found = nullptr;
  for (const auto& site : layout_table<boundary::LayoutSite>(layout().sites_table, layout().site_count)) {
    if (site.thunk <= offset && (found == nullptr || site.thunk > found->thunk)) found = &site;
  }
  return found == nullptr ? address : enclave_base() + found->site + found->length;
}

// The magic number last: a record without it is none.
void leave(CrashRecord& record, bool with_stack) {
  boundary::ExchangeArea* area = current_thread().exchange;
  if (area == nullptr) return;
  record.base = enclave_base();
  at(record, CrashRegister::kRip) = address_in_program(at(record, CrashRegister::kRip));
  record.thread = current_thread().thread_id;
  if (with_stack) copy_stack(record, area->data);
  record.magic = 0;
  CrashRecord* place = boundary::crash_place(area);
  std::memcpy(place, &record, sizeof(record));
  std::atomic_ref<std::uint64_t>(place->magic).store(boundary::kCrashMagic, std::memory_order_release);
}

}  // namespace

void record_fault(const sgx::GprArea& gpr, std::uint8_t vector, const sgx::ExInfo& info) {
  if (!is_debug_enclave()) return;
  CrashRecord record{};
  const std::uint64_t registers[boundary::kCrashRegisters] = {gpr.rax, gpr.rdx, gpr.rcx, gpr.rbx, gpr.rsi, gpr.rdi,
                                                              gpr.rbp, gpr.rsp, gpr.r8,  gpr.r9,  gpr.r10, gpr.r11,
                                                              gpr.r12, gpr.r13, gpr.r14, gpr.r15, gpr.rip};
  std::memcpy(record.registers, registers, sizeof(registers));
  record.rflags = gpr.rflags;
  record.vector = vector;
  const bool has_info = vector == sgx::vector::kPageFault || vector == sgx::vector::kGeneralProtection;
  record.fault_address = has_info ? info.address : 0;
  record.error_code = has_info ? info.error_code : 0;
  // A kernel that faulted may hold the locks that looking at memory takes.
  leave(record, is_program_code(gpr.rip, 1));
}

void record_death(const UserContext& registers, const TrapCause& cause) {
  if (!is_debug_enclave()) return;
  CrashRecord record{};
  const std::uint64_t values[boundary::kCrashRegisters] = {
      registers.rax, registers.rdx, registers.rcx, registers.rbx, registers.rsi, registers.rdi,
      registers.rbp, registers.rsp, registers.r8,  registers.r9,  registers.r10, registers.r11,
      registers.r12, registers.r13, registers.r14, registers.r15, registers.rip};
  std::memcpy(record.registers, values, sizeof(values));
  record.rflags = registers.rflags;
  const bool trapped = cause.vector != TrapCause::kNoTrap;
  record.vector = trapped ? cause.vector : boundary::kNoVector;
  record.error_code = trapped ? cause.error_code : 0;
  record.fault_address = trapped ? cause.address : 0;
  leave(record, true);
}

std::uint64_t visible_address(std::uint64_t address) {
  constexpr std::uint64_t kPageMask = SGX_PAGE_SIZE - 1;
  return is_debug_enclave() ? address : address & ~kPageMask;
}

}  // namespace coffer::kernel
