#include "attest/tpm/event_details.h"

#include <algorithm>
#include <cstring>
#include <string>

#include "attest/tpm/device_path.h"
#include "attest/tpm/uefi_variable.h"
#include "base/hex.h"

namespace coffer::attest::tpm {

namespace {

constexpr std::size_t kMostHexadecimal = 64;

std::string cut_hex(ByteView data) {
  std::string text = to_hex(data.first(std::min(data.size(), kMostHexadecimal)));
  if (data.size() > kMostHexadecimal) text += "...";
  return text;
}

std::string hexadecimal(std::uint64_t value) {
  std::uint64_t swapped = 0;
  for (int byte = 0; byte < 8; ++byte) swapped |= (value >> (8 * byte) & 0xff) << (8 * (7 - byte));
  const std::string digits = to_hex(bytes_of(swapped));
  return "0x" + digits.substr(std::min(digits.find_first_not_of('0'), digits.size() - 1));
}

bool printable(ByteView data) {
  ByteView text = data;
  while (!text.empty() && text.back() == std::byte{0}) text = text.first(text.size() - 1);
  return !text.empty() && std::ranges::all_of(text, [](std::byte each) {
    const auto character = std::to_integer<unsigned char>(each);
    return (character >= 0x20 && character < 0x7f) || character == '\n' || character == '\t';
  });
}

// Text of either width, as firmware and boot loaders write it.
bool looks_wide(ByteView data) {
  return data.size() >= 2 && data.size() % 2 == 0 && data[0] != std::byte{0} && data[1] == std::byte{0};
}

void describe_text(ByteView data, Claims& claims) {
  if (printable(data)) {
    claims.set("text", text_of_ascii(data));
  } else if (looks_wide(data)) {
    claims.set("text", text_of_utf16(data, 4096));
  } else {
    claims.set("hex", cut_hex(data));
  }
}

ClaimValue::List boot_order(ByteView content) {
  ClaimValue::List order;
  ByteReader reader(content);
  while (const auto number = reader.read<std::uint16_t>()) {
    const auto swapped = static_cast<std::uint16_t>(*number << 8 | *number >> 8);
    order.emplace_back("Boot" + to_hex(bytes_of(swapped)));
  }
  return order;
}

bool is_boot_option(std::string_view name) {
  return name.size() == 8 && name.starts_with("Boot") &&
         name.find_first_not_of("0123456789abcdefABCDEF", 4) == std::string_view::npos;
}

void describe_variable(const Event& event, Claims& claims) {
  const auto variable = read_variable(event.data);
  if (!variable) return claims.set("hex", cut_hex(event.data));
  const std::string name = text_of_utf16(variable->name, 256);
  const ByteView content = variable->content;
  claims.set("variable", name);
  claims.set("guid", guid_text(variable->guid));
  if (event.type == EventType::kVariableAuthority) {
    claims.set("size", std::uint64_t{content.size()});
    return;
  }
  if (name == "SecureBoot" && content.size() <= 1) {
    claims.set("enabled", !content.empty() && content[0] == std::byte{1});
  } else if (name == "PK" || name == "KEK" || name == "db" || name == "dbx" || name == "dbt" || name == "dbr") {
    if (auto signatures = describe_signatures(content)) claims.set("signatures", std::move(*signatures));
    claims.set("size", std::uint64_t{content.size()});
  } else if (name == "BootOrder") {
    claims.set("boot_order", boot_order(content));
  } else if (is_boot_option(name)) {
    if (auto option = describe_load_option(content)) claims.merge(*option);
  } else {
    claims.set("hex", cut_hex(content));
  }
}

// EFI_IMAGE_LOAD_EVENT (PC Client Platform Firmware Profile, 10.2.3).
void describe_image(ByteView data, Claims& claims) {
  ByteReader reader(data);
  const auto base = reader.read<std::uint64_t>();
  const auto length = reader.read<std::uint64_t>();
  const auto link_base = reader.read<std::uint64_t>();
  const auto path_length = reader.read<std::uint64_t>();
  if (!base || !length || !link_base || !path_length || *path_length > reader.remaining()) {
    return claims.set("hex", cut_hex(data));
  }
  claims.set("image_size", *length);
  claims.set("device_path", device_path_text(*reader.take(*path_length)));
}

// UEFI_GPT_DATA (10.2.5): the header, the number of partitions, the partitions.
void describe_partitions(ByteView data, Claims& claims) {
  constexpr std::size_t kHeader = 92, kDiskGuid = 56, kEntrySize = 84, kPlainEntry = 128;
  ByteReader reader(data);
  const auto header = reader.take(kHeader);
  const auto count = reader.read<std::uint64_t>();
  if (!header || !count) return claims.set("hex", cut_hex(data));
  std::uint32_t entry_size = 0;
  std::memcpy(&entry_size, header->data() + kEntrySize, sizeof entry_size);
  if (entry_size < kPlainEntry) entry_size = kPlainEntry;
  claims.set("disk", guid_text(header->subspan(kDiskGuid, kGuidSize)));
  ClaimValue::List partitions;
  for (std::uint64_t index = 0; index < *count; ++index) {
    const auto entry = reader.take(entry_size);
    if (!entry) break;
    std::uint64_t first = 0, last = 0;
    std::memcpy(&first, entry->data() + 32, sizeof first);
    std::memcpy(&last, entry->data() + 40, sizeof last);
    Claims partition;
    partition.set("type", guid_text(*entry));
    partition.set("guid", guid_text(entry->subspan(kGuidSize)));
    partition.set("first_block", first);
    partition.set("last_block", last);
    partition.set("name", text_of_utf16(entry->subspan(56, 72)));
    partitions.emplace_back(std::move(partition));
  }
  claims.set("partitions", std::move(partitions));
}

void describe_blob(const Event& event, Claims& claims) {
  ByteReader reader(event.data);
  if (event.type == EventType::kFirmwareBlob2 || event.type == EventType::kHandoffTables2) {
    const auto size = reader.read<std::uint8_t>();
    const auto name = size ? reader.take(*size) : std::nullopt;
    if (!name) return claims.set("hex", cut_hex(event.data));
    claims.set("text", text_of_ascii(*name));
    if (event.type == EventType::kHandoffTables2) return;
  }
  const auto base = reader.read<std::uint64_t>();
  const auto length = reader.read<std::uint64_t>();
  if (!base || !length || event.type == EventType::kHandoffTables) return claims.set("hex", cut_hex(event.data));
  claims.set("base", hexadecimal(*base));
  claims.set("size", *length);
}

// TCG_PCClientTaggedEvent: a number, a length, and what Linux's stub writes as text.
void describe_tag(ByteView data, Claims& claims) {
  ByteReader reader(data);
  const auto tag = reader.read<std::uint32_t>();
  const auto length = reader.read<std::uint32_t>();
  const auto content = tag && length ? reader.take(*length) : std::nullopt;
  if (!content) return claims.set("hex", cut_hex(data));
  claims.set("tag", hexadecimal(*tag));
  describe_text(*content, claims);
}

void describe_post_code(ByteView data, Claims& claims) {
  if (printable(data)) return claims.set("text", text_of_ascii(data));
  ByteReader reader(data);
  const auto base = reader.read<std::uint64_t>();
  const auto length = reader.read<std::uint64_t>();
  if (!base || !length || reader.remaining() != 0) return claims.set("hex", cut_hex(data));
  claims.set("base", hexadecimal(*base));
  claims.set("size", *length);
}

}  // namespace

Claims describe_data(const Event& event) {
  Claims claims;
  switch (event.type) {
    case EventType::kVariableDriverConfig:
    case EventType::kVariableBoot:
    case EventType::kVariableBoot2:
    case EventType::kVariableAuthority:
      describe_variable(event, claims);
      break;
    case EventType::kBootServicesApplication:
    case EventType::kBootServicesDriver:
    case EventType::kRuntimeServicesDriver:
      describe_image(event.data, claims);
      break;
    case EventType::kGpt:
    case EventType::kGpt2:
      describe_partitions(event.data, claims);
      break;
    case EventType::kFirmwareBlob:
    case EventType::kFirmwareBlob2:
    case EventType::kHandoffTables:
    case EventType::kHandoffTables2:
      describe_blob(event, claims);
      break;
    case EventType::kEventTag:
      describe_tag(event.data, claims);
      break;
    case EventType::kPostCode:
    case EventType::kPostCode2:
      describe_post_code(event.data, claims);
      break;
    case EventType::kNoAction:
      if (const auto locality = startup_locality(event)) claims.set("startup_locality", std::int64_t{*locality});
      claims.set("text", text_of_ascii(event.data.first(std::min<std::size_t>(event.data.size(), 16))));
      break;
    case EventType::kSeparator:
      claims.set("hex", cut_hex(event.data));
      break;
    default:
      describe_text(event.data, claims);
  }
  return claims;
}

Claims describe(const EventLog& log, const Event& event, Binding binding) {
  Claims claims;
  claims.set(log.confidential() ? "register" : "pcr", event.register_index);
  const std::string_view name = name_of(event.type);
  claims.set("type", name.empty() ? hexadecimal(static_cast<std::uint32_t>(event.type)) : std::string(name));
  Claims digests;
  for (const HashId hash : log.hashes()) {
    if (const ByteView digest = log.digest(event, hash); !digest.empty()) digests.set_hex(name_of(hash), digest);
  }
  claims.set("digests", std::move(digests));
  claims.set("data", name_of(binding));
  claims.merge(describe_data(event));
  return claims;
}

}  // namespace coffer::attest::tpm
