#include "emulate/cpuid.h"

#include <gtest/gtest.h>

#include "processor/entry.h"

namespace coffer::emulate {
namespace {

constexpr std::uint64_t kEpc = (std::uint64_t{5} << 32) + (std::uint64_t{64} << 20);

TEST(Cpuid, TellsOfSgx) {
  EXPECT_GE(answer_cpuid(0, 0, kEpc).eax, 0x12u);
  EXPECT_NE(answer_cpuid(7, 0, kEpc).ebx & 1u << 2, 0u);
  EXPECT_NE(answer_cpuid(7, 0, kEpc).ecx & 1u << 30, 0u);
  const CpuidAnswer abilities = answer_cpuid(0x12, 0, kEpc);
  EXPECT_EQ(abilities.eax & 3, 3u);
  EXPECT_EQ(abilities.ebx, 1u) << "MISCSELECT: EXINFO";
}

TEST(Cpuid, AttributesAreThoseThatEcreateTakes) {
  const CpuidAnswer answer = answer_cpuid(0x12, 1, kEpc);
  EXPECT_EQ(answer.eax | std::uint64_t{answer.ebx} << 32, processor::supported_attributes());
  EXPECT_EQ(answer.ecx | std::uint64_t{answer.edx} << 32, processor::machine_xfrm());
}

TEST(Cpuid, OneSectionOfTheEpcsSize) {
  const CpuidAnswer section = answer_cpuid(0x12, 2, kEpc);
  EXPECT_EQ(section.eax & 0xf, 1u);
  EXPECT_EQ((section.ecx & 0xfffff000) + (std::uint64_t{section.edx & 0xfffff} << 32), kEpc);
  EXPECT_EQ(answer_cpuid(0x12, 3, kEpc).eax, 0u) << "no second one";
}

TEST(Cpuid, EverythingElseIsTheMachines) {
  CpuidAnswer machine;
  asm volatile("cpuid" : "=a"(machine.eax), "=b"(machine.ebx), "=c"(machine.ecx), "=d"(machine.edx) : "a"(0x80000002));
  const CpuidAnswer answer = answer_cpuid(0x80000002, 0, kEpc);
  EXPECT_EQ(answer.eax, machine.eax);
  EXPECT_EQ(answer.edx, machine.edx);
}

}  // namespace
}  // namespace coffer::emulate
