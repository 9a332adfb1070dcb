// Base64 and BASE64URL (RFC 4648, 4 and 5), strictly: one text for one value of bytes. Text of unlimited length is read
// into memory of three quarters of its size.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"

namespace coffer::attest {

// Without padding, as JOSE has it.
[[nodiscard]] std::string to_base64url(ByteView bytes);
// Nothing where there is padding, white space, a character of the other alphabet, or bits that are left over and set.
[[nodiscard]] std::optional<std::vector<std::byte>> from_base64url(std::string_view text);

// With padding, on one line, as in x5c.
[[nodiscard]] std::string to_base64(ByteView bytes);
[[nodiscard]] std::optional<std::vector<std::byte>> from_base64(std::string_view text);

[[nodiscard]] inline ByteView bytes_of_text(std::string_view text) {
  return std::as_bytes(std::span<const char>(text.data(), text.size()));
}
[[nodiscard]] inline std::string text_of_bytes(ByteView bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

}  // namespace coffer::attest
