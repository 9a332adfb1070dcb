// Text that somebody else wrote, for messages and terminals.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace coffer {

// At most `most` bytes of it, with '?' for every control character: one line, whatever it held.
[[nodiscard]] std::string one_line(std::string_view text, std::size_t most = 400);

}  // namespace coffer
