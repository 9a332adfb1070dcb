#include "processor/entry.h"

#include <cpuid.h>
#include <immintrin.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstring>
#include <utility>

#include "processor/lanes.h"

extern "C" {
void coffer_enter(coffer::processor::Lane* lane);
void coffer_resume(coffer::processor::Lane* lane);
}

namespace coffer::processor {

using sgx::kPageSize;
using sgx::SecinfoFlags;

namespace {

std::uint64_t read_xcr0() {
  std::uint32_t low = 0;
  std::uint32_t high = 0;
  asm volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return std::uint64_t{high} << 32 | low;
}

struct SsaFrame {
  std::byte* xsave;
  sgx::GprArea* gpr;
  std::uint64_t offset, size;
};

SsaFrame ssa_frame(const SoftEnclave& enclave, const ThreadState& thread, std::uint32_t index) {
  const std::uint64_t size = std::uint64_t{enclave.secs().ssa_frame_size} * kPageSize;
  const std::uint64_t offset = thread.tcs.ssa_offset + index * size;
  auto* begin = reinterpret_cast<std::byte*>(enclave.base() + offset);
  return {begin, reinterpret_cast<sgx::GprArea*>(begin + size - sizeof(sgx::GprArea)), offset, size};
}

// Takes the TCS for this thread, or says why not.
LeafOutcome claim(SoftEnclave& enclave, std::uint64_t tcs_offset, ThreadState** claimed) {
  if (tcs_offset % kPageSize != 0 || !enclave.initialised()) return general_protection();
  ThreadState* thread = enclave.thread_at(tcs_offset);
  if (thread == nullptr) return page_fault(enclave.base() + tcs_offset);
  bool expected = false;
  if (!thread->busy.compare_exchange_strong(expected, true, std::memory_order_acquire)) return general_protection();
  *claimed = thread;
  return {};
}

void prepare_lane(Lane& lane, SoftEnclave& enclave, ThreadState& thread) {
  lane.enclave = &enclave;
  lane.thread = &thread;
  lane.exit_kind = ExitKind::kNone;
  lane.tcs_address = enclave.base() + thread.offset;
  lane.xsave_mask = enclave.secs().attributes.xfrm;
  thread.lane = &lane;
}

EnterOutcome finish(Lane& lane, ThreadState& thread, Registers& registers) {
  EnterOutcome outcome;
  outcome.kind = lane.exit_kind;
  outcome.exception = lane.exception;
  if (outcome.kind == ExitKind::kExit) registers = lane.registers;
  thread.lane = nullptr;
  lane.thread = nullptr;
  thread.busy.store(false, std::memory_order_release);
  return outcome;
}

EnterOutcome give_up(ThreadState& thread, LeafOutcome why) {
  thread.busy.store(false, std::memory_order_release);
  return {.leaf = why, .kind = ExitKind::kNone, .exception = {}};
}

// Copies the frame that ERESUME restores into the lane, with what no enclave may choose made safe: privileged flags,
// reserved XSAVE bits.
void load_frame(Lane& lane, const SsaFrame& frame) {
  sgx::GprArea gpr;
  std::memcpy(&gpr, frame.gpr, sizeof(gpr));
  const std::uint64_t general[16] = {gpr.rax, gpr.rcx, gpr.rdx, gpr.rbx, gpr.rbp, gpr.rsi, gpr.rdi, gpr.r8,
                                     gpr.r9,  gpr.r10, gpr.r11, gpr.r12, gpr.r13, gpr.r14, gpr.r15, 0};
  std::memcpy(lane.resume_gpr, general, sizeof(general));
  constexpr std::uint64_t kUserFlags = 0xcd5 | 0x40000;  // CF PF AF ZF SF DF OF, AC
  std::uint64_t code_segment = 0;
  std::uint64_t stack_segment = 0;
  asm("mov %%cs, %0\n\tmov %%ss, %1" : "=r"(code_segment), "=r"(stack_segment));
  lane.iret_frame[0] = gpr.rip;
  lane.iret_frame[1] = code_segment & 0xffff;
  lane.iret_frame[2] = (gpr.rflags & kUserFlags) | 0x202;
  lane.iret_frame[3] = gpr.rsp;
  lane.iret_frame[4] = stack_segment & 0xffff;
  lane.enclave_fs = gpr.fs_base;
  lane.enclave_gs = gpr.gs_base;

  std::memcpy(lane.xsave, frame.xsave, xsave_area_size(lane.xsave_mask));
  std::uint32_t mxcsr = 0;
  std::memcpy(&mxcsr, lane.xsave + 24, 4);
  mxcsr &= 0xffff;
  std::memcpy(lane.xsave + 24, &mxcsr, 4);
  std::uint64_t header[8] = {};
  std::memcpy(header, lane.xsave + 512, 8);
  header[0] &= lane.xsave_mask;
  std::memcpy(lane.xsave + 512, header, sizeof(header));
}

bool canonical(std::uint64_t address) {
  const auto top = static_cast<std::int64_t>(address) >> 47;
  return top == 0 || top == -1;
}

}  // namespace

std::uint64_t machine_xfrm() {
  static const std::uint64_t mask = read_xcr0() & (sgx::xfrm::kLegacy | sgx::xfrm::kAvx | sgx::xfrm::kAvx512);
  return mask;
}

std::size_t xsave_area_size(std::uint64_t xfrm) {
  static const auto sizes = [] {
    std::array<std::size_t, 10> ends{};
    for (unsigned component = 2; component < ends.size(); ++component) {
      unsigned size = 0, offset = 0, c = 0, d = 0;
      __cpuid_count(0xd, component, size, offset, c, d);
      ends[component] = size + offset;
    }
    return ends;
  }();
  std::size_t end = 576;  // legacy area and header
  for (unsigned component = 2; component < sizes.size(); ++component) {
    if ((xfrm >> component & 1) != 0 && sizes[component] > end) end = sizes[component];
  }
  return end;
}

EnterOutcome eenter(SoftEnclave& enclave, std::uint64_t tcs_offset, Registers& registers) {
  ThreadState* thread = nullptr;
  if (auto taken = claim(enclave, tcs_offset, &thread); !taken.ok()) return {.leaf = taken};
  const sgx::Tcs& tcs = thread->tcs;
  const std::uint64_t fs_base = enclave.base() + tcs.fs_offset;
  const std::uint64_t gs_base = enclave.base() + tcs.gs_offset;
  if (tcs.current_ssa >= tcs.ssa_count || tcs.entry_offset >= enclave.size() || !canonical(fs_base) ||
      !canonical(gs_base)) {
    return give_up(*thread, general_protection());
  }
  const SsaFrame frame = ssa_frame(enclave, *thread, tcs.current_ssa);
  if (!enclave.pages_allow(frame.offset, frame.size, SecinfoFlags::kR | SecinfoFlags::kW)) {
    return give_up(*thread, page_fault(enclave.base() + frame.offset));
  }
  Lane* lane = this_lane();
  if (lane == nullptr) return give_up(*thread, general_protection());
  prepare_lane(*lane, enclave, *thread);
  lane->cssa = tcs.current_ssa;
  lane->ssa_gpr = frame.gpr;
  lane->entry = enclave.base() + tcs.entry_offset;
  lane->enclave_fs = thread->left_fs != 0 ? std::exchange(thread->left_fs, 0) : fs_base;
  lane->enclave_gs = gs_base;
  lane->registers = registers;
  coffer_enter(lane);
  return finish(*lane, *thread, registers);
}

EnterOutcome eresume(SoftEnclave& enclave, std::uint64_t tcs_offset, Registers& registers) {
  ThreadState* thread = nullptr;
  if (auto taken = claim(enclave, tcs_offset, &thread); !taken.ok()) return {.leaf = taken};
  sgx::Tcs& tcs = thread->tcs;
  if (tcs.current_ssa == 0) return give_up(*thread, general_protection());
  const SsaFrame frame = ssa_frame(enclave, *thread, tcs.current_ssa - 1);
  if (!enclave.pages_allow(frame.offset, frame.size, SecinfoFlags::kR | SecinfoFlags::kW)) {
    return give_up(*thread, page_fault(enclave.base() + frame.offset));
  }
  Lane* lane = this_lane();
  if (lane == nullptr) return give_up(*thread, general_protection());
  prepare_lane(*lane, enclave, *thread);
  load_frame(*lane, frame);
  if (!canonical(lane->iret_frame[0]) || !canonical(lane->enclave_fs) || !canonical(lane->enclave_gs)) {
    thread->lane = nullptr;
    return give_up(*thread, general_protection());
  }
  --tcs.current_ssa;
  coffer_resume(lane);
  return finish(*lane, *thread, registers);
}

LeafOutcome run_leaf(SoftEnclave& enclave, const LeafOperands& operands) {
  switch (operands.rax) {
    case SGX_ENCLU_EREPORT:
      return enclave.ereport(operands.rbx, operands.rcx, operands.rdx);
    case SGX_ENCLU_EGETKEY:
      return enclave.egetkey(operands.rbx, operands.rcx);
    case SGX_ENCLU_EACCEPT:
      return enclave.eaccept(operands.rbx, operands.rcx, 1);
    case kBulkAccept:
      return enclave.eaccept(operands.rbx, operands.rcx, operands.rdx);
    default:
      return general_protection();
  }
}

// Called by the gate on the host's stack with host segments. A leaf that faults is reported to the kernel's own stub as
// an error beyond the architecture's codes, because a patched site has no instruction to fault on.
extern "C" std::uint64_t coffer_gate_leaf(Lane* lane, const LeafOperands* operands) {
  constexpr std::uint64_t kFaulted = ~std::uint64_t{0};
  const LeafOutcome outcome = run_leaf(*lane->enclave, *operands);
  return outcome.fault == LeafOutcome::Fault::kNone ? static_cast<std::uint64_t>(outcome.error) : kFaulted;
}

bool interrupt_thread(SoftEnclave& enclave, std::uint64_t tcs_offset) {
  ThreadState* thread = enclave.thread_at(tcs_offset);
  if (thread == nullptr || !thread->busy.load(std::memory_order_acquire)) return false;
  Lane* lane = thread->lane;
  if (lane == nullptr) return false;
  return ::syscall(SYS_tgkill, ::getpid(), lane->thread_id, interrupt_signal()) == 0;
}

}  // namespace coffer::processor
