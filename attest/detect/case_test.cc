#include "attest/detect/case.h"

#include <gtest/gtest.h>

#include "attest/testing/vectors.h"

namespace coffer::attest::detect {
namespace {

constexpr UnixTime kNow{1'750'000'000};

CaseFiles files_of(const std::filesystem::path& folder) {
  CaseFiles files;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    if (entry.is_regular_file()) files[entry.path().filename().string()] = testing::read_bytes(entry.path());
  }
  return files;
}

std::vector<std::filesystem::path> cases_below(const std::filesystem::path& folder) {
  std::vector<std::filesystem::path> cases;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder)) {
    if (entry.path().filename() == "expect.json") cases.push_back(entry.path().parent_path());
  }
  return cases;
}

class Tree : public ::testing::TestWithParam<const char*> {};

TEST_P(Tree, AgreesCaseByCase) {
  const auto cases = cases_below(testing::vectors() / GetParam());
  EXPECT_GT(cases.size(), 10U);
  for (const auto& folder : cases) {
    const CaseOutcome outcome = run_case(files_of(folder), TrustedRoots::built_in(), kNow);
    EXPECT_TRUE(outcome.agrees) << folder << ": expected " << outcome.expected << ", got " << outcome.got;
  }
}

INSTANTIATE_TEST_SUITE_P(Vectors, Tree, ::testing::Values("dcap", "dcap-neg", "snp", "tpm"));

}  // namespace
}  // namespace coffer::attest::detect
