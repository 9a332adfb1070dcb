#include "processor/entry.h"

#include <cpuid.h>
#include <immintrin.h>
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "base/clock.h"
#include "processor/lanes.h"

extern "C" {
void coffer_enter(coffer::processor::Lane* lane);
void coffer_resume(coffer::processor::Lane* lane);
void coffer_serve_turns(coffer::processor::Lane* lane);
}

namespace coffer::processor {

using sgx::kPageSize;

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
};

SsaFrame ssa_frame(const SoftEnclave& enclave, const ThreadState& thread, std::uint32_t index) {
  auto* begin = reinterpret_cast<std::byte*>(enclave.base() + enclave.frame_offset(thread, index));
  return {begin, reinterpret_cast<sgx::GprArea*>(begin + enclave.frame_size() - sizeof(sgx::GprArea))};
}

// AEX-Notify must be what the enclave was made with, except for a thread that a debugger opted in.
bool entry_mode_agrees(const SoftEnclave& enclave, const sgx::Tcs& tcs) {
  const bool enclave_notifies = (enclave.secs().attributes.flags & sgx::attribute::kAexNotify) != 0;
  const bool thread_notifies = (tcs.flags & sgx::tcs_flag::kAexNotify) != 0;
  return (tcs.flags & sgx::tcs_flag::kDebugOptIn) != 0 || enclave_notifies == thread_notifies;
}

// Takes the TCS for this thread, or says why not.
LeafOutcome claim(SoftEnclave& enclave, std::uint64_t tcs_offset, ThreadState** claimed) {
  if (tcs_offset % kPageSize != 0 || !enclave.initialised()) return general_protection();
  ThreadState* thread = enclave.thread_at(tcs_offset);
  if (thread == nullptr) return page_fault(enclave.base() + tcs_offset);
  bool expected = false;
  if (!thread->busy.compare_exchange_strong(expected, true)) return general_protection();
  // Whoever changes pages either sees this thread inside or has changed them before the checks that follow.
  thread->entered_epoch.store(enclave.epoch(), std::memory_order_relaxed);
  LeafOutcome refused;
  if (!thread->valid) {
    refused = page_fault(enclave.base() + tcs_offset);
  } else if (!thread->well_formed || !entry_mode_agrees(enclave, thread->tcs)) {
    refused = general_protection();
  } else {
    *claimed = thread;
    return {};
  }
  thread->busy.store(false, std::memory_order_release);
  return refused;
}

void prepare_lane(Lane& lane, SoftEnclave& enclave, ThreadState& thread) {
  lane.enclave = &enclave;
  lane.thread = &thread;
  lane.at_entry = false;
  lane.raw = false;
  lane.exit_kind = ExitKind::kNone;
  lane.tcs_address = enclave.base() + thread.offset;
  lane.xsave_mask = enclave.secs().attributes.xfrm;
  thread.lane.store(&lane, std::memory_order_release);
}

EnterOutcome finish(Lane& lane, Registers& registers) {
  EnterOutcome outcome;
  outcome.kind = lane.exit_kind;
  outcome.exception = lane.exception;
  if (outcome.kind == ExitKind::kExit) registers = lane.registers;
  end_entry(lane);
  return outcome;
}

EnterOutcome give_up(ThreadState& thread, LeafOutcome why) {
  thread.busy.store(false, std::memory_order_release);
  return {.leaf = why, .kind = ExitKind::kNone, .exception = {}};
}

bool opted_in(const Lane& lane) {
  return lane.enclave->debug() && (lane.thread->tcs.flags & sgx::tcs_flag::kDebugOptIn) != 0;
}

