// Lower-case hexadecimal text.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"

namespace coffer {

[[nodiscard]] std::string to_hex(ByteView bytes);
// Accepts both cases; nothing where the length is odd or a character is not a digit.
[[nodiscard]] std::optional<std::vector<std::byte>> from_hex(std::string_view text);

}  // namespace coffer
