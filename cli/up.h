// The verb `up`: as those of verbs.h, apart from it because it stands on the services, which some builds leave out.
#pragma once

#include <CLI/CLI.hpp>

namespace coffer::cli {

void add_up(CLI::App& app, int& status);

}  // namespace coffer::cli
