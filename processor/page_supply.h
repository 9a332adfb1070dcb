// What the processor asks of the operating system's side of paging when an enclave needs a page that is not there. The
// software driver is pager/pager.h; an enclave without one never has pages outside of its EPC.
#pragma once

#include <cstdint>

#include "sgx/arch.h"

namespace coffer::processor {

// An access that the page tables, the EPCM or an ENCLU leaf refused.
struct PageFault {
  std::uint64_t offset = 0;      // of the page in ELRANGE
  std::uint8_t permissions = 0;  // SecinfoFlags bits that the access needs
  // EACCEPT and EACCEPTCOPY of a page that was never added: the driver adds it, as many as this where they are wanted.
  std::uint32_t grow = 0;
  // Of a leaf, to which the page was not there or on its way out: whatever its state is now, the leaf may look again.
  bool unseen = false;
};

enum class FaultAnswer : std::uint8_t {
  kNotMine,  // the enclave's own affair: deliver it
  kRetry,    // the page is there now: do it again
  kLost,     // the page cannot be brought back: the enclave cannot go on
};

// Thread-safe.
class PageSupply {
 public:
  virtual ~PageSupply() = default;
  // Never called with the enclave's lock held.
  [[nodiscard]] virtual FaultAnswer resolve(const PageFault& fault) = 0;
  // The page at `offset` is the enclave's and stands outside of the EPC. Called with the enclave's lock held.
  [[nodiscard]] virtual bool holds(std::uint64_t offset) const = 0;
};

}  // namespace coffer::processor
