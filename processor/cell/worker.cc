#include "processor/cell/worker.h"

#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <ctime>

#include "boundary/turns.h"

namespace coffer::cell {

using boundary::Slot;
using boundary::SlotStatus;
using boundary::Turn;
using processor::LoopOutcome;
using processor::Registers;

[[noreturn]] void serve_slot(Slot& slot, processor::EntryLoop loop) {
  const std::atomic<bool> never_stop{false};  // a cell is ended by ending its process
  slot.worker_id.store(static_cast<std::uint32_t>(::syscall(SYS_gettid)), std::memory_order_relaxed);
  while (true) {
    boundary::wait_for_turn(slot, Turn::kCell);
    Registers registers{slot.rdi, slot.rsi, slot.rdx, slot.r8, slot.r9};
    const LoopOutcome outcome = loop.run(registers, never_stop);
    if (outcome.dead) {
      registers = {static_cast<std::uint64_t>(outcome.exception.signal), outcome.exception.rip,
                   outcome.exception.address, outcome.exception.vector, 0};
    }
    slot.rdi = registers.rdi;
    slot.rsi = registers.rsi;
    slot.rdx = registers.rdx;
    slot.r8 = registers.r8;
    slot.r9 = registers.r9;
    slot.status.store(static_cast<std::uint32_t>(outcome.dead ? SlotStatus::kDead : SlotStatus::kRequest),
                      std::memory_order_relaxed);
    boundary::give_turn(slot, Turn::kHost);
  }
}

}  // namespace coffer::cell
