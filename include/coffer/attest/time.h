// A moment, as evidence and collateral know it. Verification never looks at a clock: the moment is an argument.
#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace coffer::attest {

// Whole seconds since 1970-01-01T00:00:00Z, without leap seconds.
struct UnixTime {
  std::int64_t seconds = 0;
  auto operator<=>(const UnixTime&) const = default;
};

// "2025-06-11T19:18:17Z": UTC, seconds present, years 0000 to 9999, nothing after it. Fractions of a second
// ("...:17.250Z") are accepted and cut off.
[[nodiscard]] std::optional<UnixTime> parse_iso8601(std::string_view text);
// Of moments outside the years 0000 to 9999: the nearest that has four digits.
[[nodiscard]] std::string to_iso8601(UnixTime time);

// The two forms of time in certificates (RFC 5280, 4.1.2.5): UTCTime "YYMMDDHHMMSSZ" and GeneralizedTime
// "YYYYMMDDHHMMSSZ". Nothing where `text` is neither.
[[nodiscard]] std::optional<UnixTime> parse_utc_time(std::string_view text);
[[nodiscard]] std::optional<UnixTime> parse_generalized_time(std::string_view text);

}  // namespace coffer::attest
