#include "enclave/kernel/support/crypto_selftest.h"

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "base/secret.h"
#include "enclave/kernel/support/crypto.h"

namespace coffer::kernel {
namespace {

template <std::size_t Size>
constexpr std::array<std::byte, Size> counting_bytes() {
  std::array<std::byte, Size> bytes{};
  for (std::size_t i = 0; i < Size; ++i) bytes[i] = static_cast<std::byte>(i);
  return bytes;
}

template <class... Values>
constexpr std::array<std::byte, sizeof...(Values)> bytes(Values... values) {
  return {static_cast<std::byte>(values)...};
}

// Of the texts below, from two implementations that are not this one (Python's hashlib and cryptography packages).
constexpr auto kTextDigest =
    bytes(0xa8, 0xaf, 0x09, 0x9b, 0xf2, 0xe8, 0x78, 0x60, 0x95, 0x58, 0xdb, 0xf6, 0x9d, 0x8f, 0x88, 0xf4, 0xa3, 0x10,
          0x40, 0xa8, 0xcf, 0x84, 0xb5, 0x49, 0xa0, 0xcf, 0xa9, 0x12, 0xf1, 0x2f, 0xfc, 0x3f);
constexpr auto kCiphertextDigest =
    bytes(0x07, 0x74, 0x6e, 0x57, 0x28, 0x00, 0x32, 0xf2, 0x21, 0xc2, 0x57, 0x63, 0x19, 0x02, 0x8b, 0x7c, 0xac, 0x19,
          0xed, 0x91, 0xfc, 0x10, 0xee, 0x40, 0x0a, 0x05, 0x74, 0xaf, 0x5c, 0xcb, 0x28, 0x7c);
constexpr auto kTag =
    bytes(0x12, 0x4b, 0x3c, 0x2a, 0xa7, 0x42, 0x94, 0x33, 0x6d, 0x2e, 0xb0, 0x74, 0x62, 0x2d, 0xae, 0x61);
constexpr auto kAad = bytes('c', 'o', 'f', 'f', 'e', 'r');

}  // namespace

bool crypto_self_test() {
  const auto text = counting_bytes<1000>();
  std::array<std::byte, kSha256Size> digest{};
  sha256(text, digest);
  if (!equal_in_constant_time(digest, kTextDigest)) return false;

  AesGcm256 cipher(counting_bytes<32>());
  const auto nonce = counting_bytes<kAesGcmNonceSize>();
  std::array<std::byte, 1000> copy{};
  std::array<std::byte, kAesGcmTagSize> tag{};
  cipher.seal(nonce, kAad, text, copy, tag);
  if (!equal_in_constant_time(tag, kTag)) return false;
  sha256(copy, digest);
  if (!equal_in_constant_time(digest, kCiphertextDigest)) return false;
  if (!cipher.open(nonce, kAad, copy, copy, tag) || !equal_in_constant_time(copy, text)) return false;
  tag[0] ^= std::byte{1};
  return !cipher.open(nonce, kAad, text, copy, tag);
}

}  // namespace coffer::kernel
