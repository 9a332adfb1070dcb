// From a system-call number to its handler. Freestanding.
#pragma once

#include <cstdint>

namespace coffer::kernel {

// Joins the tables of all topics. Once, at start. cpu_count is what the host says of the machine.
void init_dispatch(std::uint64_t cpu_count);
std::uint64_t cpu_count();

}  // namespace coffer::kernel
