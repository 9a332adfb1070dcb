// Targets of requests (RFC 3986): paths and queries.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace coffer::service {

// "%2F" and the like; nothing where a percent sign is followed by anything else, or a byte is 0.
[[nodiscard]] std::optional<std::string> decode_percent(std::string_view text, bool plus_is_space = false);

// "/a/b?c=d&e" into its path, as it stands, and its parameters, decoded. False where the target is no absolute path,
// holds control characters, "." or ".." segments, or has more than 64 parameters.
[[nodiscard]] bool split_target(std::string_view target, std::string& path,
                                std::vector<std::pair<std::string, std::string>>& query);

}  // namespace coffer::service
