// Every case of the vectors' dcap and dcap-neg: evidence of real machines, and what Intel's library says of it.
#include <gtest/gtest.h>

#include <coffer/attest/dcap.h>

#include "attest/testing/vectors.h"

namespace coffer::attest::dcap {
namespace {

using nlohmann::json;

json json_of(const Claims& claims) { return json::parse(to_json(claims)); }

struct Answer {
  bool accepted = false;
  std::optional<Verification> verification;
  std::string error;
};

Answer answer_of(const std::filesystem::path& path, const json& expect) {
  Answer answer;
  const auto collateral = Collateral::parse(testing::read_text(path / "collateral.json"));
  if (!collateral) {
    answer.error = collateral.error().message;
    return answer;
  }
  const auto at = parse_iso8601(expect.at("at").get<std::string>());
  EXPECT_TRUE(at);
  auto verified = verify(testing::read_bytes(path / "quote.bin"), *collateral, *at);
  if (!verified) {
    answer.error = verified.error().message;
    return answer;
  }
  answer.accepted = verified->authentic();
  answer.verification = std::move(*verified);
  return answer;
}

void expect_fields(const Claims& claims, const json& expect) {
  const json found = json_of(claims);
  for (const auto& [name, value] : expect.items()) EXPECT_EQ(found.value(name, json()), value) << name;
}

// Decided differences from the expectations; docs/design/dcap.md has the reasons.
bool is_decided(const std::string& name) { return name == "sgx3-azsdk-oldroot"; }

class Vectors : public ::testing::TestWithParam<std::filesystem::path> {};

TEST_P(Vectors, AreAnsweredAsExpected) {
  const json expect = testing::read_json(GetParam() / "expect.json");
  const Answer answer = answer_of(GetParam(), expect);
  const std::string name = GetParam().filename();
  const std::string why = answer.verification ? to_json(*answer.verification, answer.accepted) : answer.error;
  const std::string verdict = expect.at("verdict");
  if (verdict != "either") {
    const bool accept = verdict == "accept" || is_decided(name);
    EXPECT_EQ(answer.accepted, accept) << why;
  }
  if (verdict == "accept") {
    ASSERT_TRUE(answer.verification) << why;
    EXPECT_EQ(answer.verification->root, RootOfTrust::kIntel);
  }
  if (expect.contains("tcb_status")) {
    ASSERT_TRUE(answer.verification) << why;
    ASSERT_TRUE(answer.verification->tcb_status) << why;
    EXPECT_EQ(name_of(*answer.verification->tcb_status), expect.at("tcb_status").get<std::string>()) << why;
  }
  // The expected advisories are those of another verifier than the status; where that one selected another level, they
  // are not of this status.
  const bool same_level = expect.value("dcap_qvl_js_0_3_9", "") == expect.value("tcb_status", "");
  if (expect.contains("advisory_ids") && expect.at("advisory_ids").is_array() && same_level) {
    auto wanted = expect.at("advisory_ids").get<std::vector<std::string>>();
    std::ranges::sort(wanted);
    EXPECT_EQ(answer.verification->advisory_ids, wanted) << why;
  }
  if (expect.contains("fields")) {
    ASSERT_TRUE(answer.verification) << why;
    expect_fields(answer.verification->claims, expect.at("fields"));
    const auto& claims = answer.verification->claims;
    EXPECT_EQ(json_of(claims).value("fmspc", ""), expect.at("fmspc").get<std::string>());
    EXPECT_EQ(json_of(claims).value("pck_ca", ""), expect.at("pck_ca").get<std::string>());
  }
}

std::string case_name(const ::testing::TestParamInfo<std::filesystem::path>& info) {
  std::string name = info.param.filename();
  for (char& c : name) {
    if (std::isalnum(static_cast<unsigned char>(c)) == 0) c = '_';
  }
  return name;
}

INSTANTIATE_TEST_SUITE_P(Dcap, Vectors, ::testing::ValuesIn(testing::cases("dcap")), case_name);
INSTANTIATE_TEST_SUITE_P(DcapNeg, Vectors, ::testing::ValuesIn(testing::cases("dcap-neg")), case_name);

}  // namespace
}  // namespace coffer::attest::dcap
