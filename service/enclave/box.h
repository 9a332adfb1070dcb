// AES-256-GCM of one blob: nonce (12 bytes, random), ciphertext, tag (16), the blob's name authenticated along.
#pragma once

#include <coffer/secret_bytes.h>

#include <array>
#include <optional>
#include <string_view>
#include <vector>

#include "base/bytes.h"

namespace coffer::service {

using BoxTag = std::array<std::byte, 16>;

[[nodiscard]] std::vector<std::byte> close_box(std::span<const std::byte, 32> key, std::string_view name,
                                               ByteView plain);
// Nothing where the box is not authentic under that key and name.
[[nodiscard]] std::optional<SecretBytes> open_box(std::span<const std::byte, 32> key, std::string_view name,
                                                  ByteView box);
// The tag of a box, which names its contents: nobody without the key makes another box with it.
[[nodiscard]] std::optional<BoxTag> tag_of(ByteView box);
// HMAC-SHA-256 of a name, its first 16 bytes in hexadecimal: what the host sees in its place.
[[nodiscard]] std::string hidden_name(std::span<const std::byte, 32> key, std::string_view name);

}  // namespace coffer::service
