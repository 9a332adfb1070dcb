// Signals of a host thread that carries an enclave thread: how one is made to come out, and what the kernel tells of an
// enclave by a signal instead of through the vDSO.
//
// A signal that comes while the enclave runs is an asynchronous exit first. Its handler finds the thread at the vDSO's
// ENCLU, about to execute ERESUME, with RCX = its own address (the AEP) and RBX = the TCS: nothing else looks so. There
// the handler may change what comes next: EENTER of the enclave's own handler, or an ENCLU that faults, by which the
// vDSO's function returns.
#pragma once

#include <atomic>
#include <cstdint>

#include "base/result.h"
#include "processor/carrier/parking_lot.h"

namespace coffer::host::hardware {

// A thread's stay in the vDSO's function. One at a time for each host thread; written by it and by its signal handler.
struct Stay {
  std::uint64_t tcs = 0;
  processor::ParkingLot* lot = nullptr;
  std::uint32_t thread = 0;                  // in `lot`
  const std::atomic<bool>* stop = nullptr;   // true: come out
  std::atomic<bool> handling{false};         // the enclave's handler is on its way, which interrupts only resume
  std::atomic<bool> handler_entered{false};  // the signal handler has entered it
};

// Installs the handlers, once for the process. SIGTRAP that is no enclave's goes to the handler that was there before.
[[nodiscard]] Result<void> install_interrupts();

// gettid of the caller.
[[nodiscard]] std::uint64_t current_thread_id();
// Sends the thread with this id of this process an interrupt.
void interrupt_host_thread(std::uint64_t thread_id);

// While it lives the calling thread's signals know of the stay.
class StayGuard {
 public:
  explicit StayGuard(Stay& stay);
  ~StayGuard();
  StayGuard(const StayGuard&) = delete;
  StayGuard& operator=(const StayGuard&) = delete;
};

}  // namespace coffer::host::hardware
