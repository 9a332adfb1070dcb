// Generated code of Coffer's own dialect across a border of copies: what goes over is what arrives, and what a hostile
// host changes is refused or harmless. AddressSanitizer makes it a test of every access (scripts/build asan).
#include <gtest/gtest.h>

#include <cctype>
#include <cerrno>
#include <random>
#include <string>
#include <vector>

#include "edl/testing/digest.h"
#include "edl/testing/fake_border.h"
#include "trip_host.h"

namespace trip {

using coffer::edl::testing::Digest;

// --- the host's functions

uint64_t host_digest(std::span<const std::byte> bytes) { return Digest().bytes(bytes).value(); }
void host_pattern(std::span<std::byte> bytes, uint8_t first) {
  for (std::byte& each : bytes) each = std::byte{first++};
}
int host_errno(int number) {
  errno = number;
  return -1;
}
void host_shout(char* words) {
  for (; words != nullptr && *words != '\0'; ++words) *words = static_cast<char>(std::toupper(*words));
}

uint64_t digest_of(std::span<const Tree> trees) {
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
uint64_t host_grow(std::span<Tree> trees) {
  const uint64_t before = digest_of(trees);
  for (Tree& tree : trees) {
    for (uint32_t i = 0; tree.leaves != nullptr && i < tree.count; ++i) {
      ++tree.leaves[i].plain;
      for (std::size_t j = 0; tree.leaves[i].bytes != nullptr && j < tree.leaves[i].size; ++j) {
        static_cast<std::byte*>(tree.leaves[i].bytes)[j] ^= std::byte{1};
      }
    }
    for (int i = 0; tree.three != nullptr && i < 3; ++i) ++tree.three[i];
  }
  return before;
}
Padded host_padded(Padded one, const Padded* other) {
  one.value += other->value;
  return one;
}
coffer::Enclave* enclave_of_nested = nullptr;
uint64_t host_nested(uint64_t number) {
  const auto inside = inner(*enclave_of_nested, number);
  // What is not on the list is refused, private or not.
  if (nothing(*enclave_of_nested).has_value()) return 0;
  return inside ? *inside + 1 : 0;
}
size_t host_text(std::string_view words) { return words.size(); }

namespace {

using coffer::edl::testing::border;

class GeneratedTest : public ::testing::Test {
 protected:
  GeneratedTest() : enclave(reinterpret_cast<coffer::Enclave&>(nobody)) {
    border() = {};
    enclave_of_nested = &enclave;
  }
  ~GeneratedTest() override { border() = {}; }

  std::vector<std::byte> random_bytes(std::size_t size) {
    std::vector<std::byte> result(size);
    for (std::byte& each : result) each = static_cast<std::byte>(random());
    return result;
  }

  // Never looked at: the border of the tests is no library.
  alignas(16) std::byte nobody[16]{};
  coffer::Enclave& enclave;
  std::mt19937_64 random{20241};
};

// A forest with its memory.
struct Forest {
  explicit Forest(std::mt19937_64& random) {
    trees.resize(random() % 4);
    leaves.resize(trees.size());
    threes.resize(trees.size());
    bytes.resize(trees.size());
    for (std::size_t i = 0; i < trees.size(); ++i) {
      leaves[i].resize(random() % 4);
      bytes[i].resize(leaves[i].size());
      for (std::size_t j = 0; j < leaves[i].size(); ++j) {
        bytes[i][j].resize(random() % 40);
        for (std::byte& each : bytes[i][j]) each = static_cast<std::byte>(random());
        const bool there = random() % 4 != 0;
        leaves[i][j] = {bytes[i][j].size(), there ? static_cast<void*>(bytes[i][j].data()) : nullptr,
                        static_cast<uint16_t>(random() % 60000)};
        if (bytes[i][j].empty()) leaves[i][j].bytes = nullptr;
      }
      threes[i] = {static_cast<uint32_t>(random() % 99), 2, 3};
      trees[i] = {static_cast<uint32_t>(leaves[i].size()), leaves[i].empty() ? nullptr : leaves[i].data(),
                  random() % 3 != 0 ? threes[i].data() : nullptr, nullptr};
    }
  }
  std::vector<Tree> trees;
  std::vector<std::vector<Leaf>> leaves;
  std::vector<std::vector<uint32_t>> threes;
  std::vector<std::vector<std::vector<std::byte>>> bytes;
};

TEST_F(GeneratedTest, ScalarsArrive) {
  Digest expected;
  expected.add(true, 'c', static_cast<short>(-3), 7, -5LL, static_cast<unsigned char>(200), 1.5F, -2.25, uint8_t{9},
               int64_t{-1}, size_t{12}, L'\u2126', static_cast<int>(GREEN), static_cast<double>(3.0L));
  const auto got = scalars(enclave, true, 'c', -3, 7, -5, 200, 1.5F, -2.25, 9, -1, 12, L'\u2126', GREEN, 3.0L);
  ASSERT_TRUE(got) << got.error().message;
  EXPECT_EQ(*got, expected.value());
}

TEST_F(GeneratedTest, BuffersArriveAtAnySize) {
  for (const std::size_t size : {0u, 1u, 15u, 16u, 17u, 4095u, 4096u, 100'000u}) {
    const auto bytes = random_bytes(size);
    const auto got = digest(enclave, bytes);
    ASSERT_TRUE(got) << got.error().message;
    EXPECT_EQ(*got, Digest().bytes(bytes).value());
    std::vector<std::byte> out(size);
    ASSERT_TRUE(pattern(enclave, out, 3));
    for (std::size_t i = 0; i < size; ++i) ASSERT_EQ(out[i], static_cast<std::byte>(i + 3));
  }
}

TEST_F(GeneratedTest, EveryKindOfArgumentComesBack) {
  std::vector<uint32_t> numbers{1, 2, 0xffffffff};
  ASSERT_TRUE(increment(enclave, numbers));
  EXPECT_EQ(numbers, (std::vector<uint32_t>{2, 3, 0}));
  std::vector<int> a{1, 2}, b{10, 20}, sum(2);
  ASSERT_TRUE(add(enclave, a, b, sum));
  EXPECT_EQ(sum, (std::vector<int>{11, 22}));
  std::vector<Padded> all{{'a', 5, 'b'}, {'c', 7, 'd'}};
  ASSERT_TRUE(structs(enclave, all));
  EXPECT_EQ(all[1].tag, 'd');
  EXPECT_EQ(all[1].value, 14u);
  const int four[4] = {1, 2, 3, 4};
  int matrix[2][3]{};
  uint8_t five[5] = {0, 1, 2, 3, 4};
  const auto total = arrays(enclave, four, matrix, five);
  ASSERT_TRUE(total);
  EXPECT_EQ(*total, 10);
  EXPECT_EQ(matrix[1][2], 5);
  EXPECT_EQ(five[4], 0xfb);
  const auto length = text(enclave, "twelve chars", L"five!");
  ASSERT_TRUE(length);
  EXPECT_EQ(*length, 12005u);
  char words[] = "be louder";
  ASSERT_TRUE(shout(enclave, words));
  EXPECT_STREQ(words, "BE LOUDER");
  Either either{};
  either.number = 5;
  const auto changed = padded(enclave, {'p', 1, 'q'}, either);
  ASSERT_TRUE(changed);
  EXPECT_EQ(changed->value, 6u);
  const auto table = random_bytes(35);
  const auto digested = product(enclave, reinterpret_cast<const uint8_t*>(table.data()), 5, 7);
  ASSERT_TRUE(digested);
  EXPECT_EQ(*digested, Digest().bytes(table).value());
}

TEST_F(GeneratedTest, WhatIsNotThereArrivesAsSuch) {
  Padded in{'i', 2, 'j'}, out{};
  uint64_t both = 41;
  for (unsigned mask = 0; mask < 8; ++mask) {
    const auto got = single(enclave, (mask & 1) != 0 ? &in : nullptr, (mask & 2) != 0 ? &out : nullptr,
                            (mask & 4) != 0 ? &both : nullptr);
    ASSERT_TRUE(got) << got.error().message;
    EXPECT_EQ(*got, mask);
  }
  EXPECT_EQ(both, 45u);
  EXPECT_EQ(out.value, 2u);
  EXPECT_EQ(text(enclave, {}, {}).value_or(99), 0u);
  ASSERT_TRUE(shout(enclave, nullptr));
  EXPECT_EQ(product(enclave, nullptr, 3, 4).value_or(0), Digest().bytes({}).value());
}

TEST_F(GeneratedTest, DeepCopiesAreWholeBothWays) {
  for (int round = 0; round < 300; ++round) {
    Forest forest(random);
    const uint64_t before = digest_of(forest.trees);
    const auto got = trip::forest(enclave, forest.trees);
    ASSERT_TRUE(got) << got.error().message;
    EXPECT_EQ(*got, before);
    EXPECT_EQ(digest_of(forest.trees), before);
    const auto grown = grow(enclave, forest.trees, false);
    ASSERT_TRUE(grown) << grown.error().message;
    EXPECT_EQ(*grown, before);
    const uint64_t after = digest_of(forest.trees);
    host_grow(forest.trees);  // once more, in place: twice flipped bits are as before
    host_grow(forest.trees);
    if (!forest.trees.empty() && forest.trees[0].three != nullptr) {
      EXPECT_NE(after, before);
    }
  }
}

TEST_F(GeneratedTest, ACountThatGrowsInsideIsRefused) {
  uint32_t three[3]{};
  Tree tree{0, nullptr, three, nullptr};
  const auto got = grow(enclave, std::span(&tree, 1), true);
  ASSERT_FALSE(got);
  EXPECT_EQ(got.error().kind, coffer::ErrorKind::kRefused);
  EXPECT_EQ(tree.count, 0u);
}

TEST_F(GeneratedTest, ArgumentsThatMakeNoSenseAreRefusedBeforeTheCall) {
  std::vector<int> two(2), three(3);
  const auto unequal = add(enclave, two, three, two);
  ASSERT_FALSE(unequal);
  EXPECT_EQ(unequal.error().kind, coffer::ErrorKind::kInput);
  const uint8_t byte = 0;
  const auto overflow = product(enclave, &byte, SIZE_MAX / 2, 3);
  ASSERT_FALSE(overflow);
  EXPECT_EQ(overflow.error().kind, coffer::ErrorKind::kInput);
  EXPECT_FALSE(product(enclave, &byte, SIZE_MAX, 1)) << "the size that means NULL";
  std::vector<int> many(70'000);
  EXPECT_FALSE(add(enclave, many, many, many)) << "the length parameter has 16 bits";
  EXPECT_FALSE(text(enclave, std::string_view("a\0b", 3), {})) << "text ends at its first zero";
  border().reachable = false;
  EXPECT_FALSE(address(enclave, &two));
  EXPECT_EQ(border().refusals, 1u);
  EXPECT_TRUE(address(enclave, nullptr));
}

TEST_F(GeneratedTest, ExceptionsStayInside) {
  for (const int kind : {1, 2}) {
    const auto got = throws(enclave, kind);
    ASSERT_FALSE(got);
    EXPECT_EQ(got.error().kind, coffer::ErrorKind::kRefused);
    EXPECT_EQ(got.error().message.find("secret"), std::string::npos);
  }
  EXPECT_TRUE(throws(enclave, 0));
}

TEST_F(GeneratedTest, CallsGoOutAndInAgain) {
  for (uint64_t what = 1; what < 200; ++what) {
    const auto got = outward(enclave, what);
    ASSERT_TRUE(got) << got.error().message;
    ASSERT_EQ(*got, 0u) << what;
  }
  EXPECT_EQ(border().not_allowed, 199u);
  const auto direct = inner(enclave, 1);
  ASSERT_FALSE(direct) << "it is private";
}

// Everything that leaves is the same whatever unwritten memory holds: no byte of the enclave's goes along by chance.
TEST_F(GeneratedTest, NothingUnwrittenLeaves) {
  std::vector<std::vector<std::byte>> first, second;
  for (auto* record : {&first, &second}) {
    border().junk = record == &first ? std::byte{0x11} : std::byte{0xee};
    border().leaves = [record](std::span<const std::byte> bytes) { record->emplace_back(bytes.begin(), bytes.end()); };
    std::mt19937_64 same(7);
    Forest forest(same);
    while (forest.trees.size() < 3) forest = Forest(same);
    std::vector<Padded> all{{'a', 5, 'b'}, {'c', 7, 'd'}};
    std::vector<std::byte> some(33);
    char words[] = "words";
    Padded out{};
    Either either{};
    either.number = 1;
    // Dirt on the stack, other dirt in the second round.
    volatile unsigned char dirt[4096];
    for (volatile unsigned char& each : dirt) each = static_cast<unsigned char>(border().junk);
    ASSERT_TRUE(structs(enclave, all));
    ASSERT_TRUE(pattern(enclave, some, 1));
    ASSERT_TRUE(shout(enclave, words));
    ASSERT_TRUE(padded(enclave, all[0], either));
    ASSERT_TRUE(single(enclave, all.data(), &out, nullptr));
    ASSERT_TRUE(grow(enclave, forest.trees, false));
    ASSERT_TRUE(increment(enclave, {}));
  }
  ASSERT_EQ(first.size(), second.size());
  for (std::size_t i = 0; i < first.size(); ++i) EXPECT_EQ(first[i], second[i]) << "call " << i;
}

// A host that changes what it sends: sizes, counts, addresses, the blocks' lengths.
TEST_F(GeneratedTest, AHostileHostIsRefusedOrHarmless) {
  const std::uint64_t seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  random.seed(seed);
  border().change_input = [this](std::vector<std::byte>& input, std::size_t& output_size) {
    static constexpr std::uint64_t kLikely[] = {
        0, 1, 16, 0x7fffffff, 0xffffffff, SIZE_MAX, SIZE_MAX - 15, SIZE_MAX / 2, std::uint64_t{1} << 32};
    for (std::uint64_t changes = random() % 4; changes != 0 && input.size() >= 8; --changes) {
      const std::size_t at = random() % (input.size() / 8) * 8;
      const std::uint64_t value = random() % 2 == 0 ? kLikely[random() % std::size(kLikely)] : random() % 200;
      std::memcpy(input.data() + at, &value, 8);
    }
    if (random() % 4 == 0) input.resize(random() % (input.size() + 64));
    if (random() % 4 == 0) output_size = random() % (output_size + 64);
  };
  std::size_t refused = 0;
  for (int round = 0; round < 3000; ++round) {
    Forest forest(random);
    const auto bytes = random_bytes(random() % 100);
    std::vector<std::byte> out(random() % 100);
    std::vector<uint32_t> numbers(random() % 20);
    std::vector<Padded> all(random() % 5);
    std::vector<int> a(random() % 9), b(a.size()), sum(a.size());
    char words[] = "some words";
    refused += !digest(enclave, bytes) + !pattern(enclave, out, 1) + !increment(enclave, numbers) +
               !structs(enclave, all) + !add(enclave, a, b, sum) + !text(enclave, words, L"wide") +
               !shout(enclave, words) + !trip::forest(enclave, forest.trees) + !grow(enclave, forest.trees, false) +
               !product(enclave, reinterpret_cast<const uint8_t*>(bytes.data()), 1, bytes.size());
  }
  EXPECT_GT(refused, 3000u);
}

// A host whose answers to OCALLs are anything.
TEST_F(GeneratedTest, AHostileAnswerIsRefusedOrHarmless) {
  const std::uint64_t seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  random.seed(seed);
  border().change_answer = [this](std::span<std::byte> answer) {
    for (std::uint64_t changes = random() % 3; changes != 0 && !answer.empty(); --changes) {
      answer[random() % answer.size()] = static_cast<std::byte>(random());
    }
  };
  border().change_status = [this](coffer_edge_status status) {
    return random() % 16 == 0 ? static_cast<coffer_edge_status>(random() % 11) : status;
  };
  std::size_t noticed = 0;
  for (int round = 0; round < 2000; ++round) {
    const auto got = outward(enclave, random() % 300);
    noticed += !got || *got != 0;
  }
  EXPECT_GT(noticed, 500u);
}

}  // namespace
}  // namespace trip
