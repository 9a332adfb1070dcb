// Whoever performs EENTER: carries an enclave thread through exceptions and local requests until it leaves with a
// request for the host program. The same loop runs in the cell's workers and, on `inline`, in the host's own threads.
//
// It is the untrusted side of the enclave's boundary, and holds no secret.
#pragma once

#include <atomic>
#include <cstdint>

#include "boundary/calls.h"
#include "boundary/counters.h"
#include "processor/carrier/parking_lot.h"
#include "processor/carrier/shared_files.h"
#include "processor/entry.h"

namespace coffer::processor {

struct LoopOutcome {
  bool dead = false;  // the enclave thread cannot go on; `exception` says why
  ExceptionInfo exception;
};

// Request::kRestrictPages, as the operating system's driver does it: 0 or -errno. The caller's thread is not inside.
[[nodiscard]] std::int64_t restrict_pages(SoftEnclave& enclave, std::uint64_t address, std::uint64_t pages,
                                          std::uint64_t permissions);

// Request::kTrimPages: how many pages, from the first, are PT_TRIM now, or -errno. The caller's thread is not inside.
[[nodiscard]] std::int64_t trim_pages(SoftEnclave& enclave, std::uint64_t address, std::uint64_t pages);
// Request::kRemovePages, of pages that the enclave has accepted as PT_TRIM: 0 or -errno.
[[nodiscard]] std::int64_t remove_pages(SoftEnclave& enclave, std::uint64_t address, std::uint64_t pages);

class EntryLoop {
 public:
  // `counters` may be shared memory; this loop is their one writer.
  EntryLoop(SoftEnclave& enclave, ParkingLot& lot, boundary::CarrierCounters& counters, std::uint32_t thread,
            std::uint64_t tcs_offset, FileAccess files = {})
      : enclave_(enclave), lot_(lot), counters_(counters), thread_(thread), tcs_offset_(tcs_offset), files_(files) {
    lot.settle(thread, tcs_offset);
  }

  // EENTER with `registers`; on return they hold the remote request. Ends dead where the enclave faults for good or
  // `stop` becomes true at an asynchronous exit.
  [[nodiscard]] LoopOutcome run(Registers& registers, const std::atomic<bool>& stop);

  // Serves the slot's turns as run() would, for sides that spin: until the host sleeps, or no turn has come for
  // `spin_ns`. kLeft: a turn was served in part; *outcome and `registers` are run()'s.
  [[nodiscard]] ServeEnd serve_turns(boundary::Slot& slot, std::uint32_t spin_ns, LoopOutcome* outcome,
                                     Registers& registers, const std::atomic<bool>& stop);

 private:
  [[nodiscard]] LoopOutcome carry(EnterOutcome outcome, Registers& registers, const std::atomic<bool>& stop);
  [[nodiscard]] bool serve_locally(Registers& registers);
  using Leaf = EnterOutcome (*)(SoftEnclave&, std::uint64_t, Registers&);
  [[nodiscard]] EnterOutcome perform(Leaf leaf, Registers& registers);
  [[nodiscard]] FaultAnswer ask_driver(const ExceptionInfo& exception);
  [[nodiscard]] EnterOutcome enter(Registers& registers);
  // The enclave's exception handler, above the state that it is to look at.
  [[nodiscard]] EnterOutcome enter_handler(Registers& registers);
  // ERESUME; or the handler first, where interrupt() wants it to look.
  [[nodiscard]] EnterOutcome resume(Registers& registers);
  // ERESUME, where the state says a fault that the enclave has nothing to do with: the next interrupt lets it look.
  [[nodiscard]] EnterOutcome resume_at_once(Registers& registers);

  SoftEnclave& enclave_;
  ParkingLot& lot_;
  boundary::CarrierCounters& counters_;
  std::uint32_t thread_;
  std::uint64_t tcs_offset_;
  FileAccess files_;
  bool handling_ = false;  // the handler is on its way: an interrupt of the handler itself is only resumed
};

}  // namespace coffer::processor
