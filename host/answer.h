// The answer to an enclave's request, as registers of the next EENTER (boundary/calls.h).
#pragma once

#include <array>
#include <cstdint>

#include "boundary/calls.h"
#include "processor/entry.h"

namespace coffer::host {

inline void answer(processor::Registers& registers, std::int64_t result,
                   const std::array<std::uint64_t, 3>& extra = {}) {
  registers = {static_cast<std::uint64_t>(boundary::EnterCommand::kReturn), static_cast<std::uint64_t>(result),
               extra[0], extra[1], extra[2]};
}

}  // namespace coffer::host
