#include "attest/tpm/replay.h"

#include <algorithm>

namespace coffer::attest::tpm {

namespace {

// The dynamic registers, which only a late launch sets to zero (PC Client Platform TPM Profile, 4.6.2).
constexpr std::uint32_t kFirstDynamic = 17, kLastDynamic = 22;

}  // namespace

const Bank* Registers::find(HashId hash) const {
  const auto found = std::ranges::find(banks, hash, &Bank::hash);
  return found != banks.end() ? &*found : nullptr;
}

Digest reset_value(HashId hash, std::uint32_t index) {
  Digest value;
  value.size = digest_size(hash);
  if (index >= kFirstDynamic && index <= kLastDynamic) {
    std::ranges::fill(std::span(value.bytes).first(value.size), std::byte{0xff});
  }
  return value;
}

std::optional<Bank> replay(const EventLog& log, HashId hash) {
  Bank bank;
  bank.hash = hash;
  for (std::uint32_t index = 0; index < kMostRegisters; ++index) {
    bank.values[index] = log.confidential() ? reset_value(hash, 0) : reset_value(hash, index);
  }
  Hasher hasher(hash);
  for (const Event& event : log.events()) {
    if (event.type == EventType::kNoAction) {
      const auto locality = startup_locality(event);
      if (locality && event.register_index == 0 && !bank.is_extended(0)) {
        bank.values[0].bytes[bank.values[0].size - 1] = std::byte{*locality};
      }
      continue;
    }
    const ByteView digest = log.digest(event, hash);
    if (digest.empty()) continue;
    Digest& value = bank.values[event.register_index];
    const auto extended = hasher.digest({value.view(), digest});
    if (!extended) return std::nullopt;
    value = *extended;
    bank.extended |= std::uint32_t{1} << event.register_index;
  }
  return bank;
}

Registers replay(const EventLog& log) {
  Registers registers;
  for (const HashId hash : log.hashes()) {
    if (auto bank = replay(log, hash)) registers.banks.push_back(std::move(*bank));
  }
  return registers;
}

}  // namespace coffer::attest::tpm
