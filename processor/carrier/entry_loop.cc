#include "processor/carrier/entry_loop.h"

#include <cerrno>
#include <csignal>

#include "base/clock.h"
#include "boundary/turns.h"

namespace coffer::processor {

using boundary::EnterCommand;
using boundary::Request;

namespace {

bool are_pages(const SoftEnclave& enclave, std::uint64_t address, std::uint64_t pages) {
  const std::uint64_t most = enclave.size() / sgx::kPageSize;
  return pages != 0 && pages <= most && address % sgx::kPageSize == 0 &&
         enclave.contains(address, pages * sgx::kPageSize);
}

// EMODPR or EMODT of pages that are there or were evicted, and the tracking after it. How many were changed.
template <class Change>
std::uint64_t change_pages(SoftEnclave& enclave, std::uint64_t address, std::uint64_t pages, const Change& change) {
  std::uint64_t done = 0;
  bool possible = true;
  while (done < pages && possible) {
    const std::uint64_t offset = address - enclave.base() + done * sgx::kPageSize;
    std::uint32_t changed = 0;
    const LeafOutcome outcome = change(offset, static_cast<std::uint32_t>(pages - done), &changed);
    done += changed;
    if (outcome.ok()) continue;
    // A page that was evicted has to come back first.
    PageSupply* supply = enclave.supply();
    possible = outcome.fault == LeafOutcome::Fault::kPageFault && supply != nullptr &&
               supply->resolve({.offset = outcome.fault_address - enclave.base(), .unseen = outcome.unseen}) ==
                   FaultAnswer::kRetry;
  }
  track_and_flush(enclave);
  return done;
}

}  // namespace

std::int64_t restrict_pages(SoftEnclave& enclave, std::uint64_t address, std::uint64_t pages,
                            std::uint64_t permissions) {
  if (permissions > 7 || !are_pages(enclave, address, pages)) return -EINVAL;
  const sgx::Secinfo secinfo{sgx::SecinfoFlags{permissions}, {}};
  const auto restrict = [&](std::uint64_t offset, std::uint32_t count, std::uint32_t* changed) {
    return enclave.emodpr(offset, secinfo, count, changed);
  };
  return change_pages(enclave, address, pages, restrict) == pages ? 0 : -EFAULT;
}

std::int64_t trim_pages(SoftEnclave& enclave, std::uint64_t address, std::uint64_t pages) {
  if (!are_pages(enclave, address, pages)) return -EINVAL;
  const sgx::Secinfo secinfo{sgx::SecinfoFlags::make(sgx::PageType::kTrim, 0), {}};
  const auto trim = [&](std::uint64_t offset, std::uint32_t count, std::uint32_t* changed) {
    return enclave.emodt(offset, secinfo, count, changed);
  };
  const std::uint64_t done = change_pages(enclave, address, pages, trim);
  return done == 0 ? -EFAULT : static_cast<std::int64_t>(done);
}

std::int64_t remove_pages(SoftEnclave& enclave, std::uint64_t address, std::uint64_t pages) {
  if (!are_pages(enclave, address, pages)) return -EINVAL;
  const std::uint64_t first = address - enclave.base();
  for (std::uint64_t at = first; at < first + pages * sgx::kPageSize; at += sgx::kPageSize) {
    LeafOutcome outcome = enclave.eremove(at);
    // Evicted since it was trimmed: it comes back first, and may be evicted again meanwhile.
    constexpr int kTries = 64;
    for (int i = 0; i < kTries && outcome.fault == LeafOutcome::Fault::kPageFault && enclave.supply() != nullptr; ++i) {
      if (enclave.supply()->resolve({.offset = at}) == FaultAnswer::kLost) break;
      outcome = enclave.eremove(at);
    }
    if (!outcome.ok()) return -EBUSY;
  }
  return 0;
}

bool EntryLoop::serve_locally(Registers& registers) {
  if (serve_waiting(lot_, thread_, registers)) return true;
  switch (static_cast<Request>(registers.rdi)) {
    case Request::kRestrictPages:
      answer_locally(registers, restrict_pages(enclave_, registers.rsi, registers.rdx, registers.r8));
      return true;
    case Request::kTrimPages:
      answer_locally(registers, trim_pages(enclave_, registers.rsi, registers.rdx));
      return true;
    case Request::kRemovePages:
      answer_locally(registers, remove_pages(enclave_, registers.rsi, registers.rdx));
      return true;
    case Request::kCounter: {
      const auto counted = enclave_.counter({.operation = static_cast<boundary::CounterOperation>(registers.rsi),
                                             .id = registers.rdx,
                                             .nonce = {registers.r8, registers.r9}});
      registers = {static_cast<std::uint64_t>(EnterCommand::kReturn), static_cast<std::uint64_t>(counted.result),
                   counted.value, counted.mac[0], counted.mac[1]};
      return true;
    }
    case Request::kInterrupt:
      if (registers.rsi != thread_) {
        lot_.interrupt(registers.rsi, [this](std::uint64_t tcs) { (void)interrupt_thread(enclave_, tcs); });
      }
      answer_locally(registers, 0);
      return true;
    case Request::kFileRead:
    case Request::kFileWrite:
      return files_.files != nullptr && files_.files->serve(registers, files_.area);
    default:
      return false;
  }
}

EnterOutcome EntryLoop::perform(Leaf leaf, Registers& registers) {
  while (true) {
    boundary::count(counters_.entries);
    EnterOutcome outcome = leaf(enclave_, tcs_offset_, registers);
    if (!bring_frame(enclave_, outcome.leaf)) return outcome;
  }
}

// The operating system's page-fault handler.
FaultAnswer EntryLoop::ask_driver(const ExceptionInfo& exception) {
  constexpr std::uint32_t kWrite = 2;
  constexpr std::uint32_t kFetch = 16;
  PageSupply* supply = enclave_.supply();
  if (supply == nullptr || exception.vector != sgx::vector::kPageFault || !enclave_.contains(exception.address)) {
    return FaultAnswer::kNotMine;
  }
  std::uint8_t permissions = sgx::SecinfoFlags::kR;
  if ((exception.error_code & kWrite) != 0) permissions = sgx::SecinfoFlags::kW;
  if ((exception.error_code & kFetch) != 0) permissions = sgx::SecinfoFlags::kX;
  const std::uint64_t offset = (exception.address - enclave_.base()) & ~(sgx::kPageSize - 1);
  return supply->resolve({.offset = offset, .permissions = permissions});
}

EnterOutcome EntryLoop::enter(Registers& registers) {
  // Nothing more to do for an interrupt: the enclave looks at its signals on its way out of whatever it does now.
  lot_.go_inside(thread_, true);
  handling_ = false;
  EnterOutcome outcome = perform(eenter, registers);
  lot_.come_out(thread_);
  return outcome;
}

EnterOutcome EntryLoop::enter_handler(Registers& registers) {
  registers = {static_cast<std::uint64_t>(EnterCommand::kException), 0, 0, 0, 0};
  handling_ = true;
  lot_.go_inside(thread_, false);
  EnterOutcome outcome = perform(eenter, registers);
  lot_.come_out(thread_);
  return outcome;
}

EnterOutcome EntryLoop::resume(Registers& registers) {
  return lot_.go_inside(thread_, !handling_) ? enter_handler(registers) : resume_at_once(registers);
}

EnterOutcome EntryLoop::resume_at_once(Registers& registers) {
  lot_.go_inside(thread_, false);
  EnterOutcome outcome = perform(eresume, registers);
  lot_.come_out(thread_);
  return outcome;
}

LoopOutcome EntryLoop::run(Registers& registers, const std::atomic<bool>& stop) {
  return carry(enter(registers), registers, stop);
}

ServeEnd EntryLoop::serve_turns(boundary::Slot& slot, std::uint32_t spin_ns, LoopOutcome* outcome, Registers& registers,
                                const std::atomic<bool>& stop) {
  constexpr std::uint64_t kPolls = 1024;  // some ten microseconds between looks at the clock
  std::uint64_t end = monotonic_ns() + spin_ns;
  while (true) {
    std::uint64_t served = 0;
    EnterOutcome left;
    lot_.go_inside(thread_, true);
    handling_ = false;
    const ServeEnd why = processor::serve_turns(enclave_, tcs_offset_, slot, kPolls, &served, &left, registers);
    lot_.come_out(thread_);
    boundary::count(counters_.entries, served);
    if (why == ServeEnd::kLeft) *outcome = carry(left, registers, stop);
    if (why != ServeEnd::kNoTurn) return why;
    const std::uint64_t now = monotonic_ns();
    if (served != 0) end = now + spin_ns;
    if (now >= end) return why;
  }
}

LoopOutcome EntryLoop::carry(EnterOutcome outcome, Registers& registers, const std::atomic<bool>& stop) {
  ExceptionInfo last;
  while (true) {
    if (stop.load(std::memory_order_relaxed)) return {.dead = true, .exception = last};
    if (!outcome.leaf.ok()) {
      if (last.signal == 0) last.signal = SIGSEGV;
      return {.dead = true, .exception = last};
    }
    switch (outcome.kind) {
      case ExitKind::kExit:
        if (registers.rdi == static_cast<std::uint64_t>(Request::kResume)) {
          // The enclave's handler, which an interrupt may have stopped on its way, is done with the exception.
          handling_ = false;
          outcome = resume(registers);
          break;
        }
        if (!serve_locally(registers)) return {};
        boundary::count(counters_.local_requests);
        outcome = enter(registers);
        break;
      case ExitKind::kInterrupt:
        boundary::count(counters_.interrupts);
        outcome = resume(registers);
        break;
      case ExitKind::kException: {
        boundary::count(counters_.exceptions);
        if (outcome.exception.signal == SIGSYS) boundary::count(counters_.trapped_system_calls);
        const FaultAnswer answer = ask_driver(outcome.exception);
        if (answer == FaultAnswer::kRetry) {
          outcome = resume_at_once(registers);
          break;
        }
        // The enclave's handler runs at the next SSA frame; where that was the last one, EENTER fails and this ends.
        last = outcome.exception;
        if (answer == FaultAnswer::kLost) {
          last.signal = SIGBUS;
          return {.dead = true, .exception = last};
        }
        outcome = enter_handler(registers);
        break;
      }
      case ExitKind::kNone:
        return {.dead = true, .exception = last};
    }
  }
}

}  // namespace coffer::processor
