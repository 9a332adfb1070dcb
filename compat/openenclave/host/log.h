// The host's logs. Thread-safe.
#pragma once

#include <openenclave/log.h>

#include <cstdint>
#include <string>

namespace coffer::openenclave {

// A line of the host's own; a line feed is added.
void log(oe_log_level_t level, const std::string& line);
// A message as the enclave or a program wrote it. What is above the level in force goes nowhere.
void log_message(bool is_enclave, oe_log_level_t level, const std::string& message);
[[nodiscard]] oe_log_level_t log_level();

}  // namespace coffer::openenclave
