// An event log among the checks of a verification.
#pragma once

#include <optional>

#include <coffer/attest/verification.h>

#include "attest/tpm/boot_claims.h"
#include "attest/tpm/event_log.h"
#include "attest/tpm/replay.h"

namespace coffer::attest::tpm {

inline constexpr std::string_view kFirmwareProfile = "TCG PC Client Platform Firmware Profile, 10";

// A log that was read, and what it leads to.
struct ReplayedLog {
  EventLog log;
  Registers registers;
};
// kInput where the log cannot be read, or none of its hash algorithms is known here.
[[nodiscard]] Result<ReplayedLog> read_log(ByteView bytes);

// Claims what the log says, as far as the registers of `covered` prove it by the digests of `proof`, and notes whether
// all data fits. Data that does not fit fails nothing: it is never claimed, and real boot loaders write such events.
void claim_log(const ReplayedLog& replayed, HashId proof, std::uint32_t covered, Verification& answer);

}  // namespace coffer::attest::tpm
