// What sgx_sign does, by verb.
#pragma once

#include "base/result.h"
#include "compat/sgxsdk/tools/sign_options.h"

namespace coffer::sgxsdk {

// Prints what it made. Warnings go to standard error, one line each.
[[nodiscard]] Result<void> run_sign_tool(const SignOptions& options);

}  // namespace coffer::sgxsdk
