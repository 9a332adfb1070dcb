// Lines of JSON for the host to keep. They leave the enclave: no secret, nothing of a body, no path of a request (its
// route instead). Kept until they are fetched, up to a bound. Thread-safe.
#pragma once

#include <cstdint>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace coffer::service {

class Log {
 public:
  using Value = std::variant<std::string, std::int64_t, double>;
  using Fields = std::vector<std::pair<std::string_view, Value>>;

  // `level`: "info", "warning", "error". The time is the host's.
  void write(std::string_view level, std::string_view event, const Fields& fields);
  // Whole lines of at most `most` bytes, and forgets them. Says how many were dropped, where some were.
  [[nodiscard]] std::string take(std::size_t most);

 private:
  static constexpr std::size_t kMost = 256 << 10;
  std::mutex mutex_;
  std::string lines_;
  std::uint64_t dropped_ = 0;
};

}  // namespace coffer::service
