// The kernel's memcpy and its kin, compiled under other names (see CMakeLists.txt) beside the hosted libc's.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <random>
#include <vector>

extern "C" {
void* coffer_memcpy(void* destination, const void* source, std::size_t size);
void* coffer_memmove(void* destination, const void* source, std::size_t size);
void* coffer_memset(void* destination, int value, std::size_t size);
int coffer_memcmp(const void* left, const void* right, std::size_t size);
void* coffer_memchr(const void* memory, int value, std::size_t size);
std::size_t coffer_strlen(const char* text);
std::size_t coffer_strnlen(const char* text, std::size_t limit);
int coffer_strcmp(const char* left, const char* right);
int coffer_strncmp(const char* left, const char* right, std::size_t limit);
}

namespace {

std::vector<unsigned char> pattern(std::size_t size) {
  std::vector<unsigned char> bytes(size);
  for (std::size_t i = 0; i < size; ++i) bytes[i] = static_cast<unsigned char>(i * 31 + (i >> 8));
  return bytes;
}

int sign(int value) { return value < 0 ? -1 : static_cast<int>(value > 0); }

TEST(MemoryFunctions, CopySetAndCompareEverySize) {
  for (std::size_t size = 0; size < 1200; ++size) {
    for (std::size_t shift = 0; shift < 9; shift += 3) {
      const auto source = pattern(size + shift + 1);
      std::vector<unsigned char> target(size + 32, 0xcc);
      ASSERT_EQ(coffer_memcpy(target.data() + shift, source.data() + shift, size), target.data() + shift);
      ASSERT_EQ(std::memcmp(target.data() + shift, source.data() + shift, size), 0) << size;
      ASSERT_EQ(coffer_memcmp(target.data() + shift, source.data() + shift, size), 0);
      for (std::size_t i = 0; i < shift; ++i) ASSERT_EQ(target[i], 0xcc);
      for (std::size_t i = shift + size; i < target.size(); ++i) ASSERT_EQ(target[i], 0xcc) << size;
      ASSERT_EQ(coffer_memset(target.data() + shift, 0x1a7, size), target.data() + shift);
      for (std::size_t i = 0; i < target.size(); ++i)
        ASSERT_EQ(target[i], i >= shift && i < shift + size ? 0xa7 : 0xcc);
    }
  }
}

TEST(MemoryFunctions, MoveEveryOverlap) {
  for (const std::size_t size : {0U, 1U, 3U, 7U, 8U, 15U, 16U, 17U, 31U, 64U, 100U, 255U, 256U, 257U, 700U}) {
    for (std::size_t from = 0; from < 40; ++from) {
      for (std::size_t to = 0; to < 40; ++to) {
        auto expected = pattern(size + 40);
        auto moved = expected;
        std::memmove(expected.data() + to, expected.data() + from, size);
        coffer_memmove(moved.data() + to, moved.data() + from, size);
        ASSERT_EQ(moved, expected) << size << " from " << from << " to " << to;
      }
    }
  }
}

TEST(MemoryFunctions, OrderIsByUnsignedBytes) {
  const unsigned seed = std::random_device{}();
  SCOPED_TRACE(testing::Message() << "seed " << seed);
  std::mt19937 random(seed);
  for (int round = 0; round < 20000; ++round) {
    unsigned char a[24];
    unsigned char b[24];
    for (std::size_t i = 0; i < 24; ++i) a[i] = b[i] = static_cast<unsigned char>(random() | 1U);
    b[random() % 24] = static_cast<unsigned char>(random() | 1U);
    a[23] = b[23] = 0;
    const std::size_t size = random() % 24;
    ASSERT_EQ(sign(coffer_memcmp(a, b, size)), sign(std::memcmp(a, b, size)));
    const auto* left = reinterpret_cast<const char*>(a);
    const auto* right = reinterpret_cast<const char*>(b);
    ASSERT_EQ(sign(coffer_strcmp(left, right)), sign(std::strcmp(left, right)));
    ASSERT_EQ(sign(coffer_strncmp(left, right, size)), sign(std::strncmp(left, right, size)));
    ASSERT_EQ(coffer_memchr(a, b[3], size), std::memchr(a, b[3], size));
    ASSERT_EQ(coffer_strlen(left), std::strlen(left));
    ASSERT_EQ(coffer_strnlen(left, size), std::min(size, std::strlen(left)));
  }
}

}  // namespace
