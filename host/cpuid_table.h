// What this CPU answers to the questions of boundary/cpuid.h: the table that a starting enclave is given.
#pragma once

#include <vector>

#include "boundary/cpuid.h"

namespace coffer::host {

// At most boundary::kMaxCpuidEntries; without the leaves that this CPU does not have.
[[nodiscard]] std::vector<boundary::CpuidEntry> cpuid_table();

}  // namespace coffer::host
