#include "processor/cell/worker.h"

#include <sys/syscall.h>
#include <unistd.h>

#include "boundary/turns.h"

namespace coffer::cell {

using boundary::Slot;
using boundary::SlotStatus;
using boundary::Turn;
using processor::LoopOutcome;
using processor::Registers;
using processor::ServeEnd;

namespace {

void give_back(Slot& slot, const Registers& registers, const LoopOutcome& outcome) {
  const bool dead = outcome.dead;
  slot.rdi = dead ? static_cast<std::uint64_t>(outcome.exception.signal) : registers.rdi;
  slot.rsi = dead ? outcome.exception.rip : registers.rsi;
  slot.rdx = dead ? outcome.exception.address : registers.rdx;
  slot.r8 = dead ? outcome.exception.vector : registers.r8;
  slot.r9 = dead ? 0 : registers.r9;
  slot.status.store(static_cast<std::uint32_t>(dead ? SlotStatus::kDead : SlotStatus::kRequest),
                    std::memory_order_relaxed);
  boundary::give_turn(slot, Turn::kHost);
}

}  // namespace

[[noreturn]] void serve_slot(Slot& slot, processor::EntryLoop loop) {
  const std::atomic<bool> never_stop{false};  // a cell is ended by ending its process
  slot.worker_id.store(static_cast<std::uint32_t>(::syscall(SYS_gettid)), std::memory_order_relaxed);
  while (true) {
    Registers registers;
    LoopOutcome outcome;
    auto why = ServeEnd::kNoTurn;
    const std::uint32_t spin = slot.spin_ns.load(std::memory_order_relaxed);
    if (spin != 0) why = loop.serve_turns(slot, spin, &outcome, registers, never_stop);
    if (why == ServeEnd::kLeft) {
      give_back(slot, registers, outcome);
    } else if (why == ServeEnd::kPeerSleeps) {
      boundary::wake(slot);
    } else {
      while (!boundary::has_turn(slot, Turn::kCell)) boundary::sleep_for_turn(slot, Turn::kCell);
      registers = {slot.rdi, slot.rsi, slot.rdx, slot.r8, slot.r9};
      outcome = loop.run(registers, never_stop);
      give_back(slot, registers, outcome);
    }
  }
}

}  // namespace coffer::cell
