#include "host/hardware/vdso.h"

#include <gtest/gtest.h>
#include <sys/auxv.h>
#include <ctime>

namespace coffer::host::hardware {
namespace {

TEST(Vdso, AFunctionOfTheKernelsIsFoundAndWorks) {
  const std::uint64_t base = ::getauxval(AT_SYSINFO_EHDR);
  if (base == 0) GTEST_SKIP() << "no vDSO";
  using Clock = int (*)(clockid_t, timespec*);
  const auto clock = reinterpret_cast<Clock>(find_vdso_symbol(base, "__vdso_clock_gettime"));
  ASSERT_NE(clock, nullptr);
  timespec before{};
  timespec after{};
  ::clock_gettime(CLOCK_MONOTONIC, &before);
  EXPECT_EQ(clock(CLOCK_MONOTONIC, &after), 0);
  EXPECT_GE(after.tv_sec, before.tv_sec);
  EXPECT_LE(after.tv_sec, before.tv_sec + 60);
}

TEST(Vdso, WhatIsNotThereIsNotFound) {
  EXPECT_EQ(find_vdso_symbol(::getauxval(AT_SYSINFO_EHDR), "__vdso_no_such_function"), 0u);
  EXPECT_EQ(find_vdso_symbol(0, "__vdso_clock_gettime"), 0u);
  alignas(8) constexpr char kNoImage[64] = "not an ELF image";
  EXPECT_EQ(find_vdso_symbol(reinterpret_cast<std::uint64_t>(kNoImage), "__vdso_clock_gettime"), 0u);
}

}  // namespace
}  // namespace coffer::host::hardware
