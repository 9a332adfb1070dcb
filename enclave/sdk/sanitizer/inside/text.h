// Text for standard error, a report at a time. No locale, no heap.
#pragma once

#include <cstddef>
#include <cstdint>

namespace coffer::sanitizer {

struct Hex {
  std::uint64_t value;
};

// Collects and writes when it is full, and at its end. Where nobody can be told, nothing is.
class Text {
 public:
  Text() = default;
  ~Text() { flush(); }
  Text(const Text&) = delete;
  Text& operator=(const Text&) = delete;

  Text& operator<<(const char* text);
  Text& operator<<(std::uint64_t number);
  Text& operator<<(Hex number);
  void flush();

 private:
  void put(char c);
  char buffer_[1024];
  std::size_t used_ = 0;
};

}  // namespace coffer::sanitizer
