// Counters in the text form of Prometheus (version 0.0.4). Thread-safe.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <tuple>

namespace coffer::service {

class Metrics {
 public:
  // `route` is a pattern, `method` one of the request's: what is unknown counts as "other", so that no client makes
  // rows.
  void count_request(std::string_view route, std::string_view method, unsigned status, std::uint64_t microseconds);
  // A counter of the service's own; `name` as "handshakes_failed" becomes coffer_handshakes_failed_total. For names
  // that the program has, never for a client's.
  void count(std::string_view name, std::uint64_t more = 1);
  void set_gauge(std::string_view name, std::uint64_t value);
  [[nodiscard]] std::uint64_t value(std::string_view name) const;

  [[nodiscard]] std::string text() const;

 private:
  static constexpr std::array<std::uint64_t, 9> kBounds = {500,    1'000,   2'500,     5'000,    10'000,
                                                           50'000, 250'000, 1'000'000, 5'000'000};  // microseconds
  struct Histogram {
    std::array<std::uint64_t, kBounds.size() + 1> counts{};
    std::uint64_t sum = 0, all = 0;
  };
  mutable std::mutex mutex_;
  std::map<std::tuple<std::string, std::string, unsigned>, std::uint64_t> requests_;
  std::map<std::string, Histogram, std::less<>> times_;
  std::map<std::string, std::uint64_t, std::less<>> counters_, gauges_;
};

}  // namespace coffer::service
