#include "emulate/code_sites.h"

#include <gtest/gtest.h>
#include <sys/mman.h>

#include <cstring>
#include <vector>

namespace coffer::emulate {
namespace {

std::vector<std::byte> bytes(std::initializer_list<int> values) {
  std::vector<std::byte> result;
  for (int value : values) result.push_back(static_cast<std::byte>(value));
  return result;
}

// Forty-eight one-byte instructions, then these.
std::vector<std::byte> after_nops(std::initializer_list<int> values) {
  std::vector<std::byte> code(48, std::byte{0x90});
  const auto tail = bytes(values);
  code.insert(code.end(), tail.begin(), tail.end());
  return code;
}

TEST(InstructionStarts, WhereDecodingFromEverywhereAgrees) {
  const auto code = after_nops({0x0f, 0xa2, 0xc3});
  EXPECT_TRUE(instruction_starts(code, 48, std::nullopt));
  EXPECT_FALSE(instruction_starts(code, 49, std::nullopt));
}

TEST(InstructionStarts, NotInsideAnother) {
  // mov $0x0000a20f,%eax: CPUID's bytes are its immediate
  const auto code = after_nops({0xb8, 0x0f, 0xa2, 0x00, 0x00, 0xc3});
  EXPECT_FALSE(instruction_starts(code, 49, std::nullopt));
  EXPECT_FALSE(instruction_starts(code, 49, 0));
  EXPECT_TRUE(instruction_starts(code, 48, 0));
}

class MappedCode {
 public:
  explicit MappedCode(const std::vector<std::byte>& code) {
    page_ = ::mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    std::memset(page_, 0x90, 4096);
    std::memcpy(static_cast<std::byte*>(page_) + 1024, code.data(), code.size());
    ::mprotect(page_, 4096, PROT_READ | PROT_EXEC);
  }
  ~MappedCode() { ::munmap(page_, 4096); }
  MappedCode(const MappedCode&) = delete;
  MappedCode& operator=(const MappedCode&) = delete;
  [[nodiscard]] ByteView view() const { return {static_cast<const std::byte*>(page_), 4096}; }
  [[nodiscard]] std::uint64_t address(std::size_t at) const {
    return reinterpret_cast<std::uint64_t>(page_) + 1024 + at;
  }
  [[nodiscard]] int at(std::size_t at) const { return static_cast<int>(view()[1024 + at]); }

 private:
  void* page_;
};

TEST(TrapCpuid, TakesTwoBytesOfEachAndNothingElse) {
  const MappedCode code(bytes({0xb8, 0x0f, 0xa2, 0x00, 0x00, 0x0f, 0xa2, 0x31, 0xc0, 0x0f, 0xa2, 0xc3}));
  static SiteTable sites;
  trap_cpuid(code.view(), PROT_READ | PROT_EXEC, nullptr, sites);
  EXPECT_EQ(code.at(1), 0x0f) << "an immediate";
  EXPECT_EQ(code.at(2), 0xa2);
  for (const std::size_t site : {5u, 9u}) {
    EXPECT_EQ(code.at(site), 0xcc);
    EXPECT_EQ(code.at(site + 1), 0x90);
    EXPECT_TRUE(sites.contains(code.address(site)));
  }
  EXPECT_EQ(code.at(7), 0x31);
  EXPECT_EQ(code.at(11), 0xc3);
  EXPECT_FALSE(sites.contains(code.address(1)));
}

TEST(SiteTable, HoldsWhatItWasGivenUntilItIsFull) {
  static SiteTable sites;
  std::uint64_t held = 0;
  while (sites.add(0x1000 + held * 4096)) ++held;
  EXPECT_GE(held, 1000u);
  for (std::uint64_t i = 0; i < held; ++i) EXPECT_TRUE(sites.contains(0x1000 + i * 4096));
  EXPECT_FALSE(sites.contains(0x1001));
}

TEST(FunctionStart, KnowsTheNearestBeforeIt) {
  // version, pcrel|sdata4, udata4, datarel|sdata4; eh_frame; 2 entries: start, entry
  const auto header = bytes({1,    0x1b, 0x03, 0x3b, 0, 0, 0, 0, 2,    0,    0, 0,  //
                             0x00, 0x10, 0,    0,    0, 0, 0, 0, 0x00, 0x20, 0, 0, 0, 0, 0, 0});
  const auto base = reinterpret_cast<std::uint64_t>(header.data());
  EXPECT_EQ(function_start(header.data(), base + 0x1234), base + 0x1000);
  EXPECT_EQ(function_start(header.data(), base + 0x2000), base + 0x2000);
  EXPECT_EQ(function_start(header.data(), base + 0xfff), std::nullopt);
  EXPECT_EQ(function_start(nullptr, base), std::nullopt);
}

}  // namespace
}  // namespace coffer::emulate
