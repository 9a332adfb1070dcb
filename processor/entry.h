// Entering and leaving: EENTER, ERESUME, EEXIT and asynchronous exits, native on this CPU.
//
// Enclave code runs directly. Each operating-system thread that enters has a Lane: its saved host context, and the
// alternate signal stack on which faults of enclave code are taken. Signals raised by enclave code become AEX: the
// state goes into the SSA frame, synthetic state into the registers, and eenter() returns as the AEP would be reached.
#pragma once

#include <chrono>
#include <csignal>
#include <cstddef>
#include <cstdint>

#include "base/result.h"
#include "boundary/slot.h"
#include "processor/enclave.h"
#include "processor/lane_offsets.h"

namespace coffer::processor {

struct Registers {  // what EENTER and EEXIT pass through
  std::uint64_t rdi = 0, rsi = 0, rdx = 0, r8 = 0, r9 = 0;
};

enum class ExitKind : std::uint64_t {
  kNone = 0,
  kExit = EXIT_KIND_EEXIT,
  kException = 2,  // AEX because of `exception`; SSA[CSSA-1] holds the state
  kInterrupt = 3,  // AEX because of interrupt_thread()
};

struct ExceptionInfo {
  std::uint8_t vector = 0;
  std::uint32_t error_code = 0;
  std::uint64_t address = 0;  // faulting address of #PF
  std::uint64_t rip = 0;
  int signal = 0;  // what the operating system made of it
};

// Why serve_turns() returned.
enum class ServeEnd : std::uint64_t {
  kNoTurn = SERVE_NO_TURN,          // no turn came
  kPeerSleeps = SERVE_PEER_SLEEPS,  // the turn was given back to a host that sleeps
  kLeft = SERVE_LEFT,               // the enclave left otherwise than with a remote request, in the host's turn's stead
  kRefused = SERVE_REFUSED,         // EENTER needs all its checks again: a turn that is there was not taken
};

inline constexpr std::size_t kXsaveRoom = 3072;  // x87, SSE, AVX, AVX-512 in the standard format take 2688

struct alignas(64) Lane {
  std::uint64_t host_rsp = 0;
  std::uint64_t host_fs = 0, host_gs = 0;
  std::uint64_t inside = 0;  // enclave code runs on this lane
  Registers registers;
  std::uint64_t enclave_fs = 0, enclave_gs = 0;
  std::uint64_t entry = 0;
  std::uint64_t tcs_address = 0;
  std::uint64_t cssa = 0;
  ExitKind exit_kind = ExitKind::kNone;
  sgx::GprArea* ssa_gpr = nullptr;  // of the current frame: EENTER stores URSP and URBP there
  std::uint64_t xsave_mask = 0;
  std::uint64_t dispatch = 0;  // byte 0 is Syscall User Dispatch's selector, on `inline`; 1 blocks
  std::uint64_t iret_frame[5] = {};
  std::uint64_t resume_gpr[16] = {};  // rax rcx rdx rbx rbp rsi rdi r8..r15, in GprArea's order without rsp
  std::uint64_t aep = 0;              // of an entry by ordinary code (raw_entry.h)
  alignas(64) std::byte xsave[kXsaveRoom] = {};

