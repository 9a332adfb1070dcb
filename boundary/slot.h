// How the host hands a TCS to its worker in the cell: shared memory for each thread.
//
// `turn` says whose the slot is. The host writes the registers and sets kCell; the worker enters, serves local
// requests, and gives the slot back with kHost and the registers of a remote request. All that stands in one cache
// line, written in one go, so that one line moves each way. A side that sleeps (futex on `turn`) says so in a line that
// otherwise only the other side touches, so that nobody makes a system call for a waiter that spins. The cell believes
// nothing here: it copies the registers once and hands them to the enclave, which checks them.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "boundary/calls.h"
#include "boundary/slot_offsets.h"

namespace coffer::boundary {

enum class Turn : std::uint32_t { kHost = 0, kCell = TURN_CELL };

enum class SlotStatus : std::uint32_t {
  kRequest = 0,  // the registers hold a remote request of the enclave
  kDead = 1,     // the enclave cannot be entered: RDI = signal, RSI = enclave-relative RIP, RDX = fault address
};

struct alignas(64) Slot {
  std::atomic<std::uint32_t> turn;  // Turn
  std::atomic<std::uint32_t> status;
  std::uint64_t rdi, rsi, rdx, r8, r9;
  // The host's line: it looks for a sleeping worker each time.
  alignas(64) std::atomic<std::uint32_t> worker_sleeps;
  std::atomic<std::uint32_t> worker_id;  // thread id of the worker, for the host's scheduling advice
  // The worker's line.
  alignas(64) std::atomic<std::uint32_t> host_sleeps;
  std::atomic<std::uint32_t> spin_ns;  // how long the worker spins before it sleeps
};
static_assert(sizeof(Slot) == 192 && offsetof(Slot, turn) == SLOT_TURN && offsetof(Slot, rdi) == SLOT_RDI &&
              offsetof(Slot, rsi) == SLOT_RSI && offsetof(Slot, rdx) == SLOT_RDX && offsetof(Slot, r8) == SLOT_R8 &&
              offsetof(Slot, r9) == SLOT_R9 && offsetof(Slot, host_sleeps) == SLOT_HOST_SLEEPS);
// The assembler gives a request back with one store over turn and status.
static_assert(static_cast<int>(Turn::kHost) == 0 && static_cast<int>(SlotStatus::kRequest) == 0 &&
              offsetof(Slot, status) == SLOT_TURN + 4);
static_assert(static_cast<std::uint64_t>(Request::kFirstRemote) == REQUEST_FIRST_REMOTE &&
              static_cast<std::uint64_t>(Request::kFileRead) == REQUEST_FILE_READ &&
              static_cast<std::uint64_t>(Request::kFileWrite) == REQUEST_FILE_READ + 1);

// What the host asks of the cell over their socket: one message, one answer, in order.
enum class ControlOperation : std::uint32_t {
  kCreate = 1,    // CreateParameters in `create`; `a` = the EPC's size, `b` = bytes of pages that may be added
  kAddPages = 2,  // `a` = offset, `b` = address of the content in the arena, `c` = size, `d` = flags, `e` = extend mask
  kInit = 3,      // `b` = address of the SIGSTRUCT in the arena
  kFastPaths = 4,  // `a` = layout offset
  kWorker = 5,     // start a worker: `a` = TCS offset, `b` = address of its Slot in the arena, `c` = thread index,
                   // `d` = number of threads, `e` = address of its CarrierCounters in the arena, `f` = that of its
                   // exchange area, or 0: its requests for files are all the host's
  kPlace = 6,      // where a worker may run: `a` = thread index, `b` = CPU, `c` = a Placing
  kUsage = 7,      // the answer's text holds an EpcCounters
  kTraps = 8,      // `a` = layout offset: instead of kFastPaths, what is illegal on hardware traps
  // The one message with a descriptor (SCM_RIGHTS): a file that the cell may read and write itself from now on, where
  // the enclave asks for handle `a`. After EINIT.
  kShareFile = 9,
  kUnshareFile = 10,  // `a` = handle: it is going to be another file's
};

enum class Placing : std::uint64_t { kThere = 0, kElsewhere = 1, kAnywhere = 2 };

struct ControlMessage {
  ControlOperation operation;
  std::uint32_t ssa_frame_size;
  std::uint64_t a, b, c, d, e, f;
  std::uint64_t size, attributes_flags, attributes_xfrm;
  std::uint32_t misc_select, config_svn;
  std::uint8_t config_id[64];
};

struct ControlAnswer {
  std::uint32_t status;  // 0 done; 1 the leaf failed (error, fault); 2 the machine failed (text)
  std::uint32_t fault;
  std::uint64_t error;
  char text[240];  // one line, NUL-terminated
};

// The first message, from the cell: what is in force. `text` lists missing protections, one a line.
struct ControlHello {
  std::uint32_t version;
  std::uint32_t status;  // 0, or 2 and `text` says why the cell cannot run
  char text[1016];
};
inline constexpr std::uint32_t kControlVersion = 3;

}  // namespace coffer::boundary
