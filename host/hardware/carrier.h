// Carries a thread of an enclave through the vDSO's function: what EntryLoop (processor/carrier/) does for the software
// processor. The contract of calls is boundary/calls.h either way.
#pragma once

#include <atomic>
#include <cstdint>

#include "boundary/counters.h"
#include "host/hardware/driver.h"
#include "host/hardware/interrupts.h"
#include "host/hardware/vdso.h"
#include "processor/carrier/parking_lot.h"

namespace coffer::host::hardware {

// Why an enclave thread cannot go on. Where it was, hardware tells nobody.
struct CarryEnd {
  bool dead = false;
  int signal = 0;             // that a fault of its kind is on Linux; 0: `stop`
  std::uint64_t address = 0;  // of the fault
};

class Carrier {
 public:
  // `counters` are this loop's alone. `tcs`: linear address.
  Carrier(EnterFunction function, Driver& driver, processor::ParkingLot& lot, boundary::CarrierCounters& counters,
          std::uint32_t thread, std::uint64_t tcs, const std::atomic<bool>& stop);

  // EENTER with `registers`; on return they hold a request for the host program, or the thread is dead.
  [[nodiscard]] CarryEnd run(processor::Registers& registers);

 private:
  // What the vDSO's function came back with.
  struct Return {
    bool failed = false;     // the enclave cannot be entered
    bool exception = false;  // or else EEXIT
    std::uint8_t vector = 0;
    std::uint64_t address = 0;
  };
  [[nodiscard]] Return call(unsigned leaf, processor::Registers& registers);
  [[nodiscard]] Return enter(processor::Registers& registers);
  [[nodiscard]] Return enter_handler(processor::Registers& registers);
  [[nodiscard]] Return resume(processor::Registers& registers);
  [[nodiscard]] bool serve_locally(processor::Registers& registers);

  EnterFunction function_;
  Driver& driver_;
  processor::ParkingLot& lot_;
  boundary::CarrierCounters& counters_;
  Stay stay_;
};

}  // namespace coffer::host::hardware
