// The EDL compiler as commands: `coffer edl` and the two that builds look for by other names.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "edl/options.h"
#include "edl/source.h"

namespace coffer::edl {

// How a compilation talks.
struct Voice {
  Rendering rendering = Rendering::kCompiler;
  bool announce_files = false;  // "Processing PATH." on standard output for each file read
};

// Compiles each file and writes what comes of it; folders that are missing are made. Diagnostics go to standard error.
// An error is returned where a file could not be written; false: there were errors in the EDL files.
[[nodiscard]] Result<bool> compile(const std::vector<std::string>& files, const Options& options, const Voice& voice,
                                   std::vector<std::string>* written = nullptr);

// With the arguments, the output and the exit statuses (0, 1) of Open Enclave's compiler, and of the Intel SGX SDK's.
// The name of the program is not among the arguments.
[[nodiscard]] int run_oeedger8r(std::span<const char* const> arguments);
[[nodiscard]] int run_sgx_edger8r(std::span<const char* const> arguments);

}  // namespace coffer::edl
