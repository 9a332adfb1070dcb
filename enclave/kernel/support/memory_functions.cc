// The memory and string functions that compilers call and libstdc++'s headers want, for a program without a libc.
//
// The pragma keeps the compiler from recognising the loops below as what they are and calling the function itself.
#include <cstddef>
#include <cstdint>

#ifndef __clang__  // which only ever compiles the hosted test
#pragma GCC optimize("no-tree-loop-distribute-patterns")
#endif

namespace {

using Word = std::uint64_t __attribute__((may_alias, aligned(1)));
using HalfWord = std::uint32_t __attribute__((may_alias, aligned(1)));

// From here on the processor's string instructions are faster than loops over general registers.
constexpr std::size_t kStringInstruction = 256;

void repeat_move(unsigned char* to, const unsigned char* from, std::size_t size) {
  asm volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(size)::"memory");
}

// Up to 16 bytes, overlapping or not: everything is loaded before anything is stored.
void move_small(unsigned char* to, const unsigned char* from, std::size_t size) {
  if (size >= 8) {
    const Word first = *reinterpret_cast<const Word*>(from);
    const Word last = *reinterpret_cast<const Word*>(from + size - 8);
    *reinterpret_cast<Word*>(to) = first;
    *reinterpret_cast<Word*>(to + size - 8) = last;
  } else if (size >= 4) {
    const HalfWord first = *reinterpret_cast<const HalfWord*>(from);
    const HalfWord last = *reinterpret_cast<const HalfWord*>(from + size - 4);
    *reinterpret_cast<HalfWord*>(to) = first;
    *reinterpret_cast<HalfWord*>(to + size - 4) = last;
  } else if (size != 0) {
    const unsigned char first = from[0];
    const unsigned char middle = from[size / 2];
    const unsigned char last = from[size - 1];
    to[0] = first;
    to[size / 2] = middle;
    to[size - 1] = last;
  }
}

}  // namespace

extern "C" {

void* memcpy(void* destination, const void* source, std::size_t size) {
  auto* to = static_cast<unsigned char*>(destination);
  const auto* from = static_cast<const unsigned char*>(source);
  if (size <= 16) {
    move_small(to, from, size);
  } else if (size >= kStringInstruction) {
    repeat_move(to, from, size);
  } else {
    const Word last_but_one = *reinterpret_cast<const Word*>(from + size - 16);
    const Word last = *reinterpret_cast<const Word*>(from + size - 8);
    for (std::size_t i = 0; i + 16 < size; i += 16) {
      const Word first = *reinterpret_cast<const Word*>(from + i);
      const Word second = *reinterpret_cast<const Word*>(from + i + 8);
      *reinterpret_cast<Word*>(to + i) = first;
      *reinterpret_cast<Word*>(to + i + 8) = second;
    }
    *reinterpret_cast<Word*>(to + size - 16) = last_but_one;
    *reinterpret_cast<Word*>(to + size - 8) = last;
  }
  return destination;
}

void* memmove(void* destination, const void* source, std::size_t size) {
  auto* to = static_cast<unsigned char*>(destination);
  const auto* from = static_cast<const unsigned char*>(source);
  // One comparison for "starts before, or behind the end": no overlap that a forward copy would spoil.
  const bool forward = reinterpret_cast<std::uintptr_t>(to) - reinterpret_cast<std::uintptr_t>(from) >= size;
  if (size <= 16) {
    move_small(to, from, size);
  } else if (forward) {
    // The last words are loaded late here: the forward copy of overlapping ranges may have overwritten them.
    if (size >= kStringInstruction) {
      repeat_move(to, from, size);
    } else {
      std::size_t i = 0;
      for (; i + 8 <= size; i += 8) *reinterpret_cast<Word*>(to + i) = *reinterpret_cast<const Word*>(from + i);
      for (; i < size; ++i) to[i] = from[i];
    }
  } else {
    std::size_t i = size;
    for (; i >= 8; i -= 8) *reinterpret_cast<Word*>(to + i - 8) = *reinterpret_cast<const Word*>(from + i - 8);
    for (; i > 0; --i) to[i - 1] = from[i - 1];
  }
  return destination;
}

void* memset(void* destination, int value, std::size_t size) {
  auto* to = static_cast<unsigned char*>(destination);
  const auto byte = static_cast<unsigned char>(value);
  if (size >= kStringInstruction) {
    asm volatile("rep stosb" : "+D"(to), "+c"(size) : "a"(byte) : "memory");
    return destination;
  }
  if (size < 8) {
    for (std::size_t i = 0; i < size; ++i) to[i] = byte;
    return destination;
  }
  const Word word = byte * std::uint64_t{0x0101010101010101};
  for (std::size_t i = 0; i + 8 < size; i += 8) *reinterpret_cast<Word*>(to + i) = word;
  *reinterpret_cast<Word*>(to + size - 8) = word;
  return destination;
}

int memcmp(const void* left, const void* right, std::size_t size) {
  const auto* a = static_cast<const unsigned char*>(left);
  const auto* b = static_cast<const unsigned char*>(right);
  std::size_t i = 0;
  while (i + 8 <= size && *reinterpret_cast<const Word*>(a + i) == *reinterpret_cast<const Word*>(b + i)) i += 8;
  for (; i < size; ++i) {
    if (a[i] != b[i]) return a[i] < b[i] ? -1 : 1;
  }
  return 0;
}

void* memchr(const void* memory, int value, std::size_t size) {
  const auto* bytes = static_cast<const unsigned char*>(memory);
  for (std::size_t i = 0; i < size; ++i) {
    if (bytes[i] == static_cast<unsigned char>(value)) return const_cast<unsigned char*>(bytes + i);
  }
  return nullptr;
}

std::size_t strlen(const char* text) {
  std::size_t length = 0;
  while (text[length] != '\0') ++length;
  return length;
}

std::size_t strnlen(const char* text, std::size_t limit) {
  std::size_t length = 0;
  while (length < limit && text[length] != '\0') ++length;
  return length;
}

int strncmp(const char* left, const char* right, std::size_t limit) {
  for (std::size_t i = 0; i < limit; ++i) {
    const auto a = static_cast<unsigned char>(left[i]);
    const auto b = static_cast<unsigned char>(right[i]);
    if (a != b) return a < b ? -1 : 1;
    if (a == 0) return 0;
  }
  return 0;
}

int strcmp(const char* left, const char* right) { return strncmp(left, right, ~std::size_t{0}); }
}
