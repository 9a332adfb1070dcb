#include "processor/tracking.h"

#include <algorithm>

namespace coffer::processor {

bool Tracking::inside_since(std::uint64_t noted) const {
  return std::ranges::any_of(
      threads_, [noted](const Watched& thread) { return thread.inside->load() && thread.entered->load() <= noted; });
}

sgx::LeafError Tracking::etrack() {
  if (inside_since(epoch() - 1)) return sgx::LeafError::kPreviousTrackIncomplete;
  epoch_.fetch_add(1);
  return sgx::LeafError::kSuccess;
}

}  // namespace coffer::processor
