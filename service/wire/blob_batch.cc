#include "service/wire/blob_batch.h"

namespace coffer::service {
namespace {

enum class Kind : std::uint8_t { kPut = 1, kRemove = 2 };

template <class T>
void append(std::vector<std::byte>& to, T value) {
  const ByteView bytes = bytes_of(value);
  to.insert(to.end(), bytes.begin(), bytes.end());
}

}  // namespace

std::vector<std::byte> encode_batch(const std::vector<BlobChange>& changes) {
  std::vector<std::byte> bytes;
  for (const BlobChange& change : changes) {
    append(bytes, change.blob ? Kind::kPut : Kind::kRemove);
    append(bytes, static_cast<std::uint16_t>(change.name.size()));
    append(bytes, static_cast<std::uint32_t>(change.blob ? change.blob->size() : 0));
    const ByteView name = std::as_bytes(std::span(change.name));
    bytes.insert(bytes.end(), name.begin(), name.end());
    if (change.blob) bytes.insert(bytes.end(), change.blob->begin(), change.blob->end());
  }
  return bytes;
}

std::optional<std::vector<BlobChange>> decode_batch(ByteView bytes) {
  ByteReader reader(bytes);
  std::vector<BlobChange> changes;
  while (reader.remaining() != 0) {
    const auto kind = reader.read<std::uint8_t>();
    const auto name_size = reader.read<std::uint16_t>();
    const auto blob_size = reader.read<std::uint32_t>();
    if (!kind || !name_size || !blob_size || *name_size == 0 || *name_size > kLongestBlobName) return std::nullopt;
    const bool put = *kind == static_cast<std::uint8_t>(Kind::kPut);
    if (!put && (*kind != static_cast<std::uint8_t>(Kind::kRemove) || *blob_size != 0)) return std::nullopt;
    const auto name = reader.take(*name_size);
    const auto blob = reader.take(*blob_size);
    if (!name || !blob || *blob_size > kLargestBlob) return std::nullopt;
    BlobChange& change = changes.emplace_back();
    change.name.assign(reinterpret_cast<const char*>(name->data()), name->size());
    if (put) change.blob.emplace(blob->begin(), blob->end());
  }
  return changes;
}

}  // namespace coffer::service
