// What the verbs for running enclaves share: texts for people.
#pragma once

#include <cstdint>
#include <string>

#include "host/operate/detached.h"

namespace coffer::cli {

[[nodiscard]] std::string size_text(std::uint64_t bytes);       // "12.5M"
[[nodiscard]] std::string age_text(std::int64_t milliseconds);  // "3 min"
[[nodiscard]] std::string end_text(
    const operate::DetachedRun& run);  // "exited (0)", "killed (SIGSEGV)", "lost", "running"
[[nodiscard]] std::string detached_json(const operate::DetachedRun& run);

}  // namespace coffer::cli
