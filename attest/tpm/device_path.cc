#include "attest/tpm/device_path.h"

#include <optional>

#include "attest/tpm/uefi_variable.h"
#include "base/hex.h"

namespace coffer::attest::tpm {

namespace {

template <class T>
std::optional<T> at(ByteView data, std::size_t offset) {
  if (!range_fits(offset, sizeof(T), data.size())) return std::nullopt;
  T value;
  std::memcpy(&value, data.data() + offset, sizeof(T));
  return value;
}

std::string hexadecimal(std::uint64_t value) {
  std::string text;
  do {
    text.insert(text.begin(), "0123456789abcdef"[value & 15]);
    value >>= 4;
  } while (value != 0);
  return "0x" + text;
}

template <class T>
std::string hexadecimal_at(ByteView data, std::size_t offset) {
  const auto value = at<T>(data, offset);
  return value ? hexadecimal(*value) : "?";
}

std::string hardware(unsigned subtype, ByteView data) {
  if (subtype == 1)
    return "Pci(" + hexadecimal_at<std::uint8_t>(data, 1) + "," + hexadecimal_at<std::uint8_t>(data, 0) + ")";
  if (subtype == 3) {
    return "MemoryMapped(" + hexadecimal_at<std::uint32_t>(data, 0) + "," + hexadecimal_at<std::uint64_t>(data, 4) +
           "," + hexadecimal_at<std::uint64_t>(data, 12) + ")";
  }
  if (subtype == 4 && data.size() >= kGuidSize) return "VenHw(" + guid_text(data) + ")";
  return {};
}

std::string acpi(unsigned subtype, ByteView data) {
  if (subtype != 1) return {};
  constexpr std::uint32_t kPciRoot = 0x0a0341d0, kPcieRoot = 0x0a0841d0;
  const auto id = at<std::uint32_t>(data, 0);
  if (id == kPciRoot) return "PciRoot(" + hexadecimal_at<std::uint32_t>(data, 4) + ")";
  if (id == kPcieRoot) return "PcieRoot(" + hexadecimal_at<std::uint32_t>(data, 4) + ")";
  return "Acpi(" + hexadecimal_at<std::uint32_t>(data, 0) + "," + hexadecimal_at<std::uint32_t>(data, 4) + ")";
}

std::string messaging(unsigned subtype, ByteView data) {
  switch (subtype) {
    case 1:
      return "Ata(" + hexadecimal_at<std::uint8_t>(data, 0) + "," + hexadecimal_at<std::uint8_t>(data, 1) + "," +
             hexadecimal_at<std::uint16_t>(data, 2) + ")";
    case 2:
      return "Scsi(" + hexadecimal_at<std::uint16_t>(data, 0) + "," + hexadecimal_at<std::uint16_t>(data, 2) + ")";
    case 5:
      return "USB(" + hexadecimal_at<std::uint8_t>(data, 0) + "," + hexadecimal_at<std::uint8_t>(data, 1) + ")";
    case 11:
      return "MAC(" + (data.size() >= 6 ? to_hex(data.first(6)) : "?") + ")";
    case 12:
      return "IPv4()";
    case 13:
      return "IPv6()";
    case 18:
      return "Sata(" + hexadecimal_at<std::uint16_t>(data, 0) + "," + hexadecimal_at<std::uint16_t>(data, 2) + "," +
             hexadecimal_at<std::uint16_t>(data, 4) + ")";
    case 23:
      return "NVMe(" + hexadecimal_at<std::uint32_t>(data, 0) + "," +
             (data.size() >= 12 ? to_hex(data.subspan(4, 8)) : "?") + ")";
    case 24:
      return "Uri(" + text_of_ascii(data, 512) + ")";
    default:
      return {};
  }
}

std::string hard_drive(ByteView data) {
  const auto partition = at<std::uint32_t>(data, 0);
  const auto signature_type = at<std::uint8_t>(data, 37);
  if (!partition || !signature_type) return {};
  std::string text = "HD(" + std::to_string(*partition);
  if (*signature_type == 2) {
    text += ",GPT," + guid_text(data.subspan(20, kGuidSize));
  } else if (*signature_type == 1) {
    text += ",MBR," + hexadecimal_at<std::uint32_t>(data, 20);
  }
  return text + "," + hexadecimal_at<std::uint64_t>(data, 4) + "," + hexadecimal_at<std::uint64_t>(data, 12) + ")";
}

std::string media(unsigned subtype, ByteView data) {
  switch (subtype) {
    case 1:
      return hard_drive(data);
    case 2:
      return "CDROM(" + hexadecimal_at<std::uint32_t>(data, 0) + ")";
    case 3:
      return data.size() >= kGuidSize ? "VenMedia(" + guid_text(data) + ")" : std::string{};
    case 4:
      return "File(" + text_of_utf16(data) + ")";
    case 6:
      return data.size() >= kGuidSize ? "FvFile(" + guid_text(data) + ")" : std::string{};
    case 7:
      return data.size() >= kGuidSize ? "Fv(" + guid_text(data) + ")" : std::string{};
    case 8:
      return "Offset(" + hexadecimal_at<std::uint64_t>(data, 4) + "," + hexadecimal_at<std::uint64_t>(data, 12) + ")";
    default:
      return {};
  }
}

std::string node_text(unsigned type, unsigned subtype, ByteView data) {
  std::string text;
  if (type == 1) text = hardware(subtype, data);
  if (type == 2) text = acpi(subtype, data);
  if (type == 3) text = messaging(subtype, data);
  if (type == 4) text = media(subtype, data);
  if (type == 5) text = "BBS(" + text_of_ascii(data.subspan(std::min<std::size_t>(data.size(), 4)), 256) + ")";
  if (text.empty()) text = "Path(" + std::to_string(type) + "," + std::to_string(subtype) + ")";
  return text;
}

}  // namespace

std::string device_path_text(ByteView path) {
  constexpr std::size_t kMostText = 8192;
  constexpr unsigned kEnd = 0x7f, kEndOfInstance = 0x01;
  std::string text;
  ByteReader reader(path);
  while (reader.remaining() > 0 && text.size() < kMostText) {
    const auto type = reader.read<std::uint8_t>();
    const auto subtype = reader.read<std::uint8_t>();
    const auto length = reader.read<std::uint16_t>();  // with these four bytes
    if (!type || !subtype || !length || *length < 4) return text + "/...";
    const auto data = reader.take(*length - std::size_t{4});
    if (!data) return text + "/...";
    if (*type == kEnd) {
      if (*subtype != kEndOfInstance) break;
      text += ",";
      continue;
    }
    if (!text.empty() && text.back() != ',') text += "/";
    text += node_text(*type, *subtype, *data);
  }
  return text;
}

}  // namespace coffer::attest::tpm