// Copies the frame that ERESUME restores into the lane, with what no enclave may choose made safe: privileged flags,
// reserved XSAVE bits.
void load_frame(Lane& lane, const SsaFrame& frame) {
  sgx::GprArea gpr;
  std::memcpy(&gpr, frame.gpr, sizeof(gpr));
  const std::uint64_t general[16] = {gpr.rax, gpr.rcx, gpr.rdx, gpr.rbx, gpr.rbp, gpr.rsi, gpr.rdi, gpr.r8,
                                     gpr.r9,  gpr.r10, gpr.r11, gpr.r12, gpr.r13, gpr.r14, gpr.r15, 0};
  std::memcpy(lane.resume_gpr, general, sizeof(general));
  // CF PF AF ZF SF DF OF, AC; a debugger that opted in may single-step.
  constexpr std::uint64_t kTrapFlag = 0x100;
  const std::uint64_t kUserFlags = 0xcd5 | 0x40000 | (opted_in(lane) ? kTrapFlag : 0);
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

namespace {

// EENTER's second half, which ERESUME shares where it notifies: the checks of the current frame. On success *ready is
// all but its registers; where it fails, the TCS is free again.
LeafOutcome prepare_entry(SoftEnclave& enclave, ThreadState& thread, Lane** ready) {
  const sgx::Tcs& tcs = thread.tcs;
  const std::uint64_t fs_base = enclave.base() + tcs.fs_offset;
  const std::uint64_t gs_base = enclave.base() + tcs.gs_offset;
  if (tcs.current_ssa >= tcs.ssa_count || tcs.entry_offset >= enclave.size() || !canonical(fs_base) ||
      !canonical(gs_base)) {
    return give_up(thread, general_protection()).leaf;
  }
  if (!enclave.frame_usable(thread, tcs.current_ssa)) {
    return give_up(thread, page_fault(enclave.base() + enclave.frame_offset(thread, tcs.current_ssa))).leaf;
  }
  Lane* lane = this_lane();
  if (lane == nullptr) return give_up(thread, general_protection()).leaf;
  prepare_lane(*lane, enclave, thread);
  lane->cssa = tcs.current_ssa;
  lane->ssa_gpr = ssa_frame(enclave, thread, tcs.current_ssa).gpr;
  lane->entry = enclave.base() + tcs.entry_offset;
  lane->enclave_fs = thread.left_fs != 0 ? std::exchange(thread.left_fs, 0) : fs_base;
  lane->enclave_gs = gs_base;
  lane->at_entry = true;
  *ready = lane;
  return {};
}

EnterOutcome start_at_entry(SoftEnclave& enclave, ThreadState& thread, Registers& registers) {
  Lane* lane = nullptr;
  if (auto prepared = prepare_entry(enclave, thread, &lane); !prepared.ok()) return {.leaf = prepared};
  lane->registers = registers;
  coffer_enter(lane);
  return finish(*lane, registers);
}

}  // namespace

void end_entry(Lane& lane) {
  ThreadState& thread = *lane.thread;
  thread.lane.store(nullptr, std::memory_order_relaxed);
  lane.thread = nullptr;
  thread.busy.store(false, std::memory_order_release);
}

LeafOutcome begin_enter(SoftEnclave& enclave, std::uint64_t tcs_offset, Lane** lane) {
  ThreadState* thread = nullptr;
  if (auto taken = claim(enclave, tcs_offset, &thread); !taken.ok()) return taken;
  return prepare_entry(enclave, *thread, lane);
}

EnterOutcome eenter(SoftEnclave& enclave, std::uint64_t tcs_offset, Registers& registers) {
  ThreadState* thread = nullptr;
  if (auto taken = claim(enclave, tcs_offset, &thread); !taken.ok()) return {.leaf = taken};
  return start_at_entry(enclave, *thread, registers);
}

ServeEnd serve_turns(SoftEnclave& enclave, std::uint64_t tcs_offset, boundary::Slot& slot, std::uint64_t polls,
                     std::uint64_t* served, EnterOutcome* left, Registers& registers) {
  *served = 0;
  const std::uint64_t generation = enclave.page_generation();
  Lane* lane = nullptr;
  ThreadState* claimed = nullptr;
  if (!claim(enclave, tcs_offset, &claimed).ok()) return ServeEnd::kRefused;
  ThreadState& thread = *claimed;
  if (!prepare_entry(enclave, thread, &lane).ok()) return ServeEnd::kRefused;
  const bool usual = lane->cssa == 0;
  if (usual) {
    lane->slot = &slot;
    lane->generation_now = &enclave.page_generation();
    lane->generation = generation;
    lane->polls = polls;
    lane->turns = 0;
  }
  // Free until a turn comes.
  thread.lane.store(nullptr, std::memory_order_relaxed);
  thread.left_fs = lane->enclave_fs;
  thread.busy.store(false, std::memory_order_release);
  if (!usual) return ServeEnd::kRefused;
  coffer_serve_turns(lane);
  lane->slot = nullptr;
  *served = lane->turns;
  if (lane->serve_end == ServeEnd::kLeft) *left = finish(*lane, registers);
  lane->thread = nullptr;
  return lane->serve_end;
}

LeafOutcome begin_resume(SoftEnclave& enclave, std::uint64_t tcs_offset, Lane** ready) {
  ThreadState* thread = nullptr;
  if (auto taken = claim(enclave, tcs_offset, &thread); !taken.ok()) return taken;
  sgx::Tcs& tcs = thread->tcs;
  if (tcs.current_ssa == 0) return give_up(*thread, general_protection()).leaf;
  if (!enclave.frame_usable(*thread, tcs.current_ssa - 1)) {
    return give_up(*thread, page_fault(enclave.base() + enclave.frame_offset(*thread, tcs.current_ssa - 1))).leaf;
  }
  const SsaFrame frame = ssa_frame(enclave, *thread, tcs.current_ssa - 1);
  // AEX-Notify: the enclave hears of the exit first, at its entry, and goes on by itself (EDECCSSA).
  const bool notify = (tcs.flags & sgx::tcs_flag::kAexNotify) != 0 && (frame.gpr->aex_notify & 1) != 0;
  if (notify) return prepare_entry(enclave, *thread, ready);
  Lane* lane = this_lane();
  if (lane == nullptr) return give_up(*thread, general_protection()).leaf;
  prepare_lane(*lane, enclave, *thread);
  load_frame(*lane, frame);
  if (!canonical(lane->iret_frame[0]) || !canonical(lane->enclave_fs) || !canonical(lane->enclave_gs)) {
    thread->lane.store(nullptr, std::memory_order_relaxed);
    return give_up(*thread, general_protection()).leaf;
  }
  set_cssa(tcs, tcs.current_ssa - 1);
  lane->ssa_gpr = frame.gpr;
  *ready = lane;
  return {};
}

bool bring_frame(const SoftEnclave& enclave, const LeafOutcome& outcome) {
  PageSupply* supply = enclave.supply();
  if (outcome.fault != LeafOutcome::Fault::kPageFault || supply == nullptr ||
      !enclave.contains(outcome.fault_address, enclave.frame_size())) {
    return false;
  }
  const std::uint64_t frame = outcome.fault_address - enclave.base();
  for (std::uint64_t offset = frame; offset < frame + enclave.frame_size(); offset += kPageSize) {
    constexpr std::uint8_t kNeeded = sgx::SecinfoFlags::kR | sgx::SecinfoFlags::kW;
    if (!enclave.host_allows(offset, kNeeded) ||
        supply->resolve({.offset = offset, .permissions = kNeeded}) != FaultAnswer::kRetry) {
      return false;
    }
  }
  return true;
}

EnterOutcome eresume(SoftEnclave& enclave, std::uint64_t tcs_offset, Registers& registers) {
  Lane* lane = nullptr;
  if (auto begun = begin_resume(enclave, tcs_offset, &lane); !begun.ok()) return {.leaf = begun};
  lane->registers = registers;
  if (lane->at_entry) {
    coffer_enter(lane);
  } else {
    coffer_resume(lane);
  }
  return finish(*lane, registers);
}

// EDECCSSA (SDM 3D 40.4): the frame below becomes the current one, as if it had just been entered from.
static LeafOutcome edeccssa(const SoftEnclave& enclave, ThreadState& thread) {
  if (thread.tcs.current_ssa == 0) return general_protection();
  const std::uint32_t below = thread.tcs.current_ssa - 1;
  if (!enclave.frame_usable(thread, below)) return page_fault(enclave.base() + enclave.frame_offset(thread, below));
  set_cssa(thread.tcs, below);
  return {};
}

bool leaf_has_result(std::uint64_t leaf) {
  return leaf == SGX_ENCLU_EGETKEY || leaf == SGX_ENCLU_EACCEPT || leaf == SGX_ENCLU_EACCEPTCOPY;
}

static LeafOutcome run_once(Lane& lane, const LeafOperands& operands) {
  SoftEnclave& enclave = *lane.enclave;
  switch (operands.rax) {
    case SGX_ENCLU_EREPORT:
      return enclave.ereport(operands.rbx, operands.rcx, operands.rdx);
    case SGX_ENCLU_EGETKEY:
      return enclave.egetkey(operands.rbx, operands.rcx);
    case SGX_ENCLU_EACCEPT:
      return enclave.eaccept(operands.rbx, operands.rcx, 1);
    case SGX_ENCLU_EMODPE:
      return enclave.emodpe(operands.rbx, operands.rcx, 1);
    case SGX_ENCLU_EACCEPTCOPY:
      return enclave.eacceptcopy(operands.rbx, operands.rcx, operands.rdx);
    case SGX_ENCLU_EDECCSSA:
      return edeccssa(enclave, *lane.thread);
    case kBulkAccept:
      return enclave.eaccept(operands.rbx, operands.rcx, operands.rdx);
    case kBulkExtend:
      return enclave.emodpe(operands.rbx, operands.rcx, operands.rdx);
    default:
      return general_protection();
  }
}

// What the driver has to know of a leaf's page fault. A leaf over many pages is taken up where it stopped: what it has
// accepted is not pending any more.
static PageFault describe(const SoftEnclave& enclave, const LeafOutcome& outcome, LeafOperands& operands) {
  const std::uint64_t address = outcome.fault_address;
  PageFault fault{.offset = (address - enclave.base()) & ~(kPageSize - 1), .unseen = outcome.unseen};
  const bool bulk = operands.rax == kBulkAccept || operands.rax == kBulkExtend;
  const std::uint64_t count = bulk ? operands.rdx : 1;
  const bool accepts = operands.rax == SGX_ENCLU_EACCEPT || operands.rax == SGX_ENCLU_EACCEPTCOPY;
  if ((!bulk && !accepts) || address % kPageSize != 0 || address - operands.rcx >= count * kPageSize) return fault;
  const std::uint64_t before = (address - operands.rcx) / kPageSize;
  if (operands.rax != kBulkExtend) {
    fault.grow = static_cast<std::uint32_t>(std::min<std::uint64_t>(count - before, ~std::uint32_t{0}));
  }
  if (bulk) {
    operands.rcx = address;
    operands.rdx -= before;
  }
  return fault;
}

LeafOutcome run_leaf(Lane& lane, const LeafOperands& operands) {
  SoftEnclave& enclave = *lane.enclave;
  // A page that is there all the same, as often as this, is refused for another reason than its absence.
  constexpr int kTries = 16;
  LeafOperands rest = operands;
  std::uint64_t last_address = 0;
  for (int tries = 0;;) {
    const LeafOutcome outcome = run_once(lane, rest);
    PageSupply* supply = enclave.supply();
    if (outcome.fault != LeafOutcome::Fault::kPageFault || supply == nullptr ||
        !enclave.contains(outcome.fault_address)) {
      return outcome;
    }
    // As an AEX, the operating system's page fault and ERESUME.
    const PageFault fault = describe(enclave, outcome, rest);
    if (supply->resolve(fault) != FaultAnswer::kRetry) return outcome;
    tries = outcome.fault_address == last_address ? tries + 1 : 0;
    last_address = outcome.fault_address;
    if (tries == kTries) return outcome;
  }
}

// Called by the gate on the host's stack with host segments. A leaf that faults is reported to the kernel's own stub as
// an error beyond the architecture's codes, because a patched site has no instruction to fault on.
extern "C" std::uint64_t coffer_gate_leaf(Lane* lane, const LeafOperands* operands) {
  constexpr std::uint64_t kFaulted = ~std::uint64_t{0};
  const LeafOutcome outcome = run_leaf(*lane, *operands);
  if (outcome.fault != LeafOutcome::Fault::kNone) return kFaulted;
  const bool bulk = (operands->rax & kBulk) != 0;
  return bulk || leaf_has_result(operands->rax) ? static_cast<std::uint64_t>(outcome.error) : operands->rax;
}

bool interrupt_thread(SoftEnclave& enclave, std::uint64_t tcs_offset) {
  ThreadState* thread = enclave.thread_at(tcs_offset);
  if (thread == nullptr || !thread->busy.load(std::memory_order_acquire)) return false;
  const Lane* lane = thread->lane.load(std::memory_order_acquire);
  if (lane == nullptr) return false;
  return ::syscall(SYS_tgkill, ::getpid(), lane->thread_id, interrupt_signal()) == 0;
}

static void flush_threads(SoftEnclave& enclave, std::uint64_t epoch) {
  // An interrupt may come to nothing where the thread is just on its way in or out: until all have left.
  while (true) {
    const std::vector<std::uint64_t> threads = enclave.threads_inside_since(epoch);
    if (threads.empty()) return;
    for (std::uint64_t thread : threads) (void)interrupt_thread(enclave, thread);
    const std::uint64_t again = monotonic_ns() + std::chrono::nanoseconds(kInterruptPause).count();
    while (monotonic_ns() < again && !enclave.threads_inside_since(epoch).empty()) ::sched_yield();
  }
}

void track_and_flush(SoftEnclave& enclave) {
  const std::uint64_t epoch = enclave.epoch();
  // Where another cycle is under way, it has to end first; it may also have done this one's work.
  while (enclave.epoch() == epoch && !enclave.etrack().ok()) flush_threads(enclave, epoch - 1);
  flush_threads(enclave, epoch);
}

}  // namespace coffer::processor
