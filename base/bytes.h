// Bytes at borders: views, a bounds-checked reader, and little-endian loads and stores.
// Freestanding: used by the enclave kernel and the processor too. No allocation, no exceptions.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <type_traits>

namespace coffer {

using ByteView = std::span<const std::byte>;
using ByteSpan = std::span<std::byte>;

// The object representation of a trivially copyable value.
template <class T>
  requires std::is_trivially_copyable_v<T>
[[nodiscard]] ByteView bytes_of(const T& value) {
  return std::as_bytes(std::span<const T, 1>(&value, 1));
}
template <class T>
  requires std::is_trivially_copyable_v<T>
[[nodiscard]] ByteSpan writable_bytes_of(T& value) {
  return std::as_writable_bytes(std::span<T, 1>(&value, 1));
}

// True where [offset, offset + length) lies inside [0, size), computed without overflow.
[[nodiscard]] constexpr bool range_fits(std::uint64_t offset, std::uint64_t length, std::uint64_t size) {
  return offset <= size && length <= size - offset;
}

// Reads values off the front of a view; every read is checked and nothing is read twice.
class ByteReader {
 public:
  explicit ByteReader(ByteView data) : data_(data) {}

  [[nodiscard]] std::size_t remaining() const { return data_.size() - position_; }
  [[nodiscard]] std::size_t position() const { return position_; }

  // The next `length` bytes, or nothing where fewer are left.
  [[nodiscard]] std::optional<ByteView> take(std::size_t length) {
    if (length > remaining()) return std::nullopt;
    ByteView taken = data_.subspan(position_, length);
    position_ += length;
    return taken;
  }

  // The next value in memory order; fields are little-endian as everything in SGX is.
  template <class T>
    requires std::is_trivially_copyable_v<T>
  [[nodiscard]] std::optional<T> read() {
    auto taken = take(sizeof(T));
    if (!taken) return std::nullopt;
    T value;
    std::memcpy(&value, taken->data(), sizeof(T));
    return value;
  }

 private:
  ByteView data_;
  std::size_t position_ = 0;
};

}  // namespace coffer
