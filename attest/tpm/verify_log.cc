#include "attest/tpm/verify_log.h"

#include <algorithm>

#include <coffer/attest/tpm.h>

#include "base/hex.h"

namespace coffer::attest {

namespace tpm {

Result<ReplayedLog> read_log(ByteView bytes) {
  auto log = EventLog::parse(bytes);
  if (!log) return std::unexpected(log.error());
  Registers registers = replay(*log);
  if (registers.banks.empty()) return input_error("event log: none of its hash algorithms is known here");
  return ReplayedLog{std::move(*log), std::move(registers)};
}

void claim_log(const ReplayedLog& replayed, HashId proof, std::uint32_t covered, Verification& answer) {
  const BootClaims boot = describe_boot(replayed.log, replayed.registers, proof, covered);
  answer.claims.merge(boot.claims);
  if (boot.differing == 0) {
    answer.checks.note("event_log.data", kFirmwareProfile, true, "data that is measured fits its digest", "fits");
  } else {
    answer.checks.not_done("event_log.data", kFirmwareProfile,
                           "the data of " + std::to_string(boot.differing) +
                               " events does not fit their digests, and is "
                               "not believed: events " +
                               boot.differing_at);
  }
}

}  // namespace tpm

namespace {

constexpr std::string_view kCcel = "Guest-Host-Communication Interface for TDX, 4.3 (CCEL)";
constexpr std::uint32_t kRuntimeRtmr = 3;  // for whoever runs in the guest; firmware does not log it

}  // namespace

Result<Verification> verify_event_log(std::span<const std::byte> event_log) {
  auto replayed = tpm::read_log(event_log);
  if (!replayed) return std::unexpected(replayed.error());
  Verification answer;
  answer.tee = replayed->log.confidential() ? Tee::kTdx : Tee::kTpm;
  answer.checks.note("event_log.form", tpm::kFirmwareProfile, true, "events to the end of the log",
                     std::to_string(replayed->log.events().size()) + " events");
  const auto proof = strongest_hash(replayed->log).value_or(replayed->registers.banks.front().hash);
  tpm::claim_log(*replayed, proof, tpm::kAllRegisters, answer);
  answer.checks.not_done("event_log.replay", tpm::kFirmwareProfile,
                         "there is no quote: whoever gave the log can have written it");
  return answer;
}

Result<void> verify_ccel(std::span<const std::byte> event_log, const std::array<std::span<const std::byte>, 4>& rtmrs,
                         Verification& answer) {
  auto replayed = tpm::read_log(event_log);
  if (!replayed) return std::unexpected(replayed.error());
  const tpm::Bank* bank = replayed->registers.find(tpm::HashId::kSha384);
  if (bank == nullptr) return input_error("event log: it has no SHA-384 digests, and RTMRs are made of those");
  bool all = true;
  for (std::uint32_t index = 0; index < rtmrs.size(); ++index) {
    const ByteView value = bank->values[index + 1].view();
    const bool same = std::ranges::equal(value, rtmrs[index]);
    if (!same && index == kRuntimeRtmr && !bank->is_extended(index + 1)) {
      answer.checks.not_done("event_log.replay", kCcel, "RTMR 3 was extended after the firmware's log");
      continue;
    }
    const std::string name = "RTMR " + std::to_string(index) + " ";
    all = answer.checks.note("event_log.replay", kCcel, same, name + to_hex(rtmrs[index]), name + to_hex(value)) && all;
  }
  std::uint32_t covered = 0b11110;
  if (!bank->is_extended(kRuntimeRtmr + 1)) covered &= ~(std::uint32_t{1} << (kRuntimeRtmr + 1));
  tpm::claim_log(*replayed, tpm::HashId::kSha384, all ? covered : 0, answer);
  return {};
}

}  // namespace coffer::attest
