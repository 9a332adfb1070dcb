#include "attest/tpm/uefi_variable.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "attest/tpm/device_path.h"
#include "base/hex.h"

namespace coffer::attest::tpm {

namespace {

constexpr std::array<unsigned char, kGuidSize> kGlobalVariable{0x61, 0xdf, 0xe4, 0x8b, 0xca, 0x93, 0xd2, 0x11,
                                                               0xaa, 0x0d, 0x00, 0xe0, 0x98, 0x03, 0x2b, 0x8c};

constexpr std::uint32_t kReplacement = 0xfffd;

void append_utf8(std::string& text, std::uint32_t character) {
  const auto put = [&text](std::uint32_t byte) { text += static_cast<char>(byte); };
  if (character < 0x80) {
    put(character);
  } else if (character < 0x800) {
    put(0xc0 | character >> 6);
    put(0x80 | (character & 0x3f));
  } else if (character < 0x10000) {
    put(0xe0 | character >> 12);
    put(0x80 | (character >> 6 & 0x3f));
    put(0x80 | (character & 0x3f));
  } else {
    put(0xf0 | character >> 18);
    put(0x80 | (character >> 12 & 0x3f));
    put(0x80 | (character >> 6 & 0x3f));
    put(0x80 | (character & 0x3f));
  }
}

// EFI_SIGNATURE_LIST types (UEFI 2.10, 32.4.1 and appendix N) that real databases hold.
std::string_view signature_kind(ByteView guid) {
  const std::string text = guid_text(guid);
  if (text == "a5c059a1-94e4-4aa7-87b5-ab155c2bf072") return "x509";
  if (text == "c1c41626-504c-4092-aca9-41f936934328") return "sha256";
  if (text == "3bd2a492-96c0-4079-b420-fcf98ef103ed") return "x509_sha256";
  if (text == "3c5766e8-269c-4e34-aa14-ed776e85b3b6") return "rsa2048";
  return "other";
}

}  // namespace

std::string guid_text(ByteView guid) {
  if (guid.size() < kGuidSize) return {};
  constexpr std::array<std::size_t, kGuidSize> kOrder{3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15};
  std::string text;
  for (std::size_t index = 0; index < kGuidSize; ++index) {
    if (index == 4 || index == 6 || index == 8 || index == 10) text += '-';
    text += to_hex(guid.subspan(kOrder[index], 1));
  }
  return text;
}

std::string text_of_utf16(ByteView bytes, std::size_t most) {
  std::string text;
  ByteReader reader(bytes);
  for (std::size_t count = 0; count < most; ++count) {
    const auto unit = reader.read<std::uint16_t>();
    if (!unit || *unit == 0) break;
    std::uint32_t character = *unit;
    if (character >= 0xd800 && character < 0xdc00) {
      ByteReader ahead = reader;
      const auto low = ahead.read<std::uint16_t>();
      if (low && *low >= 0xdc00 && *low < 0xe000) {
        character = 0x10000 + ((character - 0xd800) << 10) + (*low - 0xdc00U);
        reader = ahead;
      } else {
        character = kReplacement;
      }
    } else if (character >= 0xdc00 && character < 0xe000) {
      character = kReplacement;
    }
    append_utf8(text, character < 0x20 ? '?' : character);
  }
  return text;
}

std::string text_of_ascii(ByteView bytes, std::size_t most) {
  std::string text;
  for (const std::byte each : bytes.first(std::min(bytes.size(), most))) {
    const auto character = std::to_integer<unsigned char>(each);
    if (character == 0) break;
    text += character >= 0x20 && character < 0x7f ? static_cast<char>(character) : '?';
  }
  return text;
}

std::optional<UefiVariable> read_variable(ByteView data) {
  ByteReader reader(data);
  const auto guid = reader.take(kGuidSize);
  const auto name_length = reader.read<std::uint64_t>();  // in characters
  const auto content_length = reader.read<std::uint64_t>();
  if (!guid || !name_length || !content_length) return std::nullopt;
  if (*name_length > reader.remaining() / 2) return std::nullopt;
  const auto name = reader.take(*name_length * 2);
  // Some firmware counts a zero at the name's end that is not there, or pads the content; the content is what is left.
  if (!name || *content_length > reader.remaining()) return std::nullopt;
  return UefiVariable{.guid = *guid, .name = *name, .content = *reader.take(*content_length)};
}

bool is_global(const UefiVariable& variable) {
  return std::memcmp(variable.guid.data(), kGlobalVariable.data(), kGuidSize) == 0;
}

std::optional<Claims> describe_signatures(ByteView content) {
  std::array<std::int64_t, 5> counts{};
  constexpr std::array<std::string_view, 5> kKinds{"x509", "sha256", "x509_sha256", "rsa2048", "other"};
  ByteReader reader(content);
  while (reader.remaining() > 0) {
    const auto kind = reader.take(kGuidSize);
    const auto list_size = reader.read<std::uint32_t>();
    const auto header_size = reader.read<std::uint32_t>();
    const auto each_size = reader.read<std::uint32_t>();
    if (!kind || !list_size || !header_size || !each_size) return std::nullopt;
    constexpr std::uint32_t kHeader = kGuidSize + 12;
    if (*list_size < kHeader || *each_size <= kGuidSize || *header_size > *list_size - kHeader) return std::nullopt;
    if (!reader.take(*list_size - kHeader)) return std::nullopt;
    const auto index = static_cast<std::size_t>(std::ranges::find(kKinds, signature_kind(*kind)) - kKinds.begin());
    counts[index] += (*list_size - kHeader - *header_size) / *each_size;
  }
  Claims claims;
  for (std::size_t index = 0; index < kKinds.size(); ++index) {
    if (counts[index] != 0) claims.set(kKinds[index], counts[index]);
  }
  return claims;
}

std::optional<Claims> describe_load_option(ByteView content) {
  ByteReader reader(content);
  const auto attributes = reader.read<std::uint32_t>();
  const auto path_length = reader.read<std::uint16_t>();
  if (!attributes || !path_length) return std::nullopt;
  const ByteView rest = content.subspan(reader.position());
  std::size_t end = 0;
  while (end + 1 < rest.size() && (rest[end] != std::byte{0} || rest[end + 1] != std::byte{0})) end += 2;
  if (end + 1 >= rest.size()) return std::nullopt;
  const ByteView path = rest.subspan(end + 2);
  Claims claims;
  claims.set("description", text_of_utf16(rest.first(end)));
  claims.set("active", (*attributes & 1) != 0);
  if (*path_length <= path.size()) claims.set("device_path", device_path_text(path.first(*path_length)));
  return claims;
}

}  // namespace coffer::attest::tpm
