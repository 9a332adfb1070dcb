// The enclave's half of cross.edl, for both SDKs' dialects: CROSS_STATUS is the type of what a stub returns; 0 is
// success.
#include <cctype>
#include <cstdlib>
#include <cstring>
#include <vector>

#include "cross_t.h"
#include "edl/testing/digest.h"

using coffer::edl::testing::Digest;

namespace {

// A bool of the host's that is none would be undefined behaviour from here on.
void check(const Row& row) {
  unsigned char byte = 0;
  std::memcpy(&byte, &row.set, 1);
  if (byte > 1) std::abort();
}

void add(Digest& digest, const Row& row) {
  check(row);
  digest.add(row.key, row.set, row.tag);
}

}  // namespace

extern "C" {

uint64_t in_numbers(const uint32_t* numbers, size_t n) {
  Digest digest;
  digest.add(numbers != nullptr);
  for (size_t i = 0; numbers != nullptr && i < n; ++i) digest.add(numbers[i]);
  return digest.value();
}
void out_bytes(uint8_t* bytes, size_t n, uint8_t first) {
  for (size_t i = 0; bytes != nullptr && i < n; ++i) bytes[i] = static_cast<uint8_t>(first + i);
}
uint64_t both_rows(Row* rows, size_t n) {
  Digest digest;
  for (size_t i = 0; rows != nullptr && i < n; ++i) {
    add(digest, rows[i]);
    Row fresh;  // with whatever the stack has in its padding
    fresh.key = rows[i].key + 1;
    fresh.set = !rows[i].set;
    fresh.tag = rows[i].tag;
    rows[i] = fresh;
  }
  return digest.value();
}
uint64_t in_text(const char* words) { return words != nullptr ? std::strlen(words) : 999; }
void both_text(char* words) {
  for (; words != nullptr && *words != '\0'; ++words) {
    *words = static_cast<char>(std::toupper(static_cast<unsigned char>(*words)));
  }
}
uint64_t both_leaves(Leaf* leaves, size_t n) {
  Digest digest;
  for (size_t i = 0; leaves != nullptr && i < n; ++i) {
    digest.add(leaves[i].size, leaves[i].plain++, leaves[i].bytes != nullptr);
    auto* bytes = static_cast<uint8_t*>(leaves[i].bytes);
    for (size_t j = 0; bytes != nullptr && j < leaves[i].size; ++j) digest.add(bytes[j]++);
  }
  return digest.value();
}
Row by_value(Row one, bool flag) {
  check(one);
  return {one.key + 1, one.set != flag, one.tag};
}

// 0: all OCALLs came back as they should; 1: one was refused; 2: one brought something else.
uint64_t outward(uint64_t seed, size_t n) {
  if (n > 1000) return 1;
  std::vector<uint32_t> numbers(n + 1, static_cast<uint32_t>(seed));
  uint64_t digest = 0;
  if (host_numbers(&digest, numbers.data(), numbers.size()) != 0) return 1;
  bool right = digest == in_numbers(numbers.data(), numbers.size());
  std::vector<Row> rows(n + 1, Row{seed, true, 'r'});
  Row last{};
  if (host_rows(&last, rows.data(), rows.size()) != 0) return 1;
  check(last);
  for (const Row& row : rows) {
    check(row);
    right = right && row.key == seed + 1 && !row.set;
  }
  std::vector<uint8_t> bytes(n + 1);
  if (host_bytes(bytes.data(), bytes.size(), 3) != 0) return 1;
  for (size_t i = 0; i < bytes.size(); ++i) right = right && bytes[i] == static_cast<uint8_t>(3 + i);
  char words[] = "some words";
  if (host_text(words) != 0) return 1;
  right = right && std::strcmp(words, "SOME WORDS") == 0;
  uint8_t data[5] = {1, 2, 3, 4, 5};
  Leaf leaf{sizeof(data), data, 7};
  if (host_leaves(&digest, &leaf, 1) != 0) return 1;
  right = right && data[0] == 2 && leaf.plain == 8 && leaf.bytes == data;
  return right ? 0 : 2;
}

}  // extern "C"
