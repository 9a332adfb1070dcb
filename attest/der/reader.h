// Reads DER (ITU-T X.690), narrowly: one-byte tags, definite lengths in their shortest form, nothing else. Everything
// read is a span of the bytes that were given, which stay the caller's; nothing is allocated and nothing is read twice.
// What is not of this form gives nothing (std::nullopt), and a reader that gave nothing once stays where it was. Values
// are safe to use from several threads as long as each has its own reader.
#pragma once

#include <cstdint>
#include <optional>

#include <coffer/attest/time.h>

#include "base/bytes.h"

namespace coffer::attest::der {

// Identifier octets (X.690, 8.1.2) of the universal types that certificates are made of.
inline constexpr std::uint8_t kBoolean = 0x01;
inline constexpr std::uint8_t kInteger = 0x02;
inline constexpr std::uint8_t kBitString = 0x03;
inline constexpr std::uint8_t kOctetString = 0x04;
inline constexpr std::uint8_t kNull = 0x05;
inline constexpr std::uint8_t kObjectIdentifier = 0x06;
inline constexpr std::uint8_t kEnumerated = 0x0a;
inline constexpr std::uint8_t kUtf8String = 0x0c;
inline constexpr std::uint8_t kPrintableString = 0x13;
inline constexpr std::uint8_t kIa5String = 0x16;
inline constexpr std::uint8_t kUtcTime = 0x17;
inline constexpr std::uint8_t kGeneralizedTime = 0x18;
inline constexpr std::uint8_t kUniversalString = 0x1c;
inline constexpr std::uint8_t kBmpString = 0x1e;
inline constexpr std::uint8_t kSequence = 0x30;
inline constexpr std::uint8_t kSet = 0x31;
// [number], constructed: an explicit tag, or an implicit one of a constructed type.
[[nodiscard]] constexpr std::uint8_t context(unsigned number) { return static_cast<std::uint8_t>(0xa0U | number); }
// [number], primitive: an implicit tag of a primitive type.
[[nodiscard]] constexpr std::uint8_t context_primitive(unsigned number) {
  return static_cast<std::uint8_t>(0x80U | number);
}

struct Element {
  std::uint8_t tag = 0;
  ByteView content;
  ByteView whole;  // with tag and length: what a signature is over
};

class Reader {
 public:
  explicit Reader(ByteView bytes) : rest_(bytes) {}

  [[nodiscard]] bool empty() const { return rest_.empty(); }
  [[nodiscard]] ByteView rest() const { return rest_; }
  // The identifier octet of what comes next; 0 at the end.
  [[nodiscard]] std::uint8_t next_tag() const {
    return rest_.empty() ? 0 : std::to_integer<std::uint8_t>(rest_.front());
  }

  // The next element, of any type.
  [[nodiscard]] std::optional<Element> read();
  // The next element, which must have this tag.
  [[nodiscard]] std::optional<Element> read(std::uint8_t tag);
  // A reader of the contents of the next element, which must have this tag.
  [[nodiscard]] std::optional<Reader> enter(std::uint8_t tag);

 private:
  ByteView rest_;
};

// The only element of `bytes`; nothing where bytes follow it.
[[nodiscard]] std::optional<Element> only(ByteView bytes, std::uint8_t tag);

// --- Values. Each takes the contents of an element of its type and refuses what is not their one DER form, but for
// boolean(), which also takes FALSE where it is the default and should have been left out.
[[nodiscard]] std::optional<bool> boolean(ByteView content);
// The bytes of an INTEGER that is not negative, big-endian, without leading zeros; zero is one zero byte.
[[nodiscard]] std::optional<ByteView> magnitude(ByteView content);
// Whether the contents are those of an INTEGER in its shortest form; negative ones too.
[[nodiscard]] bool is_integer(ByteView content);
// An INTEGER of 0 to 2^63-1.
[[nodiscard]] std::optional<std::uint64_t> small_integer(ByteView content);
// The bytes of a BIT STRING of whole bytes.
[[nodiscard]] std::optional<ByteView> whole_bits(ByteView content);
// Up to 16 named bits (X.680, 22.4): bit 0 is the value's lowest.
[[nodiscard]] std::optional<std::uint16_t> named_bits(ByteView content);
// Whether the contents are those of an OBJECT IDENTIFIER.
[[nodiscard]] bool is_object_identifier(ByteView content);
// UTCTime or GeneralizedTime, in the forms of RFC 5280, 4.1.2.5.
[[nodiscard]] std::optional<UnixTime> time(const Element& element);

// Whether two spans hold the same bytes.
[[nodiscard]] bool equal(ByteView a, ByteView b);

}  // namespace coffer::attest::der
