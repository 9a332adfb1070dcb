// CONFIGID on command lines: what an enclave with key separation is told when it starts.
#pragma once

#include <string>

#include "base/result.h"
#include "sgx/arch.h"

namespace coffer::cli {

// At most 64 bytes in hexadecimal; zeros follow where it is shorter. `option` is for the message.
[[nodiscard]] Result<sgx::Bytes<64>> parse_config_id(const std::string& option, const std::string& text);

}  // namespace coffer::cli
