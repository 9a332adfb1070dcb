#include "attest/der/reader.h"

#include <algorithm>
#include <string_view>

namespace coffer::attest::der {

namespace {

std::uint8_t octet(ByteView bytes, std::size_t index) { return std::to_integer<std::uint8_t>(bytes[index]); }

struct Length {
  std::size_t header = 0;  // bytes of tag and length
  std::size_t content = 0;
};

// X.690, 8.1.3 and 10.1: the short form up to 127, the long form with the fewest bytes above. Four bytes of length are
// more than any certificate has.
std::optional<Length> length_of(ByteView bytes) {
  if (bytes.size() < 2) return std::nullopt;
  const std::uint8_t first = octet(bytes, 1);
  if (first < 0x80) return Length{.header = 2, .content = first};
  const std::size_t count = first & 0x7fU;
  if (count == 0 || count > 4 || bytes.size() < 2 + count) return std::nullopt;
  std::size_t content = 0;
  for (std::size_t i = 0; i < count; ++i) content = content << 8U | octet(bytes, 2 + i);
  const bool shortest = content >= 0x80 && octet(bytes, 2) != 0;
  if (!shortest) return std::nullopt;
  return Length{.header = 2 + count, .content = content};
}

}  // namespace

std::optional<Element> Reader::read() {
  const std::optional<Length> length = length_of(rest_);
  if (!length || length->content > rest_.size() - length->header) return std::nullopt;
  const std::uint8_t tag = octet(rest_, 0);
  if ((tag & 0x1fU) == 0x1fU) return std::nullopt;  // tags of more than one byte
  const Element element{.tag = tag,
                        .content = rest_.subspan(length->header, length->content),
                        .whole = rest_.first(length->header + length->content)};
  rest_ = rest_.subspan(element.whole.size());
  return element;
}

std::optional<Element> Reader::read(std::uint8_t tag) {
  if (rest_.empty() || octet(rest_, 0) != tag) return std::nullopt;
  return read();
}

std::optional<Reader> Reader::enter(std::uint8_t tag) {
  const std::optional<Element> element = read(tag);
  if (!element) return std::nullopt;
  return Reader(element->content);
}

std::optional<Element> only(ByteView bytes, std::uint8_t tag) {
  Reader reader(bytes);
  std::optional<Element> element = reader.read(tag);
  if (!element || !reader.empty()) return std::nullopt;
  return element;
}

std::optional<bool> boolean(ByteView content) {
  if (content.size() != 1) return std::nullopt;
  const std::uint8_t value = octet(content, 0);
  if (value != 0 && value != 0xff) return std::nullopt;
  return value != 0;
}

bool is_integer(ByteView content) {
  if (content.empty()) return false;
  if (content.size() == 1) return true;
  const bool sign = (octet(content, 1) & 0x80U) != 0;
  return octet(content, 0) != (sign ? 0xff : 0x00);
}

std::optional<ByteView> magnitude(ByteView content) {
  if (!is_integer(content) || (octet(content, 0) & 0x80U) != 0) return std::nullopt;
  return content.size() > 1 && octet(content, 0) == 0 ? content.subspan(1) : content;
}

std::optional<std::uint64_t> small_integer(ByteView content) {
  const std::optional<ByteView> bytes = magnitude(content);
  if (!bytes || content.size() > 8) return std::nullopt;
  std::uint64_t value = 0;
  for (const std::byte byte : *bytes) value = value << 8U | std::to_integer<std::uint64_t>(byte);
  return value;
}

std::optional<ByteView> whole_bits(ByteView content) {
  if (content.empty() || octet(content, 0) != 0) return std::nullopt;
  return content.subspan(1);
}

std::optional<std::uint16_t> named_bits(ByteView content) {
  if (content.empty() || content.size() > 3) return std::nullopt;
  const unsigned unused = octet(content, 0);
  if (unused > 7 || (content.size() == 1 && unused != 0)) return std::nullopt;
  unsigned value = 0;
  for (std::size_t i = 1; i < content.size(); ++i) {
    for (unsigned bit = 0; bit < 8; ++bit) {
      const bool set = (octet(content, i) & (0x80U >> bit)) != 0;
      const bool beyond = i + 1 == content.size() && bit >= 8 - unused;
      if (set && beyond) return std::nullopt;
      if (set) value |= 1U << ((i - 1) * 8 + bit);
    }
  }
  return static_cast<std::uint16_t>(value);
}

bool is_object_identifier(ByteView content) {
  if (content.empty() || (octet(content, content.size() - 1) & 0x80U) != 0) return false;
  bool starts = true;  // of a subidentifier, which has no leading zeros
  for (const std::byte byte : content) {
    if (starts && byte == std::byte{0x80}) return false;
    starts = (byte & std::byte{0x80}) == std::byte{0};
  }
  return true;
}

std::optional<UnixTime> time(const Element& element) {
  const std::string_view text(reinterpret_cast<const char*>(element.content.data()), element.content.size());
  if (element.tag == kUtcTime) return parse_utc_time(text);
  if (element.tag == kGeneralizedTime) return parse_generalized_time(text);
  return std::nullopt;
}

bool equal(ByteView a, ByteView b) { return std::ranges::equal(a, b); }

}  // namespace coffer::attest::der
