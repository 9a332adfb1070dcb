#include "host/cpuid_table.h"

#include <cpuid.h>

namespace coffer::host {

using boundary::CpuidEntry;

std::vector<CpuidEntry> cpuid_table() {
  static_assert(boundary::kCpuidQuestions.size() <= boundary::kMaxCpuidEntries);
  std::vector<CpuidEntry> table;
  for (const auto& question : boundary::kCpuidQuestions) {
    CpuidEntry entry{.leaf = question.leaf, .subleaf = question.subleaf, .answer = {}};
    auto& [eax, ebx, ecx, edx] = entry.answer;
    // Beyond its highest leaf a CPU answers something else.
    if (__get_cpuid_count(question.leaf, question.subleaf, &eax, &ebx, &ecx, &edx) != 0) table.push_back(entry);
  }
  return table;
}

}  // namespace coffer::host
