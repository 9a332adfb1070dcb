// How many requests somebody may make: a bucket of tokens each, in a table of a fixed size. Thread-safe.
#pragma once

#include <cstdint>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>

namespace coffer::service {

class RateLimit {
 public:
  // So many requests a second for long, `burst` (at least 1) at once. `per_second` 0: no limit.
  RateLimit(double per_second, double burst) : per_second_(per_second), burst_(burst < 1 ? 1 : burst) {}

  // Takes a token of `who`. 0: there was one; else the seconds after which there will be.
  [[nodiscard]] unsigned take(std::string_view who, std::uint64_t now_ms);

 private:
  static constexpr std::size_t kMost = 4096;
  struct Bucket {
    double tokens = 0;
    std::uint64_t at = 0;
  };
  const double per_second_, burst_;
  std::mutex mutex_;
  std::unordered_map<std::string, Bucket> buckets_;
};

}  // namespace coffer::service
