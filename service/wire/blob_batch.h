// A transaction on the host's blobs, as bytes: for each change its kind (1: put, 2: remove), the name's size (16 bits),
// the blob's (32 bits), name, blob. Both sides check it.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"

namespace coffer::service {

struct BlobChange {
  std::string name;
  std::optional<std::vector<std::byte>> blob;  // nothing: remove it
};

inline constexpr std::size_t kLongestBlobName = 64;
inline constexpr std::size_t kLargestBlob = std::size_t{16} << 20;

[[nodiscard]] std::vector<std::byte> encode_batch(const std::vector<BlobChange>& changes);
// Nothing where the bytes are not such a batch, to their end.
[[nodiscard]] std::optional<std::vector<BlobChange>> decode_batch(ByteView bytes);

}  // namespace coffer::service
