#include "attest/tpm/event_log.h"

#include <algorithm>
#include <cstring>

namespace coffer::attest::tpm {

namespace {

constexpr std::string_view kAgile{"Spec ID Event03\0", 16};
constexpr std::string_view kStartupLocality{"StartupLocality\0", 16};
constexpr std::size_t kSha1Size = 20;

Error error_at(std::size_t offset, std::string what) {
  return {ErrorKind::kInput, "event log: " + std::move(what) + " at offset " + std::to_string(offset)};
}

bool starts_with(ByteView data, std::string_view text) {
  return data.size() >= text.size() && std::memcmp(data.data(), text.data(), text.size()) == 0;
}

// Where the run of bytes that can be padding starts, at the end of the log.
std::size_t padding_start(ByteView bytes) {
  std::size_t start = bytes.size();
  // A table's memory is many times its log: eight equal bytes at a time, then one by one.
  std::uint64_t word = 0;
  while (start >= sizeof word) {
    std::memcpy(&word, bytes.data() + start - sizeof word, sizeof word);
    if (word != 0 && word != ~std::uint64_t{0}) break;
    start -= sizeof word;
  }
  while (start > 0 && (bytes[start - 1] == std::byte{0x00} || bytes[start - 1] == std::byte{0xff})) --start;
  return start;
}

struct NamedType {
  EventType type;
  std::string_view name;
};
constexpr std::array kNames{
    NamedType{EventType{0x0}, "EV_PREBOOT_CERT"},
    NamedType{EventType::kPostCode, "EV_POST_CODE"},
    NamedType{EventType{0x2}, "EV_UNUSED"},
    NamedType{EventType::kNoAction, "EV_NO_ACTION"},
    NamedType{EventType::kSeparator, "EV_SEPARATOR"},
    NamedType{EventType::kAction, "EV_ACTION"},
    NamedType{EventType::kEventTag, "EV_EVENT_TAG"},
    NamedType{EventType::kCrtmContents, "EV_S_CRTM_CONTENTS"},
    NamedType{EventType::kCrtmVersion, "EV_S_CRTM_VERSION"},
    NamedType{EventType{0x9}, "EV_CPU_MICROCODE"},
    NamedType{EventType::kPlatformConfigFlags, "EV_PLATFORM_CONFIG_FLAGS"},
    NamedType{EventType::kTableOfDevices, "EV_TABLE_OF_DEVICES"},
    NamedType{EventType::kCompactHash, "EV_COMPACT_HASH"},
    NamedType{EventType::kIpl, "EV_IPL"},
    NamedType{EventType::kIplPartitionData, "EV_IPL_PARTITION_DATA"},
    NamedType{EventType{0xf}, "EV_NONHOST_CODE"},
    NamedType{EventType{0x10}, "EV_NONHOST_CONFIG"},
    NamedType{EventType::kNonHostInfo, "EV_NONHOST_INFO"},
    NamedType{EventType::kOmitBootDeviceEvents, "EV_OMIT_BOOT_DEVICE_EVENTS"},
    NamedType{EventType::kPostCode2, "EV_POST_CODE2"},
    NamedType{EventType{0x80000000}, "EV_EFI_EVENT_BASE"},
    NamedType{EventType::kVariableDriverConfig, "EV_EFI_VARIABLE_DRIVER_CONFIG"},
    NamedType{EventType::kVariableBoot, "EV_EFI_VARIABLE_BOOT"},
    NamedType{EventType::kBootServicesApplication, "EV_EFI_BOOT_SERVICES_APPLICATION"},
    NamedType{EventType::kBootServicesDriver, "EV_EFI_BOOT_SERVICES_DRIVER"},
    NamedType{EventType::kRuntimeServicesDriver, "EV_EFI_RUNTIME_SERVICES_DRIVER"},
    NamedType{EventType::kGpt, "EV_EFI_GPT_EVENT"},
    NamedType{EventType::kEfiAction, "EV_EFI_ACTION"},
    NamedType{EventType::kFirmwareBlob, "EV_EFI_PLATFORM_FIRMWARE_BLOB"},
    NamedType{EventType::kHandoffTables, "EV_EFI_HANDOFF_TABLES"},
    NamedType{EventType::kFirmwareBlob2, "EV_EFI_PLATFORM_FIRMWARE_BLOB2"},
    NamedType{EventType::kHandoffTables2, "EV_EFI_HANDOFF_TABLES2"},
    NamedType{EventType::kVariableBoot2, "EV_EFI_VARIABLE_BOOT2"},
    NamedType{EventType::kGpt2, "EV_EFI_GPT_EVENT2"},
    NamedType{EventType::kHcrtm, "EV_EFI_HCRTM_EVENT"},
    NamedType{EventType::kVariableAuthority, "EV_EFI_VARIABLE_AUTHORITY"},
    NamedType{EventType{0x800000e1}, "EV_EFI_SPDM_FIRMWARE_BLOB"},
    NamedType{EventType{0x800000e2}, "EV_EFI_SPDM_FIRMWARE_CONFIG"},
    NamedType{EventType{0x800000e3}, "EV_EFI_SPDM_DEVICE_POLICY"},
    NamedType{EventType{0x800000e4}, "EV_EFI_SPDM_DEVICE_AUTHORITY"},
};

// The `size` bytes of data of the event that begins at `offset`.
Result<ByteView> take_data(ByteReader& reader, std::size_t offset, std::uint32_t size) {
  const auto data = reader.take(size);
  if (data) return *data;
  return std::unexpected(error_at(offset, "an event claims " + std::to_string(size) + " bytes of data and " +
                                              std::to_string(reader.remaining()) + " are left"));
}

// One TCG_PCR_EVENT, the form of every first event.
Result<Event> read_sha1_event(ByteReader& reader) {
  Event event;
  event.offset = reader.position();
  const auto index = reader.read<std::uint32_t>();
  const auto type = reader.read<std::uint32_t>();
  const auto digest = reader.take(kSha1Size);
  const auto size = reader.read<std::uint32_t>();
  if (!index || !type || !digest || !size) return std::unexpected(error_at(event.offset, "an event is cut short"));
  const auto data = take_data(reader, event.offset, *size);
  if (!data) return std::unexpected(data.error());
  event.register_index = *index;
  event.type = EventType{*type};
  event.digests = *digest;
  event.data = *data;
  return event;
}

}  // namespace

std::string_view name_of(EventType type) {
  const auto* found = std::ranges::find(kNames, type, &NamedType::type);
  return found != kNames.end() ? found->name : std::string_view{};
}

const EventLog::Algorithm* EventLog::algorithm(std::uint16_t number) const {
  const auto known = std::span(algorithms_).first(algorithm_count_);
  const auto found = std::ranges::find(known, number, &Algorithm::number);
  return found != known.end() ? &*found : nullptr;
}

// TCG_EfiSpecIDEvent, whose `data` starts with kAgile.
Result<void> EventLog::read_header(ByteView data) {
  ByteReader reader(data);
  (void)reader.take(kAgile.size() + 8);  // platform class, version, size of UINTN
  const auto count = reader.read<std::uint32_t>();
  if (!count) return std::unexpected(error_at(0, "the Spec ID event is cut short"));
  if (*count == 0 || *count > kMostAlgorithms) {
    return std::unexpected(error_at(0, "the Spec ID event names " + std::to_string(*count) + " hash algorithms"));
  }
  for (std::uint32_t index = 0; index < *count; ++index) {
    const auto number = reader.read<std::uint16_t>();
    const auto size = reader.read<std::uint16_t>();
    if (!number || !size) return std::unexpected(error_at(0, "the Spec ID event is cut short"));
    const auto hash = hash_of_number(*number);
    if (algorithm(*number) != nullptr || (hash && digest_size(*hash) != *size)) {
      return std::unexpected(error_at(
          0, "the Spec ID event names hash algorithm " + std::to_string(*number) + " twice or with a wrong size"));
    }
    algorithms_[algorithm_count_++] = {*number, *size};
    if (hash) hashes_[hash_count_++] = *hash;
  }
  const auto vendor = reader.read<std::uint8_t>();
  if (vendor && !reader.take(*vendor)) return std::unexpected(error_at(0, "the Spec ID event is cut short"));
  crypto_agile_ = true;
  return {};
}

Result<ByteView> EventLog::read_digests(ByteReader& reader) const {
  const std::size_t start = reader.position();
  const auto count = reader.read<std::uint32_t>();
  if (!count) return std::unexpected(error_at(start, "an event is cut short"));
  if (*count > algorithm_count_) {
    return std::unexpected(error_at(start, "an event has " + std::to_string(*count) + " digests, and the log is for " +
                                               std::to_string(algorithm_count_) + " algorithms"));
  }
  // The digests are walked once here, so that every later look at them stays inside.
  ByteReader walker = reader;
  std::size_t length = 0;
  std::uint32_t seen = 0;
  for (std::uint32_t index = 0; index < *count; ++index) {
    const auto number = walker.read<std::uint16_t>();
    if (!number) return std::unexpected(error_at(walker.position(), "an event is cut short"));
    const Algorithm* known = algorithm(*number);
    if (known == nullptr) {
      return std::unexpected(error_at(
          walker.position(),
          "an event has a digest of algorithm " + std::to_string(*number) + ", which the Spec ID event does not name"));
    }
    const auto bit = std::uint32_t{1} << (known - algorithms_.data());
    if ((seen & bit) != 0) return std::unexpected(error_at(walker.position(), "an event has two digests of one kind"));
    seen |= bit;
    if (!walker.take(known->size)) return std::unexpected(error_at(walker.position(), "an event is cut short"));
    length += sizeof(std::uint16_t) + known->size;
  }
  return *reader.take(length);
}

Result<Event> EventLog::read_event(ByteReader& reader) const {
  if (!crypto_agile_) return read_sha1_event(reader);
  Event event;
  event.offset = reader.position();
  const auto index = reader.read<std::uint32_t>();
  const auto type = reader.read<std::uint32_t>();
  if (!index || !type) return std::unexpected(error_at(event.offset, "an event is cut short"));
  const auto digests = read_digests(reader);
  if (!digests) return std::unexpected(digests.error());
  const auto size = reader.read<std::uint32_t>();
  if (!size) return std::unexpected(error_at(event.offset, "an event is cut short"));
  const auto data = take_data(reader, event.offset, *size);
  if (!data) return std::unexpected(data.error());
  event.register_index = *index;
  event.type = EventType{*type};
  event.digests = *digests;
  event.data = *data;
  return event;
}

Result<void> EventLog::read_events(ByteView bytes, ByteReader& reader) {
  // No event is all zeros and ones: one of register 0, type 0 and no digest does not exist.
  const std::size_t padding = padding_start(bytes);
  while (reader.remaining() > 0 && reader.position() < padding) {
    const std::size_t start = reader.position();
    const auto event = read_event(reader);
    if (!event) return std::unexpected(event.error());
    if (event->type != EventType::kNoAction && event->register_index >= kMostRegisters) {
      return std::unexpected(error_at(start, "an event is for register " + std::to_string(event->register_index)));
    }
    events_.push_back(*event);
    size_ = reader.position();
  }
  return {};
}

Result<EventLog> EventLog::parse(ByteView bytes) {
  EventLog log;
  if (bytes.empty()) return std::unexpected(error_at(0, "it is empty"));
  ByteReader reader(bytes);
  const auto first = read_sha1_event(reader);
  if (!first) return std::unexpected(first.error());
  if (first->type == EventType::kNoAction && starts_with(first->data, kAgile)) {
    if (const auto read = log.read_header(first->data); !read) return std::unexpected(read.error());
    log.confidential_ = first->register_index == 1;  // firmware of TDX writes its header for the first RTMR
    log.size_ = reader.position();
  } else {
    log.hashes_[log.hash_count_++] = HashId::kSha1;
    reader = ByteReader(bytes);
  }
  if (const auto read = log.read_events(bytes, reader); !read) return std::unexpected(read.error());
  if (!log.crypto_agile_ && log.events_.empty()) return std::unexpected(error_at(0, "it has no event"));
  return log;
}

ByteView EventLog::digest(const Event& event, HashId hash) const {
  if (!crypto_agile_) return hash == HashId::kSha1 ? event.digests : ByteView{};
  ByteReader reader(event.digests);
  while (const auto number = reader.read<std::uint16_t>()) {
    const Algorithm* known = algorithm(*number);
    if (known == nullptr) return {};
    const auto digest = reader.take(known->size);
    if (!digest) return {};
    if (*number == static_cast<std::uint16_t>(hash)) return *digest;
  }
  return {};
}

std::optional<std::uint8_t> startup_locality(const Event& event) {
  if (event.type != EventType::kNoAction || !starts_with(event.data, kStartupLocality)) return std::nullopt;
  if (event.data.size() <= kStartupLocality.size()) return std::nullopt;
  return std::to_integer<std::uint8_t>(event.data[kStartupLocality.size()]);
}

}  // namespace coffer::attest::tpm