  SoftEnclave* enclave = nullptr;
  ThreadState* thread = nullptr;
  ExceptionInfo exception;
  int thread_id = 0;  // of the operating system
  // Of serve_turns()
  boundary::Slot* slot = nullptr;
  const std::atomic<std::uint64_t>* generation_now = nullptr;
  std::uint64_t generation = 0;
  std::uint64_t polls = 0;  // looks at the turn before it returns
  std::uint64_t turns = 0;  // that were served
  ServeEnd serve_end = ServeEnd::kNoTurn;
  bool at_entry = false;       // made ready to start at the TCS's entry point, not to go on
  bool raw = false;            // entered by ENCLU of ordinary code: exits as the architecture does, to no caller here
  std::uint64_t host_rbp = 0;  // of a raw entry, as host_rsp
};
static_assert(offsetof(Lane, aep) == LANE_AEP && offsetof(Lane, thread) == LANE_THREAD &&
              offsetof(Lane, slot) == LANE_SLOT && offsetof(Lane, generation_now) == LANE_GENERATION_NOW &&
              offsetof(Lane, generation) == LANE_GENERATION && offsetof(Lane, polls) == LANE_POLLS &&
              offsetof(Lane, turns) == LANE_TURNS && offsetof(Lane, serve_end) == LANE_SERVE_END);

static_assert(offsetof(Lane, host_rsp) == LANE_HOST_RSP && offsetof(Lane, host_fs) == LANE_HOST_FS &&
              offsetof(Lane, host_gs) == LANE_HOST_GS && offsetof(Lane, inside) == LANE_INSIDE &&
              offsetof(Lane, registers) == LANE_RDI && offsetof(Registers, r9) == LANE_R9 - LANE_RDI &&
              offsetof(Lane, enclave_fs) == LANE_ENCLAVE_FS && offsetof(Lane, enclave_gs) == LANE_ENCLAVE_GS &&
              offsetof(Lane, entry) == LANE_ENTRY && offsetof(Lane, tcs_address) == LANE_TCS_ADDRESS &&
              offsetof(Lane, cssa) == LANE_CSSA && offsetof(Lane, exit_kind) == LANE_EXIT_KIND &&
              offsetof(Lane, ssa_gpr) == LANE_SSA_GPR && offsetof(Lane, xsave_mask) == LANE_XSAVE_MASK &&
              offsetof(Lane, dispatch) == LANE_DISPATCH && offsetof(Lane, iret_frame) == LANE_IRET_FRAME &&
              offsetof(Lane, resume_gpr) == LANE_RESUME_GPR && offsetof(Lane, xsave) == LANE_XSAVE);
static_assert(offsetof(ThreadState, lane) == THREAD_LANE && offsetof(ThreadState, left_fs) == THREAD_LEFT_FS &&
              offsetof(ThreadState, tcs) + offsetof(sgx::Tcs, current_ssa) == THREAD_CSSA &&
              offsetof(ThreadState, busy) == THREAD_BUSY && sizeof(ThreadState::busy) == 1);
static_assert(offsetof(GateDescriptor, gate) == GATE_FUNCTION && offsetof(GateDescriptor, base) == GATE_BASE &&
              offsetof(GateDescriptor, size) == GATE_SIZE && offsetof(GateDescriptor, threads) == GATE_THREADS &&
              offsetof(GateDescriptor, exit) == GATE_EXIT);

struct EnterOutcome {
  LeafOutcome leaf;  // not ok: the leaf itself faulted and nothing ran
  ExitKind kind = ExitKind::kNone;
  ExceptionInfo exception;
};

// EENTER / ERESUME of the TCS at `tcs_offset` on the calling thread. EENTER takes and, after kExit, gives back the
// registers that pass through. #GP where the TCS is busy, has no SSA frame left (EENTER) or none used (ERESUME).
[[nodiscard]] EnterOutcome eenter(SoftEnclave& enclave, std::uint64_t tcs_offset, Registers& registers);
[[nodiscard]] EnterOutcome eresume(SoftEnclave& enclave, std::uint64_t tcs_offset, Registers& registers);

// The first halves of them, for whoever carries the registers itself: EENTER's or ERESUME's checks; on success the TCS
// is taken and *lane is ready for coffer_enter or coffer_resume.
[[nodiscard]] LeafOutcome begin_enter(SoftEnclave& enclave, std::uint64_t tcs_offset, Lane** lane);
[[nodiscard]] LeafOutcome begin_resume(SoftEnclave& enclave, std::uint64_t tcs_offset, Lane** lane);
// EENTER or ERESUME ended in this #PF: brings the SSA frame that it missed. True where it is worth another try.
[[nodiscard]] bool bring_frame(const SoftEnclave& enclave, const LeafOutcome& outcome);
// The thread has left: gives its TCS back.
void end_entry(Lane& lane);

// EENTER of the TCS at `tcs_offset` on the calling thread each time that the slot's turn is the cell's, and the turn
// given back with each remote request: as eenter() in a loop, for what spins. After `polls` looks without a turn it
// returns; *served is then how many there were. For kLeft, *left and `registers` are eenter()'s. The slot is the host's
// memory: its registers are read once for each turn.
[[nodiscard]] ServeEnd serve_turns(SoftEnclave& enclave, std::uint64_t tcs_offset, boundary::Slot& slot,
                                   std::uint64_t polls, std::uint64_t* served, EnterOutcome* left,
                                   Registers& registers);

// Asks the thread that is inside at `tcs_offset` to leave by AEX. May come to nothing where it is just on its way in or
// out: repeat until the TCS is not busy. False where nobody is inside.
bool interrupt_thread(SoftEnclave& enclave, std::uint64_t tcs_offset);
// The time to let pass between two interrupts of a thread. One that always has the next signal waiting executes no
// instruction in between, and so never gets out.
inline constexpr std::chrono::microseconds kInterruptPause{200};

// What an operating system does after EMODPR, EMODT or EBLOCK: ETRACK, and every thread that has been inside since then
// is made to leave once (Linux sends it an IPI). The calling thread must not be inside.
void track_and_flush(SoftEnclave& enclave);

// Installs the process's handlers for SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP, SIGSYS and the interrupt signal, once.
// Signals that are not an enclave's go to the handlers that were there before.
enum class SyscallTrap {
  kSeccomp,       // the process has a filter that answers RET_TRAP inside ELRANGE (the cell)
  kUserDispatch,  // Syscall User Dispatch per thread (inline)
  kNone,          // `syscall` inside an enclave reaches the operating system
};
// `under_debugger`: interrupts by a signal that debuggers pass on without a stop, where the process leaves one alone.
[[nodiscard]] Result<void> install_traps(SyscallTrap how, bool under_debugger = false);

// XCR0 as far as enclaves may use it, and the size of a standard-format XSAVE area for such a mask.
[[nodiscard]] std::uint64_t machine_xfrm();
[[nodiscard]] std::size_t xsave_area_size(std::uint64_t xfrm);

// The patched form of an ENCLU site in the Coffer kernel: see patch.h.
extern "C" void coffer_gate();
extern "C" void coffer_exit_gate();
// Gate only: EACCEPT and EMODPE of RDX neighbouring pages.
inline constexpr std::uint32_t kBulk = 0x80000000;
inline constexpr std::uint32_t kBulkAccept = kBulk | SGX_ENCLU_EACCEPT, kBulkExtend = kBulk | SGX_ENCLU_EMODPE;

// What the gate passes to run_leaf and takes back.
struct LeafOperands {
  std::uint64_t rax, rbx, rcx, rdx;
};
// Runs an ENCLU leaf other than EENTER, ERESUME and EEXIT for the thread on this lane.
[[nodiscard]] LeafOutcome run_leaf(Lane& lane, const LeafOperands& operands);
// The leaves that answer with an error code in RAX and with ZF; all others change no register.
[[nodiscard]] bool leaf_has_result(std::uint64_t leaf);

}  // namespace coffer::processor
