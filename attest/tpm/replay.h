// What the registers hold after a log: every event's digest extended in order.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <vector>

#include "attest/tpm/event_log.h"

namespace coffer::attest::tpm {

// The registers of one hash algorithm.
struct Bank {
  HashId hash{};
  std::uint32_t extended = 0;  // bit n: an event extended register n
  std::array<Digest, kMostRegisters> values{};

  [[nodiscard]] bool is_extended(std::uint32_t index) const { return ((extended >> index) & 1) != 0; }
};

struct Registers {
  std::vector<Bank> banks;  // in the order of the log's hashes
  // Null where there is no such bank.
  [[nodiscard]] const Bank* find(HashId hash) const;
};

// TPM 2.0 Library, part 1, 17.2 (extend); PC Client Platform Firmware Profile, 10.4.5.3 (PCR 0 starts with the locality
// of TPM2_Startup). Registers that no event extends hold what they hold after a start: zeros, or ones in PCR 17 to 22.
// A bank whose algorithm this OpenSSL lacks is left out.
[[nodiscard]] Registers replay(const EventLog& log);
// Of one bank alone.
[[nodiscard]] std::optional<Bank> replay(const EventLog& log, HashId hash);

// What a PCR holds after TPM2_Startup at locality 0.
[[nodiscard]] Digest reset_value(HashId hash, std::uint32_t index);

}  // namespace coffer::attest::tpm
