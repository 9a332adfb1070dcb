#include "service/enclave/trace.h"

#include <openssl/rand.h>

#include <algorithm>
#include <cstdlib>
#include <vector>

#include "base/hex.h"

namespace coffer::service {
namespace {

bool is_hex(std::string_view text) {
  return std::ranges::all_of(text, [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}
bool is_zero(std::string_view text) {
  return std::ranges::all_of(text, [](char c) { return c == '0'; });
}

}  // namespace

std::string random_hex(std::size_t bytes) {
  std::vector<std::byte> random(bytes);
  // Without random numbers nothing that a service promises holds.
  if (RAND_bytes(reinterpret_cast<unsigned char*>(random.data()), static_cast<int>(bytes)) != 1) std::abort();
  return to_hex(random);
}

std::string Trace::parent() const { return "00-" + trace_id + "-" + span_id + (sampled ? "-01" : "-00"); }

Trace begin_trace(std::optional<std::string_view> traceparent) {
  Trace trace;
  trace.span_id = random_hex(8);
  trace.request_id = random_hex(16);
  constexpr std::size_t kSize = 55;  // 00-<32>-<16>-<2>
  if (traceparent && traceparent->size() == kSize) {
    const std::string_view text = *traceparent;
    const std::string_view id = text.substr(3, 32), span = text.substr(36, 16), flags = text.substr(53, 2);
    if (text.starts_with("00-") && text[35] == '-' && text[52] == '-' && is_hex(id) && !is_zero(id) && is_hex(span) &&
        !is_zero(span) && is_hex(flags)) {
      trace.trace_id = id;
      trace.sampled = (flags[1] - (flags[1] >= 'a' ? 'a' - 10 : '0')) % 2 == 1;
      return trace;
    }
  }
  trace.trace_id = random_hex(16);
  return trace;
}

}  // namespace coffer::service
