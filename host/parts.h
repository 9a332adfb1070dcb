// Where the installed product's parts are: beside the running program, or where it was installed.
#pragma once

#include <filesystem>
#include <string_view>

#include "base/result.h"

namespace coffer::host {

// The file `name` ("coffer-cell", "enclave-kernel.elf") of libexec/coffer: $COFFER_LIBEXEC, then ../libexec/coffer of
// the running program, then the installation's folder.
[[nodiscard]] Result<std::filesystem::path> find_part(std::string_view name);

}  // namespace coffer::host
