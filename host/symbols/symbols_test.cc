// Over this very test program, whose symbols are known.
#include "host/symbols/symbols.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <link.h>

#include <cstring>

// Has a name that mangles, a line, and a caller that saves nothing in a frame pointer.
namespace coffer::symbols_test {

[[gnu::noinline]] std::uint64_t known_function(std::uint64_t* line) {
  *line = __LINE__;
  return reinterpret_cast<std::uint64_t>(__builtin_return_address(0));
}

}  // namespace coffer::symbols_test

namespace coffer::symbols {
namespace {

using symbols_test::known_function;
using ::testing::HasSubstr;

constexpr std::uint64_t kBase = 0x200000;

std::uint64_t own_load_address() {
  std::uint64_t address = 0;
  ::dl_iterate_phdr(
      [](dl_phdr_info* info, std::size_t, void* out) {
        *static_cast<std::uint64_t*>(out) = info->dlpi_addr;  // the first is the program
        return 1;
      },
      &address);
  return address;
}

std::unique_ptr<Symbols> own_symbols() {
  auto symbols = Symbols::make();
  EXPECT_TRUE(symbols);
  EXPECT_TRUE((*symbols)->add("program", "/proc/self/exe", kBase));
  (*symbols)->ready();
  return std::move(*symbols);
}

std::uint64_t inside(std::uint64_t linear) { return linear - own_load_address() + kBase; }

TEST(Symbols, FunctionsHaveNamesAndLines) {
  const auto symbols = own_symbols();
  std::uint64_t line = 0;
  known_function(&line);
  const Place place = symbols->explain(inside(reinterpret_cast<std::uint64_t>(&known_function)));
  EXPECT_EQ(place.function, "coffer::symbols_test::known_function(unsigned long*)");
  EXPECT_EQ(place.offset, 0u);
  EXPECT_EQ(place.module, "program");
  EXPECT_THAT(place.file, HasSubstr("symbols_test.cc"));
  EXPECT_NEAR(place.line, static_cast<int>(line), 3);
}

TEST(Symbols, AReturnAddressBelongsToTheCall) {
  const auto symbols = own_symbols();
  std::uint64_t line = 0;
  const std::uint64_t back = known_function(&line);
  const Place place = symbols->explain(inside(back), true);
  EXPECT_THAT(place.function, HasSubstr("AReturnAddressBelongsToTheCall"));
}

TEST(Symbols, APageNamesItsFunctions) {
  const auto symbols = own_symbols();
  const std::uint64_t page = inside(reinterpret_cast<std::uint64_t>(&known_function)) & ~std::uint64_t{4095};
  EXPECT_THAT(symbols->functions_in(page, page + 4096),
              ::testing::Contains("coffer::symbols_test::known_function(unsigned long*)"));
}

TEST(Symbols, WhatIsNotThereHasNoName) {
  const auto symbols = own_symbols();
  EXPECT_EQ(symbols->explain(0x1000).function, "");
  auto other = Symbols::make();
  EXPECT_THAT((*other)->add("program", "/etc/passwd", 0).error().message, HasSubstr("no ELF program"));
  EXPECT_THAT((*other)->add("program", "/does/not/exist", 0).error().message, HasSubstr("cannot open"));
}

// The registers of this very function and its stack, as a crash would have left them.
[[gnu::noinline]] operate::CrashReport::Machine snapshot() {
  operate::CrashReport::Machine machine;
  machine.record.magic = boundary::kCrashMagic;
  machine.record.base = own_load_address() - kBase;
  std::uint64_t values[17] = {};
  asm volatile(
      "mov %%rbx, 24(%0)\n\tmov %%rbp, 48(%0)\n\tmov %%rsp, 56(%0)\n\tmov %%r12, 96(%0)\n\tmov %%r13, 104(%0)\n\t"
      "mov %%r14, 112(%0)\n\tmov %%r15, 120(%0)\n\tlea 1f(%%rip), %%rax\n1:\tmov %%rax, 128(%0)" ::"r"(values)
      : "rax", "memory");
  std::memcpy(machine.record.registers, values, sizeof(values));
  machine.record.stack_begin = values[7];
  machine.stack.resize(4096);
  std::memcpy(machine.stack.data(), reinterpret_cast<const void*>(values[7]), machine.stack.size());
  machine.record.stack_size = 4096;
  return machine;
}

TEST(Symbols, UnwindsWithoutFramePointers) {
  const auto symbols = own_symbols();
  const auto machine = snapshot();
  const auto frames = symbols->unwind(machine);
  ASSERT_GE(frames.size(), 2u);
  EXPECT_THAT(symbols->explain(frames[0]).function, HasSubstr("snapshot()"));
  EXPECT_THAT(symbols->explain(frames[1], true).function, HasSubstr("UnwindsWithoutFramePointers"));
  auto torn = machine;
  torn.stack.clear();
  EXPECT_LE(symbols->unwind(torn).size(), 1u) << "without the stack nothing but where it was";
}

}  // namespace
}  // namespace coffer::symbols
