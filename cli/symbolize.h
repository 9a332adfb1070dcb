// coffer symbolize, a verb like those of verbs.h.
#pragma once

#include <CLI/CLI.hpp>

namespace coffer::cli {

void add_symbolize(CLI::App& app, int& status);

}  // namespace coffer::cli
