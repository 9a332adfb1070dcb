// Both SDKs' dialects across a border of copies: what goes over is what arrives, and what a hostile host changes is
// refused or harmless (AddressSanitizer says). Compiled once for each dialect.
#include <gtest/gtest.h>

#include <cctype>
#include <random>
#include <string>

#include "cross_u.h"
#include "edl/testing/cross_border.h"
#include "edl/testing/digest.h"

using coffer::edl::testing::cross_border;
using coffer::edl::testing::Digest;

extern "C" {

// The host's functions do what the enclave's do.
uint64_t host_numbers(const uint32_t* numbers, size_t n) {
  Digest digest;
  digest.add(numbers != nullptr);
  for (size_t i = 0; numbers != nullptr && i < n; ++i) digest.add(numbers[i]);
  return digest.value();
}
Row host_rows(Row* rows, size_t n) {
  for (size_t i = 0; i < n; ++i) rows[i] = {rows[i].key + 1, !rows[i].set, rows[i].tag};
  return n != 0 ? rows[n - 1] : Row{};
}
void host_bytes(uint8_t* bytes, size_t n, uint8_t first) {
  for (size_t i = 0; i < n; ++i) bytes[i] = static_cast<uint8_t>(first + i);
}
void host_text(char* words) {
  for (; *words != '\0'; ++words) *words = static_cast<char>(std::toupper(static_cast<unsigned char>(*words)));
}
uint64_t host_leaves(Leaf* leaves, size_t n) {
  for (size_t i = 0; i < n; ++i) {
    ++leaves[i].plain;
    for (size_t j = 0; leaves[i].bytes != nullptr && j < leaves[i].size; ++j)
      ++static_cast<uint8_t*>(leaves[i].bytes)[j];
  }
  return n;
}

}  // extern "C"

namespace {

// Makes one of each ECALL, of sizes that the seed says; how many were refused. Checks what came back where nobody
// interferes.
int call_all(uint64_t seed, bool honest) {
  std::mt19937_64 random(seed);
  int refused = 0;
  const auto made = [&](auto status) {
    refused += status != 0;
    return status == 0;
  };
  uint64_t result = 0;
  std::vector<uint32_t> numbers(random() % 50, static_cast<uint32_t>(random()));
  const bool absent = random() % 5 == 0;
  const uint32_t* given = absent || numbers.empty() ? nullptr : numbers.data();
  if (made(in_numbers(0, &result, given, numbers.size())) && honest) {
    EXPECT_EQ(result, host_numbers(given, numbers.size()));
  }
  std::vector<uint8_t> bytes(random() % 100);
  if (made(out_bytes(0, bytes.data(), bytes.size(), 9)) && honest) {
    for (size_t i = 0; i < bytes.size(); ++i) EXPECT_EQ(bytes[i], static_cast<uint8_t>(9 + i));
  }
  std::vector<Row> rows(1 + random() % 6, Row{seed, random() % 2 == 0, 'r'});
  const std::vector<Row> before = rows;
  if (made(both_rows(0, &result, rows.data(), rows.size())) && honest) {
    for (size_t i = 0; i < rows.size(); ++i) {
      EXPECT_EQ(rows[i].key, before[i].key + 1);
      EXPECT_EQ(rows[i].set, !before[i].set);
    }
  }
  std::string words(random() % 40, 'w');
  if (made(in_text(0, &result, absent ? nullptr : words.c_str())) && honest) {
    EXPECT_EQ(result, absent ? 999 : words.size());
  }
  if (made(both_text(0, words.data())) && honest) {
    EXPECT_EQ(words, std::string(words.size(), 'W'));
  }
  std::vector<std::vector<uint8_t>> held(random() % 4, std::vector<uint8_t>(1 + random() % 30, 1));
  std::vector<Leaf> leaves;
  for (auto& each : held) leaves.push_back({each.size(), random() % 4 == 0 ? nullptr : each.data(), 4});
  if (made(both_leaves(0, &result, leaves.data(), leaves.size())) && honest) {
    for (size_t i = 0; i < leaves.size(); ++i) {
      EXPECT_EQ(leaves[i].plain, 5);
      if (leaves[i].bytes != nullptr) {
        EXPECT_EQ(leaves[i].bytes, held[i].data()) << "the caller's addresses remain";
        EXPECT_EQ(held[i], std::vector<uint8_t>(held[i].size(), 2));
      }
    }
  }
  Row row{};
  if (made(by_value(0, &row, Row{seed, true, 'v'}, true)) && honest) {
    EXPECT_EQ(row.key, seed + 1);
    EXPECT_FALSE(row.set);
  }
  if (made(outward(0, &result, seed, random() % 20)) && honest) {
    EXPECT_EQ(result, 0u);
  }
  return refused;
}

class CrossTest : public ::testing::Test {
 protected:
  CrossTest() { cross_border() = {}; }
  ~CrossTest() override { cross_border() = {}; }
};

TEST_F(CrossTest, WhatGoesOverArrivesAndComesBack) {
  for (uint64_t seed = 0; seed < 60; ++seed) ASSERT_EQ(call_all(seed, true), 0) << "seed " << seed;
}

TEST_F(CrossTest, TheSameLeavesWhateverMemoryHeld) {
  for (uint64_t seed = 0; seed < 20; ++seed) {
    std::vector<std::vector<std::byte>> left[2];
    for (int round = 0; round < 2; ++round) {
      cross_border().junk = round == 0 ? std::byte{0x11} : std::byte{0xee};
      cross_border().leaves = [&](std::span<const std::byte> bytes) {
        left[round].emplace_back(bytes.begin(), bytes.end());
      };
      ASSERT_EQ(call_all(seed, true), 0);
    }
    ASSERT_GE(left[0].size(), 13u);
    EXPECT_TRUE(left[0] == left[1]) << "seed " << seed;
  }
}

TEST_F(CrossTest, AHostileHostIsRefusedOrHarmless) {
  const uint64_t seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937_64 random(seed);
  cross_border().change_input = [&](std::vector<std::byte>& input, std::size_t& output_size) {
    for (uint64_t changes = random() % 4; changes != 0 && !input.empty(); --changes) {
      const std::size_t at = random() % (random() % 2 == 0 ? input.size() : std::min<std::size_t>(input.size(), 96));
      input[at] = static_cast<std::byte>(random());
    }
    if (random() % 8 == 0) output_size = random() % (output_size + 64);
  };
  cross_border().change_answer = [&](std::span<std::byte> answer) {
    for (uint64_t changes = random() % 3; changes != 0 && !answer.empty(); --changes) {
      answer[random() % answer.size()] = static_cast<std::byte>(random());
    }
  };
  int refused = 0;
  for (int round = 0; round < 600; ++round) refused += call_all(random(), false);
  EXPECT_GT(refused, 100);
}

}  // namespace
