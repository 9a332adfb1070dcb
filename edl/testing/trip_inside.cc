// The enclave's half of trip.edl. Built with trip renamed, since host and enclave are one program in the tests.
#include <algorithm>
#include <cctype>
#include <cerrno>
#include <cstring>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "edl/testing/digest.h"
#include "trip_enclave.h"

namespace trip {

using coffer::edl::testing::Digest;

// Of what an ECALL asks this side to allocate: the host's number is any number.
constexpr size_t kMostFromOutside = 4096;

uint64_t scalars(bool b, char c, short s, int i, long long l, unsigned char u, float f, double d, uint8_t u8,
                 int64_t i64, size_t z, wchar_t w, Color color, long double ld) {
  Digest digest;
  digest.add(b, c, s, i, l, u, f, d, u8, i64, z, w, static_cast<int>(color), static_cast<double>(ld));
  return digest.value();
}

Padded padded(Padded one, Either either) {
  one.value += either.number;
  ++one.tag;
  return one;
}

uint64_t digest(std::span<const std::byte> bytes) { return Digest().bytes(bytes).value(); }

void pattern(std::span<std::byte> bytes, uint8_t first) {
  for (const std::byte each : bytes) {
    if (each != std::byte{0}) throw std::logic_error("out buffers begin as zeros");
  }
  for (std::byte& each : bytes) each = std::byte{first++};
}

void increment(std::span<uint32_t> numbers) {
  for (uint32_t& each : numbers) ++each;
}

void add(std::span<const int> a, std::span<const int> b, std::span<int> sum) {
  for (std::size_t i = 0; i < sum.size(); ++i)
    sum[i] = static_cast<int>(static_cast<unsigned>(a[i]) + static_cast<unsigned>(b[i]));
}

void structs(std::span<Padded> all) {
  for (Padded& each : all) {
    Padded fresh;  // with whatever the stack has in its padding
    fresh.tag = static_cast<char>(each.tag + 1);
    fresh.value = each.value * 2;
    fresh.end = each.end;
    each = fresh;
  }
}

int arrays(std::span<const int, 4> a, std::span<int[3], 2> b, std::span<uint8_t, 5> five) {
  for (int i = 0; i < 6; ++i) b[static_cast<std::size_t>(i / 3)][i % 3] = i;
  for (uint8_t& each : five) each = static_cast<uint8_t>(each ^ 0xff);
  return a[0] + a[1] + a[2] + a[3];
}

size_t text(std::string_view narrow, std::wstring_view wide) {
  if (narrow.data() != nullptr && narrow.data()[narrow.size()] != '\0') return 0;
  return narrow.size() * 1000 + wide.size();
}

void shout(char* words) {
  for (; words != nullptr && *words != '\0'; ++words) *words = static_cast<char>(std::toupper(*words));
}

uint64_t single(const Padded* in_one, Padded* out_one, uint64_t* both) {
  if (out_one != nullptr) *out_one = in_one != nullptr ? *in_one : Padded{'x', 1, 'y'};
  if (both != nullptr) *both += 1;
  return (in_one != nullptr ? 1u : 0u) | (out_one != nullptr ? 2u : 0u) | (both != nullptr ? 4u : 0u);
}

static uint64_t digest_of(std::span<const Tree> trees) {
  Digest digest;
  for (const Tree& tree : trees) {
    digest.add(tree.count, tree.leaves != nullptr, tree.three != nullptr);
    for (uint32_t i = 0; tree.leaves != nullptr && i < tree.count; ++i) {
      const Leaf& leaf = tree.leaves[i];
      digest.add(leaf.size, leaf.bytes != nullptr, leaf.plain);
      if (leaf.bytes != nullptr) digest.bytes({static_cast<const std::byte*>(leaf.bytes), leaf.size});
    }
    for (int i = 0; tree.three != nullptr && i < 3; ++i) digest.add(tree.three[i]);
  }
  return digest.value();
}

uint64_t forest(std::span<const Tree> trees) { return digest_of(trees); }

uint64_t grow(std::span<Tree> trees, bool lie) {
  const uint64_t before = digest_of(trees);
  for (Tree& tree : trees) {
    for (uint32_t i = 0; tree.leaves != nullptr && i < tree.count; ++i) {
      Leaf& leaf = tree.leaves[i];
      leaf.plain = static_cast<uint16_t>(leaf.plain + 1);
      for (std::size_t j = 0; leaf.bytes != nullptr && j < leaf.size; ++j)
        static_cast<std::byte*>(leaf.bytes)[j] ^= std::byte{1};
    }
    for (int i = 0; tree.three != nullptr && i < 3; ++i) ++tree.three[i];
    if (lie) tree.count += 1000;
  }
  return before;
}

uint64_t product(const uint8_t* table, size_t rows, size_t columns) {
  return Digest().bytes(std::as_bytes(std::span(table, table != nullptr ? rows * columns : 0))).value();
}

void* address(void* where) { return where; }
void nothing() {}
void throws(int kind) {
  if (kind == 1) throw std::runtime_error("a secret");
  if (kind == 2) throw 5;
}
uint64_t inner(uint64_t number) { return number * 3; }

// Each OCALL once, with what the host's half does to it checked here.
uint64_t outward(uint64_t what) {
  std::vector<std::byte> bytes(what % 5000);
  for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<std::byte>(i * what);
  const auto digested = host_digest(bytes);
  if (!digested || *digested != Digest().bytes(bytes).value()) return 1;
  std::vector<std::byte> answer(what % 777);
  if (!host_pattern(answer, 7)) return 2;
  uint8_t expected = 7;
  for (const std::byte each : answer) {
    if (each != std::byte{expected++}) return 3;
  }
  errno = 0;
  const auto number = host_errno(17);
  if (!number || *number != -1 || errno != 17) return 4;
  std::string words(what % 100, 'w');
  if (!host_shout(words.data()) || words != std::string(what % 100, 'W')) return 5;
  uint32_t three[3] = {1, 2, 3};
  char text[5] = "abcd";
  Leaf leaves[2] = {{5, text, 8}, {0, nullptr, 9}};
  Tree trees[2] = {{2, leaves, three, nullptr}, {0, nullptr, nullptr, nullptr}};
  const uint64_t before = digest_of(trees);
  const auto grown = host_grow(trees);
  if (!grown || *grown != before || leaves[0].plain != 9 || leaves[1].plain != 10 || three[2] != 4) return 6;
  if (std::memcmp(text, "`cbe\x01", 5) != 0 || trees[0].leaves != leaves || leaves[0].bytes != text) return 7;
  Padded one;
  one.tag = 'a';
  one.value = what;
  one.end = 'b';
  const auto other = host_padded(one, &one);
  if (!other || other->value != what * 2) return 8;
  const auto nested = host_nested(what);
  if (!nested || *nested != what * 3 + 1) return 9;
  const auto length = host_text("twelve chars");
  if (!length || *length != 12) return 10;
  return 0;
}

// As bytes: a bool that is neither 0 nor 1 cannot be looked at as one.
static uint8_t largest_of(std::span<const bool> all) {
  uint8_t largest = 0;
  for (const std::byte each : std::as_bytes(all)) largest = std::max(largest, static_cast<uint8_t>(each));
  return largest;
}
static uint8_t largest_of(const Switches& one) {
  return std::max(largest_of(std::span(&one.first, 1)), largest_of(one.few));
}
static uint8_t largest_of(const Panel& panel) {
  const uint8_t lamps = panel.lamps != nullptr ? largest_of(std::span(panel.lamps, 2)) : 0;
  return std::max({largest_of(panel.left), largest_of(panel.right), lamps});
}

uint8_t largest(std::span<const bool> some, std::span<Switches> all, std::span<const Panel> panels, Switches one) {
  uint8_t result = std::max(largest_of(some), largest_of(one));
  for (const Switches& each : all) result = std::max(result, largest_of(each));
  for (const Panel& each : panels) result = std::max(result, largest_of(each));
  return result;
}

uint8_t largest_answer(size_t n) {
  if (n > kMostFromOutside) return 0xff;
  const auto some = std::make_unique<bool[]>(n);
  const auto lamps = std::make_unique<bool[]>(2 * n);
  std::vector<Panel> panels(n);
  for (size_t i = 0; i < n; ++i) panels[i].lamps = &lamps[2 * i];
  const auto answer = host_switches({some.get(), n}, panels);
  if (!answer) return 0xff;
  uint8_t result = std::max(largest_of(*answer), largest_of(std::span(some.get(), n)));
  for (const Panel& each : panels) result = std::max(result, largest_of(each));
  return result;
}

size_t race(size_t n) {
  if (n > kMostFromOutside) return 0;
  std::vector<std::byte> room(n);
  size_t went_well = 0;
  for (int i = 0; i < 2000; ++i) went_well += host_room(room).has_value();
  return went_well;
}

}  // namespace trip
