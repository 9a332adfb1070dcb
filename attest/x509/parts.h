// What certificates and revocation lists share: names, algorithms, extensions. This room's own.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "attest/crypto/public_key.h"
#include "attest/der/reader.h"

namespace coffer::attest::x509 {

// An extension (RFC 5280, 4.1.2.9). The spans point into the certificate.
struct Extension {
  ByteView oid;  // the contents of its OBJECT IDENTIFIER
  bool critical = false;
  ByteView value;  // the contents of its OCTET STRING
};

// Whether it is a Name (RFC 5280, 4.1.2.4) whose attributes are readable as text.
[[nodiscard]] bool is_name(ByteView contents);
// The text of the last attribute of this type in a Name's contents; empty where there is none. Bytes of strings that
// are not of one byte a character come as they are.
[[nodiscard]] std::string attribute_of(ByteView name_contents, ByteView type);

// The scheme that an AlgorithmIdentifier's contents name; nothing where it is not one of SignatureScheme.
[[nodiscard]] std::optional<crypto::SignatureScheme> scheme_of(ByteView algorithm_contents);

// Extensions, each type once; nothing where they are not of the form.
[[nodiscard]] std::optional<std::vector<Extension>> read_extensions(ByteView contents);
[[nodiscard]] const Extension* find_extension(const std::vector<Extension>& extensions, ByteView oid);

// The outer form of everything that is signed: SEQUENCE { what is signed, algorithm, signature }, and nothing after it.
struct Signed {
  der::Element body;
  ByteView algorithm;  // contents
  ByteView signature;
};
[[nodiscard]] std::optional<Signed> read_signed(ByteView bytes);

// The contents of an OBJECT IDENTIFIER as a constant.
template <class... Octets>
[[nodiscard]] constexpr auto oid(Octets... octets) {
  return std::array<std::byte, sizeof...(Octets)>{static_cast<std::byte>(octets)...};
}
inline constexpr auto kCommonName = oid(0x55, 0x04, 0x03);                // 2.5.4.3
inline constexpr auto kKeyUsage = oid(0x55, 0x1d, 0x0f);                  // 2.5.29.15
inline constexpr auto kBasicConstraints = oid(0x55, 0x1d, 0x13);          // 2.5.29.19
inline constexpr auto kCrlNumber = oid(0x55, 0x1d, 0x14);                 // 2.5.29.20
inline constexpr auto kIssuingDistributionPoint = oid(0x55, 0x1d, 0x1c);  // 2.5.29.28
inline constexpr auto kCrlDistributionPoints = oid(0x55, 0x1d, 0x1f);     // 2.5.29.31
inline constexpr auto kDeltaCrlIndicator = oid(0x55, 0x1d, 0x1b);         // 2.5.29.27
inline constexpr auto kAuthorityKeyId = oid(0x55, 0x1d, 0x23);            // 2.5.29.35
inline constexpr auto kSubjectKeyId = oid(0x55, 0x1d, 0x0e);              // 2.5.29.14

}  // namespace coffer::attest::x509
