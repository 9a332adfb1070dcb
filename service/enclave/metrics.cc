#include "service/enclave/metrics.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

namespace coffer::service {
namespace {

std::string_view known_method(std::string_view method) {
  constexpr std::array<std::string_view, 7> kMethods = {"GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"};
  return std::ranges::find(kMethods, method) == kMethods.end() ? "other" : method;
}

}  // namespace

void Metrics::count_request(std::string_view route, std::string_view method, unsigned status,
                            std::uint64_t microseconds) {
  const std::lock_guard lock(mutex_);
  ++requests_[{std::string(route), std::string(known_method(method)), status}];
  auto found = times_.find(route);
  if (found == times_.end()) found = times_.emplace(std::string(route), Histogram{}).first;
  Histogram& histogram = found->second;
  const auto place = std::ranges::lower_bound(kBounds, microseconds);
  ++histogram.counts[static_cast<std::size_t>(place - kBounds.begin())];
  histogram.sum += microseconds;
  ++histogram.all;
}

void Metrics::count(std::string_view name, std::uint64_t more) {
  const std::lock_guard lock(mutex_);
  counters_[std::string(name)] += more;
}

void Metrics::set_gauge(std::string_view name, std::uint64_t value) {
  const std::lock_guard lock(mutex_);
  gauges_[std::string(name)] = value;
}

std::uint64_t Metrics::value(std::string_view name) const {
  const std::lock_guard lock(mutex_);
  if (const auto found = counters_.find(name); found != counters_.end()) return found->second;
  const auto found = gauges_.find(name);
  return found == gauges_.end() ? 0 : found->second;
}

std::string Metrics::text() const {
  const std::lock_guard lock(mutex_);
  std::string text = "# TYPE coffer_requests_total counter\n";
  const auto out = std::back_inserter(text);
  for (const auto& [key, count] : requests_) {
    const auto& [route, method, status] = key;
    fmt::format_to(out, "coffer_requests_total{{route=\"{}\",method=\"{}\",status=\"{}\"}} {}\n", route, method, status,
                   count);
  }
  text += "# TYPE coffer_request_seconds histogram\n";
  for (const auto& [route, histogram] : times_) {
    std::uint64_t sum = 0;
    for (std::size_t i = 0; i < kBounds.size(); ++i) {
      sum += histogram.counts[i];
      fmt::format_to(out, "coffer_request_seconds_bucket{{route=\"{}\",le=\"{}\"}} {}\n", route,
                     static_cast<double>(kBounds[i]) / 1e6, sum);
    }
    fmt::format_to(out, "coffer_request_seconds_bucket{{route=\"{}\",le=\"+Inf\"}} {}\n", route, histogram.all);
    fmt::format_to(out, "coffer_request_seconds_sum{{route=\"{}\"}} {}\n", route,
                   static_cast<double>(histogram.sum) / 1e6);
    fmt::format_to(out, "coffer_request_seconds_count{{route=\"{}\"}} {}\n", route, histogram.all);
  }
  for (const auto& [name, value] : counters_) {
    fmt::format_to(out, "# TYPE coffer_{0}_total counter\ncoffer_{0}_total {1}\n", name, value);
  }
  for (const auto& [name, value] : gauges_) {
    fmt::format_to(out, "# TYPE coffer_{0} gauge\ncoffer_{0} {1}\n", name, value);
  }
  return text;
}

}  // namespace coffer::service
