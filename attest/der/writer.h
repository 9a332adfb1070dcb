// Writes DER, from the inside out: each function gives one element's bytes.
#pragma once

#include <initializer_list>
#include <string_view>
#include <vector>

#include <coffer/attest/time.h>

#include "attest/der/reader.h"
#include "base/bytes.h"

namespace coffer::attest::der {

using Bytes = std::vector<std::byte>;

// An element of the parts, one after the other.
[[nodiscard]] Bytes element(std::uint8_t tag, std::initializer_list<ByteView> parts);
[[nodiscard]] Bytes integer(std::uint64_t value);
// Big-endian, not negative.
[[nodiscard]] Bytes integer(ByteView magnitude);
[[nodiscard]] Bytes boolean_value(bool value);
// From its contents.
[[nodiscard]] Bytes object_identifier(ByteView contents);
[[nodiscard]] Bytes bit_string(ByteView bytes);
[[nodiscard]] Bytes octet_string(ByteView bytes);
[[nodiscard]] Bytes text(std::uint8_t tag, std::string_view text);
// UTCTime up to 2049, GeneralizedTime after (RFC 5280, 4.1.2.5).
[[nodiscard]] Bytes time_value(UnixTime time);

}  // namespace coffer::attest::der
