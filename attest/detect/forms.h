// Text forms that evidence travels in.
#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "base/bytes.h"

namespace coffer::attest::detect {

// Hexadecimal text, or Base64 with either alphabet, padded or not; white space is skipped. Hexadecimal where it can be
// both. Nothing where it is neither, or empty.
[[nodiscard]] std::optional<std::vector<std::byte>> decode_text(std::string_view text);

}  // namespace coffer::attest::detect
