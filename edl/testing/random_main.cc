// Interfaces that edl/testing/random_interface.cc made up when this was built: what each function is given, and what
// comes back, is right in both directions; and a hostile host in between is refused or harmless (AddressSanitizer
// says).
#include <gtest/gtest.h>

#include <cstdint>
#include <random>

#include "edl/testing/fake_border.h"

namespace coffer {
class Enclave;
}
namespace made {
// Runs ECALL `which` with random arguments. 0: all is right; 1: the call failed; 2, 3: something else arrived, or came
// back.
uint64_t drive_ecall(coffer::Enclave& enclave, uint32_t which, uint64_t seed);
// The same from inside, for an OCALL: 0 to 3, or 10 where the ECALL around it failed.
uint64_t drive_ocall(coffer::Enclave& enclave, uint32_t which, uint64_t seed);
}  // namespace made

namespace coffer::edl {
namespace {

constexpr uint32_t kFunctions = 24;

class RandomTest : public ::testing::Test {
 protected:
  RandomTest() { testing::border() = {}; }
  ~RandomTest() override { testing::border() = {}; }

  // Never looked at: the border of the tests is no library.
  alignas(16) std::byte nobody[16]{};
  Enclave& enclave = reinterpret_cast<Enclave&>(nobody);
};

TEST_F(RandomTest, WhatGoesOverArrivesAndComesBack) {
  for (uint64_t round = 0; round < 40; ++round) {
    for (uint32_t which = 0; which < kFunctions; ++which) {
      ASSERT_EQ(made::drive_ecall(enclave, which, round), 0u) << "ecall" << which << ", round " << round;
      ASSERT_EQ(made::drive_ocall(enclave, which, round), 0u) << "ocall" << which << ", round " << round;
    }
  }
}

TEST_F(RandomTest, AHostileHostIsRefusedOrHarmless) {
  const uint64_t seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937_64 random(seed);
  testing::border().change_input = [&](std::vector<std::byte>& input, std::size_t& output_size) {
    for (uint64_t changes = random() % 4; changes != 0 && !input.empty(); --changes) {
      // The argument structure is where it hurts.
      const std::size_t at = random() % (random() % 2 == 0 ? input.size() : std::min<std::size_t>(input.size(), 64));
      input[at] = static_cast<std::byte>(random());
    }
    if (random() % 8 == 0) output_size = random() % (output_size + 64);
  };
  testing::border().change_answer = [&](std::span<std::byte> answer) {
    for (uint64_t changes = random() % 3; changes != 0 && !answer.empty(); --changes) {
      answer[random() % answer.size()] = static_cast<std::byte>(random());
    }
  };
  std::size_t refused = 0;
  for (uint64_t round = 0; round < 60; ++round) {
    for (uint32_t which = 0; which < kFunctions; ++which) {
      refused += made::drive_ecall(enclave, which, random()) != 0;
      refused += made::drive_ocall(enclave, which, random()) != 0;
    }
  }
  EXPECT_GT(refused, 100u);
}

}  // namespace
}  // namespace coffer::edl
