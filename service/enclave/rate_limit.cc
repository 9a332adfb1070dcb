#include "service/enclave/rate_limit.h"

#include <algorithm>
#include <cmath>

namespace coffer::service {

unsigned RateLimit::take(std::string_view who, std::uint64_t now_ms) {
  if (per_second_ <= 0) return 0;
  const std::lock_guard lock(mutex_);
  if (buckets_.size() >= kMost && !buckets_.contains(std::string(who))) {
    // Full buckets say nothing that a new one would not.
    std::erase_if(buckets_, [&](const auto& entry) {
      const double refilled = static_cast<double>(now_ms - std::min(entry.second.at, now_ms)) / 1e3 * per_second_;
      return entry.second.tokens + refilled >= burst_;
    });
    // More busy clients than that share one bucket.
    if (buckets_.size() >= kMost) who = "";
  }
  auto [found, fresh] = buckets_.try_emplace(std::string(who), Bucket{burst_, now_ms});
  Bucket& bucket = found->second;
  const std::uint64_t passed = now_ms > bucket.at ? now_ms - bucket.at : 0;
  bucket.tokens = std::min(burst_, bucket.tokens + static_cast<double>(passed) / 1e3 * per_second_);
  bucket.at = std::max(bucket.at, now_ms);
  if (bucket.tokens >= 1) {
    bucket.tokens -= 1;
    return 0;
  }
  return std::max(1u, static_cast<unsigned>(std::ceil(std::min(3600.0, (1 - bucket.tokens) / per_second_))));
}

}  // namespace coffer::service
