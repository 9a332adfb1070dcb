// What verbs read: files, and "-" for standard input.
#pragma once

#include <string>

#include "base/result.h"

namespace coffer::cli {

// The whole of a file, or of standard input where `path` is "-"; more than `limit` bytes is an error.
[[nodiscard]] Result<std::string> read_text(const std::string& path, std::size_t limit);

}  // namespace coffer::cli
