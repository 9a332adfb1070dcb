// What the other side can do to generated code beyond wrong sizes: bools that are none, and arguments that change while
// they are looked at.
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <map>
#include <mutex>
#include <thread>
#include <vector>

#include "edl/emit.h"
#include "edl/frontend.h"
#include "edl/testing/fake_border.h"
#include "trip_host.h"

namespace trip {
namespace {

using coffer::edl::testing::border;

constexpr std::size_t kRoom = 64;
std::size_t largest_room = 0;

}  // namespace

// --- the host's functions

Switches host_switches(std::span<bool> some, std::span<Panel> panels) {
  std::ranges::fill(some, true);
  for (Panel& each : panels) each.lamps[0] = true;
  return {true, {true, false, true}, 7};
}
// Looks at nothing: what it is given may be more than there is.
void host_room(std::span<std::byte> bytes) { largest_room = std::max(largest_room, bytes.size()); }

namespace {

class GeneratedHostileTest : public ::testing::Test {
 protected:
  GeneratedHostileTest() : enclave(reinterpret_cast<coffer::Enclave&>(nobody)) { border() = {}; }
  ~GeneratedHostileTest() override { border() = {}; }

  alignas(16) std::byte nobody[16]{};
  coffer::Enclave& enclave;
};

// Where a byte says 1, and it can be a bool's, it says 7.
void spoil(std::span<std::byte> bytes, std::size_t from) {
  for (std::size_t i = from; i < bytes.size(); ++i) {
    if (bytes[i] == std::byte{1}) bytes[i] = std::byte{7};
  }
}

TEST_F(GeneratedHostileTest, BoolsOfTheHostAreBools) {
  const bool some[] = {true, false};
  bool lamps[] = {true, true};
  const Switches on{true, {true, true, true}, 9};
  std::vector<Switches> all(2, on);
  const std::vector<Panel> panels(2, Panel{on, lamps, on});
  const auto honest = largest(enclave, some, all, panels, on);
  ASSERT_TRUE(honest.has_value());
  EXPECT_EQ(*honest, 1);
  std::size_t changed = 0;
  border().change_input = [&](std::vector<std::byte>& input, std::size_t&) {
    const std::vector<std::byte> before = input;
    // Pointers in structures that are copied along are 1 where there is something: not those.
    for (std::size_t i = 0; i + 8 <= input.size(); ++i) {
      std::uint64_t word = 0;
      std::memcpy(&word, &input[i], sizeof(word));
      const bool pointer = i % 8 == 0 && word == 1;
      if (pointer) i += 7;
      if (!pointer && input[i] == std::byte{1}) input[i] = std::byte{7};
    }
    changed =
        static_cast<std::size_t>(std::ranges::count_if(input, [](std::byte each) { return each == std::byte{7}; }));
  };
  const auto spoilt = largest(enclave, some, all, panels, on);
  ASSERT_TRUE(spoilt.has_value());
  EXPECT_GT(changed, 20u);
  EXPECT_EQ(*spoilt, 1);
}

TEST_F(GeneratedHostileTest, BoolsOfAnAnswerAreBools) {
  EXPECT_EQ(largest_answer(enclave, 3).value_or(0xff), 1);
  bool changed = false;
  border().change_answer = [&](std::span<std::byte> answer) {
    changed = true;
    spoil(answer, 0);
  };
  EXPECT_EQ(largest_answer(enclave, 3).value_or(0xff), 1);
  EXPECT_TRUE(changed);
}

#if !defined(__SANITIZE_THREAD__)
// An enclave changes, from another thread, what the host's half has just checked.
TEST_F(GeneratedHostileTest, ArgumentsThatChangeMeanwhileAreReadOnce) {
  std::mutex lock;
  std::byte* block = nullptr;
  std::atomic<bool> over = false;
  std::size_t changes = 0;
  std::thread enclave_thread([&] {
    while (!over.load(std::memory_order_relaxed)) {
      const std::scoped_lock guard(lock);
      if (block == nullptr) continue;
      // The first member says how large the buffer is.
      auto* size = reinterpret_cast<volatile std::size_t*>(block);
      for (int i = 0; i < 50; ++i) {
        *size = kRoom;
        *size = kRoom * 1000;
      }
      *size = kRoom;
      ++changes;
    }
  });
  border().in_host = [&](std::byte* input) {
    const std::scoped_lock guard(lock);
    block = input;
  };
  largest_room = 0;
  std::size_t went_well = 0;
  for (int round = 0; round < 200 && (changes < 1000 || round < 20); ++round) {
    went_well += race(enclave, kRoom).value_or(0);
  }
  over = true;
  enclave_thread.join();
  EXPECT_GT(went_well, 0u);
  EXPECT_GT(changes, 0u);
  EXPECT_EQ(largest_room, kRoom);
}
#endif

// In every dialect: the host's half has the argument structure to itself before it looks at it.
TEST(GeneratedTextTest, TheHostsHalfCopiesTheArgumentsOnce) {
  using namespace coffer::edl;
  const std::string text =
      "enclave { trusted { public void go(); };"
      " untrusted { size_t ask([in, string] const char* s, [out, size=n] void* to, size_t n); }; };";
  for (const Dialect dialect : {Dialect::kCoffer, Dialect::kOpenEnclave, Dialect::kSgx}) {
    Options options;
    options.dialect = dialect;
    Diagnostics diagnostics;
    FrontEnd front_end(options, diagnostics, [&](const std::string&) { return text; });
    const auto interface = front_end.load("ask.edl");
    ASSERT_NE(interface, nullptr);
    std::size_t outside = 0;
    for (const GeneratedFile& file : emit(*interface, options)) {
      if (file.path != "ask_host.cc" && file.path != "ask_u.c") continue;
      ++outside;
      EXPECT_NE(file.text.find("edl_get(&edl_in, edl_args, sizeof(*edl_args));"), std::string::npos) << file.path;
      EXPECT_EQ(file.text.find("edl_args = (ask"), std::string::npos) << file.path;
      EXPECT_EQ(file.text.find("edl_args = (ms_ask"), std::string::npos) << file.path;
    }
    EXPECT_EQ(outside, 1u);
  }
}

}  // namespace
}  // namespace trip
