// What `-dumpfile` holds: the SIGSTRUCT as text, with the labels that scripts look for (metadata->enclave_css.*, and
// mrsigner->value).
#pragma once

#include <string>

#include "sgx/arch.h"

namespace coffer::sgxsdk {

[[nodiscard]] std::string dump_text(const sgx::Sigstruct& sigstruct);

}  // namespace coffer::sgxsdk
