// Memory functions for the run-time library itself: those of the C library are watched by it.
#pragma once

#include <cstddef>
#include <cstdint>

namespace coffer::sanitizer {

inline void fill_bytes(void* to, std::uint8_t value, std::size_t size) {
  asm volatile("rep stosb" : "+D"(to), "+c"(size) : "a"(value) : "memory");
}
inline void copy_bytes(void* to, const void* from, std::size_t size) {
  asm volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(size) : : "memory");
}
inline std::uint64_t load_word(const void* from) {
  std::uint64_t word;
  __builtin_memcpy(&word, from, sizeof(word));
  return word;
}

}  // namespace coffer::sanitizer
