// Where running enclaves are registered, logs are kept and crash reports stand. All folders are the user's alone
// (0700): one that is another's, or open to others, is an error and is not used.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

#include "base/file.h"
#include "base/result.h"

namespace coffer::operate {

// Sockets of running host processes: $COFFER_HOME/run where COFFER_HOME is set, else $XDG_RUNTIME_DIR/coffer, else run/
// in the state directory.
[[nodiscard]] Result<std::filesystem::path> run_folder();
// Detached runs, each a folder; crash reports.
[[nodiscard]] Result<std::filesystem::path> detached_folder();
[[nodiscard]] Result<std::filesystem::path> crash_folder();

// Makes the folder where it is missing, and checks whose it is.
[[nodiscard]] Result<std::filesystem::path> private_folder(const std::filesystem::path& folder);

// Twelve random hexadecimal digits.
[[nodiscard]] std::string new_id();
[[nodiscard]] bool is_id(std::string_view text);
// What `--name` takes: letters, digits, ".", "_", "-", up to 63 characters, none of which first but a letter or digit.
[[nodiscard]] bool is_name(std::string_view text);

// Milliseconds since 1970, and as ISO 8601: 2026-11-22T14:03:11.123Z.
[[nodiscard]] std::int64_t now_ms();
[[nodiscard]] std::string iso_time(std::int64_t ms);

}  // namespace coffer::operate
