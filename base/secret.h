// Secrets that wipe themselves, and comparison in constant time. Freestanding.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

namespace coffer {

// Overwrites memory in a way that the compiler may not drop.
inline void wipe(void* memory, std::size_t size) {
  auto* bytes = static_cast<volatile unsigned char*>(memory);
  for (std::size_t i = 0; i < size; ++i) bytes[i] = 0;
  asm volatile("" ::"r"(memory) : "memory");
}

// True where both views hold the same bytes. The time depends on the sizes only.
[[nodiscard]] inline bool equal_in_constant_time(std::span<const std::byte> a, std::span<const std::byte> b) {
  if (a.size() != b.size()) return false;
  unsigned difference = 0;
  for (std::size_t i = 0; i < a.size(); ++i) difference |= static_cast<unsigned>(a[i] ^ b[i]);
  asm volatile("" : "+r"(difference));
  return difference == 0;
}

// A fixed-size secret: zeroed when it is destroyed or moved from; copied only on purpose, through bytes().
template <std::size_t Size>
class SecretArray {
 public:
  SecretArray() = default;
  SecretArray(const SecretArray&) = delete;
  SecretArray& operator=(const SecretArray&) = delete;
  SecretArray(SecretArray&& other) noexcept : bytes_(other.bytes_) { other.clear(); }
  SecretArray& operator=(SecretArray&& other) noexcept {
    if (this != &other) {
      bytes_ = other.bytes_;
      other.clear();
    }
    return *this;
  }
  ~SecretArray() { clear(); }

  [[nodiscard]] std::span<std::byte, Size> bytes() { return bytes_; }
  [[nodiscard]] std::span<const std::byte, Size> bytes() const { return bytes_; }
  void clear() { wipe(bytes_.data(), Size); }

 private:
  std::array<std::byte, Size> bytes_{};
};

using Key128 = SecretArray<16>;
using Key256 = SecretArray<32>;

}  // namespace coffer
