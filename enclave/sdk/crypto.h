// The few cryptographic operations of the library, by OpenSSL. Every function answers false where OpenSSL fails.
#pragma once

#include <cstddef>
#include <initializer_list>
#include <span>
#include <string_view>

namespace coffer::sdk {

using Bytes = std::span<const std::byte>;
using Pieces = std::initializer_list<Bytes>;

inline constexpr std::size_t kGcmTag = 16, kGcmNonce = 12;

// AES-256-GCM (NIST SP 800-38D). Associated data are the pieces, one after another. `ciphertext` has plaintext's size;
// no nonce twice under one key.
[[nodiscard]] bool gcm_seal(std::span<const std::byte, 32> key, std::span<const std::byte, kGcmNonce> nonce,
                            Pieces associated, Bytes plaintext, std::span<std::byte> ciphertext,
                            std::span<std::byte, kGcmTag> tag);
// False where the tag does not fit; `plaintext` is wiped then.
[[nodiscard]] bool gcm_open(std::span<const std::byte, 32> key, std::span<const std::byte, kGcmNonce> nonce,
                            Pieces associated, Bytes ciphertext, std::span<std::byte> plaintext,
                            std::span<const std::byte, kGcmTag> tag);

// One block of HKDF-Expand with SHA-256 (RFC 5869, 2.3); `key` is uniformly random. The info is label and context.
[[nodiscard]] bool expand_key(Bytes key, std::string_view label, Bytes context, std::span<std::byte, 32> output);
// HKDF-Extract with SHA-256 (RFC 5869, 2.2).
[[nodiscard]] bool extract_key(Bytes salt, Bytes material, std::span<std::byte, 32> output);

[[nodiscard]] bool sha256(Pieces pieces, std::span<std::byte, 32> digest);
[[nodiscard]] bool hmac_sha256(Bytes key, Bytes data, std::span<std::byte, 32> mac);

[[nodiscard]] inline Bytes bytes_of_text(std::string_view text) { return std::as_bytes(std::span(text)); }

}  // namespace coffer::sdk
