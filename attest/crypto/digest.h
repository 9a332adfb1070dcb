// Digests, over OpenSSL. The functions are safe to call from several threads; a Hasher belongs to one at a time.
#pragma once

#include <array>
#include <cstdint>
#include <initializer_list>
#include <memory>

#include "base/bytes.h"

namespace coffer::attest::crypto {

enum class Hash : std::uint8_t { kSha1, kSha256, kSha384, kSha512 };
// Bytes of a digest: 20, 32, 48, 64.
[[nodiscard]] std::size_t size_of(Hash hash);

// A digest as a value.
class Digest {
 public:
  Digest() = default;
  // The first 64 bytes of `bytes` at most.
  explicit Digest(ByteView bytes);
  [[nodiscard]] ByteView bytes() const { return {bytes_.data(), size_}; }
  [[nodiscard]] std::size_t size() const { return size_; }
  operator ByteView() const { return bytes(); }
  bool operator==(const Digest& other) const = default;

 private:
  friend class Hasher;
  std::array<std::byte, 64> bytes_{};  // zero beyond size_
  std::size_t size_ = 0;
};

// Of the parts, one after the other. Out of memory, which is all that can go wrong here, throws std::bad_alloc.
[[nodiscard]] Digest digest(Hash hash, std::initializer_list<ByteView> parts);
[[nodiscard]] Digest digest(Hash hash, ByteView bytes);

// The same for bytes that come piece by piece.
class Hasher {
 public:
  explicit Hasher(Hash hash);
  ~Hasher();
  Hasher(Hasher&&) noexcept;
  Hasher& operator=(Hasher&&) noexcept;
  void update(ByteView bytes);
  // The digest of all so far; the next update() starts afresh.
  [[nodiscard]] Digest finish();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace coffer::attest::crypto
