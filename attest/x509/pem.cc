#include "attest/x509/pem.h"

#include <array>

namespace coffer::attest::x509 {

namespace {

constexpr std::uint8_t kNoDigit = 0xff;
constexpr std::uint8_t kSpace = 0xfe;

constexpr std::array<std::uint8_t, 256> kDigits = [] {
  std::array<std::uint8_t, 256> digits{};
  digits.fill(kNoDigit);
  constexpr std::string_view kAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  for (std::size_t i = 0; i < kAlphabet.size(); ++i) {
    digits[static_cast<unsigned char>(kAlphabet[i])] = static_cast<std::uint8_t>(i);
  }
  for (const char space : std::string_view(" \t\r\n\v\f")) digits[static_cast<unsigned char>(space)] = kSpace;
  return digits;
}();

constexpr std::string_view kBegin = "-----BEGIN ";
constexpr std::string_view kDashes = "-----";

}  // namespace

std::optional<std::vector<std::byte>> from_base64(std::string_view text) {
  std::vector<std::byte> bytes;
  bytes.reserve(text.size() / 4 * 3);
  unsigned bits = 0;  // not yet written, in the low end of `value`
  unsigned value = 0;
  std::size_t digits = 0;
  std::size_t padding = 0;
  for (const char c : text) {
    const std::uint8_t digit = kDigits[static_cast<unsigned char>(c)];
    if (digit == kSpace) continue;
    if (c == '=') {
      ++padding;
      continue;
    }
    if (digit == kNoDigit || padding != 0) return std::nullopt;
    ++digits;
    value = (value << 6U | digit) & 0xffffU;
    bits += 6;
    if (bits >= 8) {
      bits -= 8;
      bytes.push_back(static_cast<std::byte>(value >> bits & 0xffU));
    }
  }
  const bool whole = padding <= 2 && (digits + padding) % 4 == 0;
  const bool clean = (value & ((1U << bits) - 1)) == 0;
  if (!whole || !clean) return std::nullopt;
  return bytes;
}

Result<std::vector<PemBlock>> parse_pem(std::string_view text, std::size_t most) {
  std::vector<PemBlock> blocks;
  for (std::size_t begin = text.find(kBegin); begin != std::string_view::npos; begin = text.find(kBegin)) {
    const std::string where = "PEM: block " + std::to_string(blocks.size() + 1);
    if (blocks.size() == most) return input_error("PEM: more than " + std::to_string(most) + " blocks");
    text.remove_prefix(begin + kBegin.size());
    const std::size_t label_end = text.find(kDashes);
    if (label_end == std::string_view::npos) return input_error(where + " begins without a name");
    const std::string_view label = text.substr(0, label_end);
    if (label.size() > 64 || label.find('\n') != std::string_view::npos) {
      return input_error(where + " begins without a name");
    }
    text.remove_prefix(label_end + kDashes.size());
    const std::size_t end = text.find(kDashes);
    const std::string closing = "-----END " + std::string(label) + "-----";
    if (end == std::string_view::npos || !text.substr(end).starts_with(closing)) {
      return input_error(where + " has no end: \"" + closing + "\" is missing");
    }
    std::optional<std::vector<std::byte>> bytes = from_base64(text.substr(0, end));
    if (!bytes) return input_error(where + " is not Base64");
    text.remove_prefix(end + closing.size());
    blocks.push_back({.label = label, .bytes = std::move(*bytes)});
  }
  return blocks;
}

}  // namespace coffer::attest::x509
