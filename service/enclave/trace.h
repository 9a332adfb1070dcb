// Which request is which: W3C trace context (https://www.w3.org/TR/trace-context/, version 00) and a number of our own.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace coffer::service {

struct Trace {
  std::string trace_id;    // 32 hexadecimal digits: the caller's, or new
  std::string span_id;     // 16: this request's own
  std::string request_id;  // 32: random
  bool sampled = false;

  // The field `traceparent` of the answer and of requests that are made for this one.
  [[nodiscard]] std::string parent() const;
};

// A trace that goes on from the caller's `traceparent` where that is well-formed, else a new one.
[[nodiscard]] Trace begin_trace(std::optional<std::string_view> traceparent);

// `bytes` random bytes as hexadecimal digits.
[[nodiscard]] std::string random_hex(std::size_t bytes);

}  // namespace coffer::service
