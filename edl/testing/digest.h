// A number for values in their order, the same on both sides.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

namespace coffer::edl::testing {

class Digest {
 public:
  Digest& bytes(std::span<const std::byte> all) {
    for (const std::byte each : all) value_ = (value_ ^ static_cast<std::uint64_t>(each)) * 0x100000001b3;
    value_ = value_ * 31 + all.size();
    return *this;
  }
  template <class... Values>
  void add(const Values&... values) {
    (bytes(std::as_bytes(std::span(&values, 1))), ...);
  }
  [[nodiscard]] std::uint64_t value() const { return value_; }

 private:
  std::uint64_t value_ = 0xcbf29ce484222325;
};

}  // namespace coffer::edl::testing
