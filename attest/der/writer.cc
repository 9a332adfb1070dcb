#include "attest/der/writer.h"

#include <array>
#include <string>

namespace coffer::attest::der {

Bytes element(std::uint8_t tag, std::initializer_list<ByteView> parts) {
  std::size_t size = 0;
  for (const ByteView part : parts) size += part.size();
  Bytes out;
  out.reserve(size + 6);
  out.push_back(static_cast<std::byte>(tag));
  if (size < 0x80) {
    out.push_back(static_cast<std::byte>(size));
  } else {
    unsigned count = 1;
    while (size >> (8 * count) != 0) ++count;
    out.push_back(static_cast<std::byte>(0x80U | count));
    for (unsigned i = count; i > 0; --i) out.push_back(static_cast<std::byte>(size >> (8 * (i - 1))));
  }
  for (const ByteView part : parts) out.insert(out.end(), part.begin(), part.end());
  return out;
}

Bytes integer(std::uint64_t value) {
  std::array<std::byte, 8> bytes{};
  for (unsigned i = 0; i < 8; ++i) bytes.at(7 - i) = static_cast<std::byte>(value >> (8 * i));
  return integer(bytes);
}

Bytes integer(ByteView magnitude) {
  while (magnitude.size() > 1 && magnitude.front() == std::byte{0}) magnitude = magnitude.subspan(1);
  constexpr std::array<std::byte, 1> kZero{};
  if (magnitude.empty()) return element(kInteger, {kZero});
  const bool sign = (magnitude.front() & std::byte{0x80}) != std::byte{0};
  return element(kInteger, {ByteView(kZero).first(sign ? 1 : 0), magnitude});
}

Bytes boolean_value(bool value) {
  const std::byte byte{value ? std::uint8_t{0xff} : std::uint8_t{0}};
  return element(kBoolean, {ByteView(&byte, 1)});
}

Bytes object_identifier(ByteView contents) { return element(kObjectIdentifier, {contents}); }

Bytes bit_string(ByteView bytes) {
  constexpr std::array<std::byte, 1> kNoneUnused{};
  return element(kBitString, {kNoneUnused, bytes});
}

Bytes octet_string(ByteView bytes) { return element(kOctetString, {bytes}); }

Bytes text(std::uint8_t tag, std::string_view value) { return element(tag, {std::as_bytes(std::span(value))}); }

Bytes time_value(UnixTime time) {
  std::string digits;
  for (const char c : to_iso8601(time)) {
    if (c >= '0' && c <= '9') digits += c;
  }
  const bool utc = digits >= "1950" && digits < "2050";
  return text(utc ? kUtcTime : kGeneralizedTime, (utc ? digits.substr(2) : digits) + "Z");
}

}  // namespace coffer::attest::der
