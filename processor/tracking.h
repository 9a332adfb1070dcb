// Which threads may still use what a page's EPCM entry said before it was changed (Intel SDM volume 3D, 36.5.7 ETRACK):
// an epoch that ETRACK advances, noted by each entry of a thread and by each page that EBLOCK, EMODPR or EMODT changes.
//
// A thread that enters notes the epoch; a page that is changed notes it too. The page is tracked once ETRACK has
// followed the change and every thread that had entered before has left. On this processor a changed mapping is in
// force at once, so tracking keeps nobody safe that is not safe already: it gives the architecture's answers.
#pragma once

#include <atomic>
#include <cstdint>
#include <vector>

#include "sgx/arch.h"

namespace coffer::processor {

// Thread-safety: epoch() from anywhere; the rest under the enclave's lock.
class Tracking {
 public:
  // What an entering thread and a changed page note.
  [[nodiscard]] std::uint64_t epoch() const { return epoch_.load(std::memory_order_relaxed); }

  // Counts a thread from now on: whether it is inside, and the epoch that it noted when it came in. Both must live as
  // long as this object. The order of an entry is: inside becomes true, then the epoch is noted; a thread between the
  // two counts with an older epoch, which is on the safe side.
  void watch(const std::atomic<bool>& inside, const std::atomic<std::uint64_t>& entered) {
    threads_.push_back({&inside, &entered});
  }

  // ETRACK: kSuccess, or kPreviousTrackIncomplete where a thread that entered before the last ETRACK is inside.
  [[nodiscard]] sgx::LeafError etrack();
  // True where ETRACK has followed a change made in epoch `noted` and nobody who entered until then is inside.
  [[nodiscard]] bool tracked_since(std::uint64_t noted) const { return noted < epoch() && !inside_since(noted); }
  [[nodiscard]] bool anyone_inside() const { return inside_since(epoch()); }

 private:
  struct Watched {
    const std::atomic<bool>* inside;
    const std::atomic<std::uint64_t>* entered;
  };
  [[nodiscard]] bool inside_since(std::uint64_t noted) const;

  std::atomic<std::uint64_t> epoch_{1};
  std::vector<Watched> threads_;
};

}  // namespace coffer::processor
