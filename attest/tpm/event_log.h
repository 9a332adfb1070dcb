// TCG event logs: what firmware and boot loaders measured, in order.
//
// Read are the SHA-1 form (TCG PC Client Platform Firmware Profile, TCG_PCR_EVENT), the crypto-agile form
// (TCG_PCR_EVENT2 after a "Spec ID Event03") and the log of confidential computing firmware (CCEL, the same form, with
// measurement registers for PCRs). A parsed log points into the bytes that it was made from; they must outlive it.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "attest/tpm/hash.h"
#include "base/bytes.h"
#include "base/result.h"

namespace coffer::attest::tpm {

// PC Client Platform Firmware Profile, 10.4.1. Numbers of the wire.
enum class EventType : std::uint32_t {
  kPostCode = 0x1,
  kNoAction = 0x3,
  kSeparator = 0x4,
  kAction = 0x5,
  kEventTag = 0x6,
  kCrtmContents = 0x7,
  kCrtmVersion = 0x8,
  kPlatformConfigFlags = 0xa,
  kTableOfDevices = 0xb,
  kCompactHash = 0xc,
  kIpl = 0xd,
  kIplPartitionData = 0xe,
  kNonHostInfo = 0x11,
  kOmitBootDeviceEvents = 0x12,
  kPostCode2 = 0x13,
  kVariableDriverConfig = 0x80000001,
  kVariableBoot = 0x80000002,
  kBootServicesApplication = 0x80000003,
  kBootServicesDriver = 0x80000004,
  kRuntimeServicesDriver = 0x80000005,
  kGpt = 0x80000006,
  kEfiAction = 0x80000007,
  kFirmwareBlob = 0x80000008,
  kHandoffTables = 0x80000009,
  kFirmwareBlob2 = 0x8000000a,
  kHandoffTables2 = 0x8000000b,
  kVariableBoot2 = 0x8000000c,
  kGpt2 = 0x8000000d,
  kHcrtm = 0x80000010,
  kVariableAuthority = 0x800000e0,
};
// "EV_SEPARATOR"; empty where the number is no type of the profile.
[[nodiscard]] std::string_view name_of(EventType type);

struct Event {
  std::uint32_t register_index = 0;  // of a PCR; in a CCEL of a measurement register, where 0 is MRTD and n is RTMR n-1
  EventType type{};
  ByteView digests;  // as they stand in the log: in the SHA-1 form the digest, else algorithm and digest by turns
  ByteView data;
  std::size_t offset = 0;  // in the log
};

inline constexpr std::uint32_t kMostRegisters = 32;

class EventLog {
 public:
  // Zero bytes and 0xff bytes after the last event are padding. Anything that is not of the form is an error of the
  // kind kInput, with the offset.
  [[nodiscard]] static Result<EventLog> parse(ByteView bytes);

  // Without the "Spec ID" event of the crypto-agile form, which measures nothing.
  [[nodiscard]] const std::vector<Event>& events() const { return events_; }
  [[nodiscard]] bool crypto_agile() const { return crypto_agile_; }
  // Firmware of a confidential virtual machine wrote it: registers are counted from MRTD.
  [[nodiscard]] bool confidential() const { return confidential_; }
  // The hashes that the log is made for and that are known here, in its order.
  [[nodiscard]] std::span<const HashId> hashes() const { return std::span(hashes_).first(hash_count_); }
  // Empty where the event has no digest of that kind.
  [[nodiscard]] ByteView digest(const Event& event, HashId hash) const;
  // Without the padding.
  [[nodiscard]] std::size_t size() const { return size_; }

 private:
  struct Algorithm {
    std::uint16_t number;
    std::uint16_t size;
  };
  [[nodiscard]] Result<void> read_header(ByteView data);
  [[nodiscard]] Result<ByteView> read_digests(ByteReader& reader) const;
  [[nodiscard]] const Algorithm* algorithm(std::uint16_t number) const;
  [[nodiscard]] Result<void> read_events(ByteView bytes, ByteReader& reader);
  [[nodiscard]] Result<Event> read_event(ByteReader& reader) const;

  static constexpr std::size_t kMostAlgorithms = 16;
  std::vector<Event> events_;
  std::array<Algorithm, kMostAlgorithms> algorithms_{};
  std::array<HashId, kMostHashes> hashes_{};
  std::size_t algorithm_count_ = 0, hash_count_ = 0, size_ = 0;
  bool crypto_agile_ = false, confidential_ = false;
};

// The locality in a "StartupLocality" event (PC Client Platform Firmware Profile, 10.4.5.3).
[[nodiscard]] std::optional<std::uint8_t> startup_locality(const Event& event);

}  // namespace coffer::attest::tpm
