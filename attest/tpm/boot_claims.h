// What a log says about how a machine started.
#pragma once

#include <cstddef>
#include <optional>
#include <string>

#include <coffer/attest/claims.h>

#include "attest/tpm/event_log.h"
#include "attest/tpm/replay.h"

namespace coffer::attest::tpm {

struct BootClaims {
  Claims claims;              // see below
  std::size_t differing = 0;  // events whose data is not what their digest is of, where it should be
  std::string differing_at;   // which: "3, 17", for a person
};

inline constexpr std::uint32_t kAllRegisters = 0xffffffff;

// `events` (each decoded), `event_count`, `pcrs_after_replay` (what the registers hold after the log, by bank and
// index) and, only of events whose data the digests of `proof` prove, in the registers of the mask `covered`:
// secureBootEnabled, secure_boot_variables, boot_order, boot_options, kernel_command_line; boot_components names what
// was loaded (a path is a description, the digest is what counts). Of a CCEL also `rtmr_from_log`. secureBootEnabled is
// absent where the log does not say it in a way that can be believed.
[[nodiscard]] BootClaims describe_boot(const EventLog& log, const Registers& registers, HashId proof,
                                       std::uint32_t covered = kAllRegisters);

// The strongest hash that every measuring event of the log has a digest of; nothing where there is none.
[[nodiscard]] std::optional<HashId> strongest_hash(const EventLog& log);

}  // namespace coffer::attest::tpm
