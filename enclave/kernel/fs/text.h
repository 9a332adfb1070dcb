// Text for the files that the kernel makes itself. Freestanding.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace coffer::kernel::fs {

inline void append_number(std::string& out, std::uint64_t value, unsigned base = 10, std::size_t width = 0,
                          char fill = '0') {
  char digits[20];  // enough for 64 bits in base 10 and above
  std::size_t count = 0;
  do {
    digits[count++] = "0123456789abcdef"[value % base];
    value /= base;
  } while (value != 0 && count < sizeof(digits));
  if (width > count) out.append(width - count, fill);
  while (count > 0) out.push_back(digits[--count]);
}

// A decimal number and nothing else, at most `most`.
inline bool parse_number(std::string_view text, std::uint64_t most, std::uint64_t& value) {
  if (text.empty() || text.size() > 19) return false;
  value = 0;
  for (const char c : text) {
    if (c < '0' || c > '9') return false;
    value = value * 10 + static_cast<std::uint64_t>(c - '0');
  }
  return value <= most;
}

}  // namespace coffer::kernel::fs
