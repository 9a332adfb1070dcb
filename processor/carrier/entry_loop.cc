#include "processor/carrier/entry_loop.h"

#include <linux/futex.h>
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <ctime>

#include <cerrno>
#include <csignal>

#include "base/clock.h"
#include "boundary/turns.h"

namespace coffer::processor {

using boundary::EnterCommand;
using boundary::Request;

namespace {

void answer(Registers& registers, std::int64_t result, std::uint64_t a = 0, std::uint64_t b = 0) {
  registers = {static_cast<std::uint64_t>(EnterCommand::kReturn), static_cast<std::uint64_t>(result), a, b, 0};
}

}  // namespace

void ParkingLot::park(std::uint32_t thread, std::uint64_t timeout) {
  std::atomic<std::uint32_t>& word = places_[thread].word;
  if (word.exchange(0, std::memory_order_acquire) == 1) return;
  timespec time{};
  time.tv_sec = static_cast<time_t>(timeout / 1'000'000'000);
  time.tv_nsec = static_cast<long>(timeout % 1'000'000'000);
  ::syscall(SYS_futex, &word, FUTEX_WAIT_PRIVATE, 0, timeout == boundary::kNoTimeout ? nullptr : &time, nullptr, 0);
  word.store(0, std::memory_order_relaxed);
}

void ParkingLot::unpark(std::uint64_t thread) {
  if (thread >= count_) return;
  std::atomic<std::uint32_t>& word = places_[thread].word;
  if (word.exchange(1, std::memory_order_release) == 0) {
    ::syscall(SYS_futex, &word, FUTEX_WAKE_PRIVATE, 1, nullptr, nullptr, 0);
  }
}

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
               supply->resolve({.offset = outcome.fault_address - enclave.base()}) == FaultAnswer::kRetry;
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
    if (!enclave.eremove(at).ok()) return -EBUSY;
  }
  return 0;
}

bool ParkingLot::go_inside(std::uint32_t thread, bool look) {
  Place& place = places_[thread];
  // Sequentially consistent, as in interrupt(): one of the two sees the other.
  place.inside.store(true);
  if (!look || place.notice.load() == 0 || place.notice.exchange(0) == 0) return false;
  ::syscall(SYS_futex, &place.notice, FUTEX_WAKE_PRIVATE, 1, nullptr, nullptr, 0);
  return true;
}

void ParkingLot::interrupt(SoftEnclave& enclave, std::uint64_t thread) {
  if (thread >= count_) return;
  unpark(thread);
  Place& place = places_[thread];
  place.notice.store(1);
  // An interrupt is lost where the thread is just on its way in, so it is repeated, with time to run in between; not
  // for ever, because one that serves turns counts as inside while it waits for the next.
  constexpr timespec kPause{0, 100'000};
  constexpr int kTries = 50;
  for (int i = 0; i < kTries && place.notice.load() != 0 && place.inside.load(); ++i) {
    interrupt_thread(enclave, place.tcs_offset.load());
    ::syscall(SYS_futex, &place.notice, FUTEX_WAIT_PRIVATE, 1, &kPause, nullptr, 0);
  }
}

bool EntryLoop::serve_locally(Registers& registers) {
  switch (static_cast<Request>(registers.rdi)) {
    case Request::kPark:
      lot_.park(thread_, registers.rsi);
      answer(registers, 0);
      return true;
    case Request::kUnpark:
      lot_.unpark(registers.rsi);
      answer(registers, 0);
      return true;
    case Request::kClock: {
      timespec now{};
      const int failed = ::clock_gettime(static_cast<clockid_t>(registers.rsi), &now);
      answer(registers, failed != 0 ? -EINVAL : 0, static_cast<std::uint64_t>(now.tv_sec),
             static_cast<std::uint64_t>(now.tv_nsec));
      return true;
    }
    case Request::kRestrictPages:
      answer(registers, restrict_pages(enclave_, registers.rsi, registers.rdx, registers.r8));
      return true;
    case Request::kTrimPages:
      answer(registers, trim_pages(enclave_, registers.rsi, registers.rdx));
      return true;
    case Request::kRemovePages:
      answer(registers, remove_pages(enclave_, registers.rsi, registers.rdx));
      return true;
    case Request::kYield:
      ::sched_yield();
      answer(registers, 0);
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
      if (registers.rsi != thread_) lot_.interrupt(enclave_, registers.rsi);
      answer(registers, 0);
      return true;
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
