#include "host/cpuid_table.h"

#include <cpuid.h>
#include <gtest/gtest.h>

#include <algorithm>

namespace coffer::host {
namespace {

TEST(CpuidTable, HoldsWhatThisCpuAnswersToEachQuestionOnce) {
  const auto table = cpuid_table();
  EXPECT_LE(table.size(), boundary::kMaxCpuidEntries);
  std::size_t asked = 0;
  for (const auto& question : boundary::kCpuidQuestions) {
    const auto same = [&](const auto& entry) {
      return entry.leaf == question.leaf && entry.subleaf == question.subleaf;
    };
    const bool exists = __get_cpuid_max(question.leaf & 0x80000000, nullptr) >= question.leaf;
    ASSERT_EQ(std::ranges::count_if(table, same), exists ? 1 : 0) << std::hex << question.leaf;
    if (!exists) continue;
    ++asked;
    if (question.leaf == 1) continue;  // tells which CPU it was executed on
    boundary::CpuidRegisters r;
    __cpuid_count(question.leaf, question.subleaf, r.eax, r.ebx, r.ecx, r.edx);
    EXPECT_EQ(std::ranges::find_if(table, same)->answer, r) << std::hex << question.leaf;
  }
  EXPECT_EQ(asked, table.size());
}

}  // namespace
}  // namespace coffer::host
