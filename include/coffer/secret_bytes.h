// Secrets of any size that wipe themselves.
#pragma once

#include <cstddef>
#include <cstring>
#include <memory>
#include <span>
#include <string_view>
#include <utility>

namespace coffer {

// Owns bytes and overwrites them when it is destroyed, assigned to or moved from. Copied on purpose only, by
// SecretBytes::copy_of(). Not thread-safe.
//
//   coffer::SecretBytes key(32);
//   fill(key.bytes());
class SecretBytes {
 public:
  SecretBytes() = default;
  explicit SecretBytes(std::size_t size) : bytes_(std::make_unique<std::byte[]>(size)), size_(size) {}
  [[nodiscard]] static SecretBytes copy_of(std::span<const std::byte> bytes) {
    SecretBytes copy(bytes.size());
    if (!bytes.empty()) std::memcpy(copy.bytes_.get(), bytes.data(), bytes.size());
    return copy;
  }
  SecretBytes(const SecretBytes&) = delete;
  SecretBytes& operator=(const SecretBytes&) = delete;
  SecretBytes(SecretBytes&& other) noexcept : bytes_(std::move(other.bytes_)), size_(std::exchange(other.size_, 0)) {}
  SecretBytes& operator=(SecretBytes&& other) noexcept {
    if (this != &other) {
      clear();
      bytes_ = std::move(other.bytes_);
      size_ = std::exchange(other.size_, 0);
    }
    return *this;
  }
  ~SecretBytes() { clear(); }

  [[nodiscard]] std::span<std::byte> bytes() { return {bytes_.get(), size_}; }
  [[nodiscard]] std::span<const std::byte> bytes() const { return {bytes_.get(), size_}; }
  // The bytes as text. They stay where they are: keep the object for as long as the view.
  [[nodiscard]] std::string_view text() const { return {reinterpret_cast<const char*>(bytes_.get()), size_}; }
  [[nodiscard]] std::size_t size() const { return size_; }
  [[nodiscard]] bool empty() const { return size_ == 0; }
  void clear() {
    if (bytes_ != nullptr) ::explicit_bzero(bytes_.get(), size_);
    bytes_.reset();
    size_ = 0;
  }

 private:
  std::unique_ptr<std::byte[]> bytes_;
  std::size_t size_ = 0;
};

}  // namespace coffer
