// The EDL compiler as commands: `coffer edl` and the two that builds look for by other names.
#pragma once

#include <functional>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "edl/options.h"
#include "edl/source.h"

namespace coffer::edl {

struct Compilation {
  bool good = true;  // false: there were errors in the EDL files; nothing was written for the one that has them
  std::vector<Diagnostic> diagnostics;
  std::vector<std::string> written;  // paths
};

// Compiles each file, up to the first with errors, and writes what comes of it; folders that are missing are made. An
// error is returned where a file could not be written. `reading` is told each EDL file before it is read.
[[nodiscard]] Result<Compilation> compile(const std::vector<std::string>& files, const Options& options,
                                          const std::function<void(const std::string& path)>& reading = {});

// With the arguments, the output and the exit statuses (0, 1) of Open Enclave's compiler, and of the Intel SGX SDK's.
// The name of the program is not among the arguments.
[[nodiscard]] int run_oeedger8r(std::span<const char* const> arguments);
[[nodiscard]] int run_sgx_edger8r(std::span<const char* const> arguments);

}  // namespace coffer::edl
