#include "host/hardware/carrier.h"

#include <asm/sgx.h>
#include <cerrno>
#include <csignal>
#include <cstddef>

#include "boundary/calls.h"
#include "sgx/arch.h"

extern "C" int coffer_hardware_enter(coffer::host::hardware::EnterFunction function, unsigned leaf,
                                     coffer::processor::Registers* registers, sgx_enclave_run* run);

namespace coffer::host::hardware {

using boundary::EnterCommand;
using boundary::Request;
using processor::Registers;

// enter.S
static_assert(offsetof(Registers, rdi) == 0 && offsetof(Registers, rsi) == 8 && offsetof(Registers, rdx) == 16 &&
              offsetof(Registers, r8) == 24 && offsetof(Registers, r9) == 32);

namespace {

int signal_of(std::uint8_t vector) {
  namespace v = sgx::vector;
  switch (vector) {
    case v::kDivideError:
    case v::kX87:
    case v::kSimd:
      return SIGFPE;
    case v::kDebug:
    case v::kBreakpoint:
      return SIGTRAP;
    case v::kInvalidOpcode:
      return SIGILL;
    case v::kAlignmentCheck:
      return SIGBUS;
    default:
      return SIGSEGV;
  }
}

}  // namespace

Carrier::Carrier(EnterFunction function, Driver& driver, processor::ParkingLot& lot,
                 boundary::CarrierCounters& counters, std::uint32_t thread, std::uint64_t tcs,
                 const std::atomic<bool>& stop)
    : function_(function), driver_(driver), lot_(lot), counters_(counters) {
  stay_.tcs = tcs;
  stay_.lot = &lot;
  stay_.thread = thread;
  stay_.stop = &stop;
  lot.settle(thread, current_thread_id());
}

Carrier::Return Carrier::call(unsigned leaf, Registers& registers) {
  sgx_enclave_run run{};
  run.tcs = stay_.tcs;
  boundary::count(counters_.entries);
  int status = 0;
  {
    const StayGuard guard(stay_);
    status = coffer_hardware_enter(function_, leaf, &registers, &run);
  }
  lot_.come_out(stay_.thread);
  if (stay_.handler_entered.exchange(false)) boundary::count(counters_.interrupts);
  Return result;
  result.failed = status != 0;
  result.exception = run.function != SGX_ENCLU_EEXIT;
  result.vector = static_cast<std::uint8_t>(run.exception_vector);
  result.address = run.exception_addr;
  // EENTER itself faults where there is no SSA frame left, or no enclave: a machine that has slept has lost them all.
  if (result.exception && run.function != SGX_ENCLU_ERESUME) result.failed = true;
  return result;
}

Carrier::Return Carrier::enter(Registers& registers) {
  // Nothing more to do for an interrupt: the enclave looks at its signals on its way out of whatever it does now.
  lot_.go_inside(stay_.thread, true);
  stay_.handling = false;
  return call(SGX_ENCLU_EENTER, registers);
}

Carrier::Return Carrier::enter_handler(Registers& registers) {
  registers = {static_cast<std::uint64_t>(EnterCommand::kException), 0, 0, 0, 0};
  stay_.handling = true;
  lot_.go_inside(stay_.thread, false);
  return call(SGX_ENCLU_EENTER, registers);
}

Carrier::Return Carrier::resume(Registers& registers) {
  stay_.handling = false;
  if (lot_.go_inside(stay_.thread, true)) return enter_handler(registers);
  return call(SGX_ENCLU_ERESUME, registers);
}

bool Carrier::serve_locally(Registers& registers) {
  if (processor::serve_waiting(lot_, stay_.thread, registers)) return true;
  switch (static_cast<Request>(registers.rdi)) {
    case Request::kRestrictPages:
      processor::answer_locally(registers, driver_.restrict_pages(registers.rsi, registers.rdx, registers.r8));
      return true;
    case Request::kTrimPages:
      processor::answer_locally(registers, driver_.trim_pages(registers.rsi, registers.rdx));
      return true;
    case Request::kRemovePages:
      processor::answer_locally(registers, driver_.remove_pages(registers.rsi, registers.rdx));
      return true;
    case Request::kCounter:  // nobody on this rung could answer for one
      processor::answer_locally(registers, -ENOSYS);
      return true;
    case Request::kInterrupt:
      if (registers.rsi != stay_.thread) lot_.interrupt(registers.rsi, interrupt_host_thread);
      processor::answer_locally(registers, 0);
      return true;
    default:
      return false;
  }
}

CarryEnd Carrier::run(Registers& registers) {
  CarryEnd last{.dead = true, .signal = SIGSEGV};
  Return outcome = enter(registers);
  while (true) {
    if (stay_.stop->load(std::memory_order_relaxed)) return {.dead = true};
    if (outcome.failed) return last;
    if (outcome.exception) {
      boundary::count(counters_.exceptions);
      last = {.dead = true, .signal = signal_of(outcome.vector), .address = outcome.address};
      outcome = enter_handler(registers);
    } else if (registers.rdi == static_cast<std::uint64_t>(Request::kResume)) {
      outcome = resume(registers);
    } else if (serve_locally(registers)) {
      boundary::count(counters_.local_requests);
      outcome = enter(registers);
    } else {
      return {};
    }
  }
}

}  // namespace coffer::host::hardware
