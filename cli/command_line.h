// The whole command: what main() calls, and tests too.
#pragma once

#include <CLI/CLI.hpp>

#include <filesystem>
#include <memory>

#include "base/result.h"

namespace coffer::cli {

// Parses the arguments and runs the verb they name; returns the exit status (0, 1 or 2, or the enclave's for `run`).
[[nodiscard]] int run_command(int argument_count, const char* const* arguments);

// The command with all its verbs, for parsing and for the manual. A verb that was parsed and ran leaves its exit status
// in `status`, which must outlive the command.
[[nodiscard]] std::unique_ptr<CLI::App> make_command(int& status);

// A part of Coffer that stands beside the running command, e.g. "enclave-kernel.elf" in ../libexec/coffer.
[[nodiscard]] Result<std::filesystem::path> installed_part(const char* name);

}  // namespace coffer::cli
