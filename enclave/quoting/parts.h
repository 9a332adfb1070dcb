// What both enclaves of quoting need.
#pragma once

#include "enclave/quoting/messages.h"

namespace coffer::quoting {

// TARGETINFO of this enclave.
[[nodiscard]] Status own_target(sgx::TargetInfo& target);

}  // namespace coffer::quoting
