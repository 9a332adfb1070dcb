#include <coffer/attest/policy.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "attest/core/base64.h"

namespace coffer::attest {
namespace {

using ::testing::HasSubstr;

std::string read(const std::filesystem::path& path) {
  std::ostringstream text;
  text << std::ifstream(path).rdbuf();
  return text.str();
}
const std::filesystem::path kCaptures = std::filesystem::path(COFFER_SOURCE_DIR) / "tests/vectors/attestation/maa";

// The error line of a policy that cannot be read, or "good".
std::string error_of(std::string_view text) {
  const auto policy = Policy::parse(text, "p");
  return policy ? "good" : policy.error().message;
}
std::string rule_error(std::string_view rule, const char* version = "1.2") {
  return error_of("version=" + std::string(version) + ";issuancerules{" + std::string(rule) + "};");
}

TEST(PolicyText, OfPublishedSamplesIsRead) {
  std::size_t count = 0;
  for (const auto& entry : std::filesystem::directory_iterator(kCaptures / "policies")) {
    EXPECT_EQ(error_of(read(entry.path())), "good") << entry.path();
    ++count;
  }
  EXPECT_GE(count, 3U);
}

// What the service was sent and what it answered with, wherever a recording holds a policy.
TEST(PolicyText, OfEveryRecordingIsReadAndHasItsHash) {
  std::size_t policies = 0, hashes = 0;
  for (const auto& entry : std::filesystem::directory_iterator(kCaptures / "recordings")) {
    std::string draft;
    for (const auto& exchange : nlohmann::json::parse(read(entry.path()))) {
      const auto& request = exchange["request_body"];
      if (request.is_object() && request.contains("draftPolicyForAttestation")) {
        draft = request["draftPolicyForAttestation"];
        EXPECT_EQ(error_of(draft), "good") << draft;
        ++policies;
      }
      const auto& answer = exchange["response_body"];
      if (draft.empty() || !answer.is_object() || !answer.contains("token")) continue;
      std::string payload = answer["token"];
      payload = payload.substr(payload.find('.') + 1);
      const auto bytes = from_base64url(payload.substr(0, payload.find('.')));
      ASSERT_TRUE(bytes);
      const auto claims = nlohmann::json::parse(text_of_bytes(*bytes));
      EXPECT_EQ(claims.value("x-ms-policy-hash", ""), policy_hash(draft));
      ++hashes;
    }
  }
  EXPECT_EQ(policies, 6U);
  EXPECT_EQ(hashes, 3U);
}

TEST(PolicyText, HasErrorsWithAPlaceAndAdvice) {
  EXPECT_EQ(error_of("version=1.0;\nauthorizationrules\n{\n  [type==\"a\"] -> permit();\n};"),
            "p:4:15: '-' has no meaning here; take it out");
  EXPECT_EQ(error_of("version=1.3;"),
            "p:1:9: there is no version 1.3 of the language; the versions are 1.0, 1.1 and 1.2");
  const std::pair<const char*, const char*> cases[] = {
      {"=> permit();", "permit has no place in issuancerules; issuancerules take add"},
      {"=> grant();", "'grant' is no action"},
      {"[Type==\"a\"] => issue(claim=c);", "'Type' is no property of a claim; write type"},
      {"c:[type==\"a\"] => issue(claim=d);", "'d' is the name of no earlier condition"},
      {"c:[type==\"a\"] && c:[type==\"b\"] => issue(claim=c);", "'c' stands for another condition"},
      {"!c:[type==\"a\"] => issue(claim=c);", "'c' is a condition with '!'"},
      {"=> issue(type=\"a\");", "issue without value="},
      {"=> issue(value=1);", "issue without type="},
      {"=> issue(\"a\", value=1);", "\"a\" is no property"},
      {"=> issue(type=\"\", value=1);", "the type of a claim is a string that is not empty"},
      {"=> issue(type=\"a\", value=1, value=2);", "value is given twice"},
      {"=> issue(type=\"a\", value=1, issuer=\"AttestationService\");",
       "is issued by AttestationPolicy; leave issuer out"},
      {"=> issue(type=\"a\", value=1, valueType=\"Number\");", "there is no such valueType"},
      {"=> issue(type=\"a\", value=0x10);", "'0x10' is no integer; the language has decimal numbers alone; write 16"},
      {"=> issue(type=\"a\", value=99999999999999999999);", "is no integer"},
      {"=> issue(type=\"a\", value=abc);", "'abc' is no value; write a string between"},
      {"=> issue(type=\"a\", value=NegateBol(true));", "there is no function NegateBol"},
      {"=> issue(type=\"a\", value=NegateBool(true, false));", "NegateBool takes 1 argument"},
      {"=> issue(type=\"a\", value=AppendString(\"a\"));", "AppendString takes 2 arguments"},
      {"=> issue(type=\"a\", value=\"open);", "a string does not end"},
      {"[type==\"a\n\"] => issue(type=\"a\", value=1);", "a string does not end on its line"},
      {"[type==\"a\" value==1] => issue(type=\"a\", value=1);", "']' is missing before 'value'"},
      {"[type>\"a\"] => issue(type=\"a\", value=1);", "'>' orders integers alone"},
      {"[value>=true] => issue(type=\"a\", value=1);", "'>=' orders integers alone"},
      {"[type==1] => issue(type=\"a\", value=1);", "type is a string; write it between"},
      {"[type=='a'] => issue(type=\"a\", value=1);", "an apostrophe outside a string"},
      {"[type==\"a\"] || [type==\"b\"] => issue(type=\"a\", value=1);", "there is no ||"},
      {"[] => issue(type=\"a\", value=1);", "']' is no property of a claim"},
      {"=> issue(type=\xe2\x80\x9d"
       "a\xe2\x80\x9d, value=1);",
       "a typographic quotation mark; write \""},
      {"=> issue(type=\"\xff\", value=1);", "a byte that is not UTF-8"},
  };
  for (const auto& [rule, expected] : cases) EXPECT_THAT(rule_error(rule), HasSubstr(expected)) << rule;
}

TEST(PolicyText, KnowsWhichVersionBroughtWhat) {
  EXPECT_EQ(rule_error("![type==\"a\"] => issue(type=\"a\", value=NegateBool(true));", "1.2"), "good");
  EXPECT_THAT(rule_error("![type==\"a\"] => issue(type=\"a\", value=1);", "1.1"),
              HasSubstr("'!' came with version 1.2"));
  EXPECT_THAT(rule_error("=> issue(type=\"a\", value=NegateBool(true));", "1.0"),
              HasSubstr("functions came with version 1.2"));
  EXPECT_THAT(error_of("version=1.0; configurationrules{}; authorizationrules{};"), HasSubstr("came with version 1.1"));
  EXPECT_EQ(error_of("version=1.1; configurationrules{}; authorizationrules{};"), "good");
  EXPECT_THAT(error_of("version=1.1; authorizationrules{}; configurationrules{};"), HasSubstr("the order is"));
  EXPECT_THAT(error_of("version=1.0; authorizationrules{}; authorizationrules{};"), HasSubstr("a second time"));
  EXPECT_THAT(error_of("version=1.0; rules{};"), HasSubstr("'rules' begins no section"));
  EXPECT_THAT(error_of("version=1.0; authorizationrules{ => issueproperty(type=\"a\", value=1); };"),
              HasSubstr("no place in"));
  EXPECT_THAT(error_of(""), HasSubstr("a policy begins with its version"));
  EXPECT_THAT(error_of("version=1.0; authorizationrules{"), HasSubstr("'}' is missing before the end of the text"));
  EXPECT_THAT(error_of("version=1.0; authorizationrules{}; #"), HasSubstr("'#' has no meaning here"));
}

TEST(PolicyText, OfSloppySamplesIsReadWithWarnings) {
  const char* text =
      "Version= 1.0;\nAuthorizationRules{ c:[type=\"a\"] => Permit() };\nIssuancerules{ c:[type==\"a\"] => "
      "issue(claim=c) }";
  const PolicyCheck check = check_policy(text);
  ASSERT_TRUE(check.policy) << render(check.findings.back(), text, "p");
  std::vector<std::string> messages;
  for (const PolicyFinding& finding : check.findings) {
    EXPECT_FALSE(finding.error);
    messages.push_back(finding.message);
  }
  EXPECT_THAT(messages, ::testing::ElementsAre(
                            "'Version' in other letters than the language's",
                            "'AuthorizationRules' in other letters than the language's",
                            "a single '=' in a condition, read as ==", "'Permit' in other letters than the language's",
                            "no ';' after a rule", "'Issuancerules' in other letters than the language's",
                            "no ';' after a rule", "no ';' after a section"));
  EXPECT_TRUE(check_policy(format_policy(*check.policy)).findings.empty());
  EXPECT_THAT(check_policy("version=1.0; issuancerules{};").findings.front().message,
              HasSubstr("nothing is ever permitted"));
}

TEST(PolicyText, IsBounded) {
  EXPECT_THAT(error_of(std::string(kMaxPolicySize + 1, ' ')), HasSubstr("larger than"));
  std::string many = "version=1.0; authorizationrules{";
  for (std::size_t i = 0; i <= kMaxPolicyRules; ++i) many += "=>permit();";
  EXPECT_THAT(error_of(many + "};"), HasSubstr("more than 2000 rules"));
  std::string conditions = "[type==\"a\"]";
  for (int i = 0; i < 40; ++i) conditions += "&&[type==\"a\"]";
  EXPECT_THAT(rule_error(conditions + "=>issue(type=\"a\",value=1);"), HasSubstr("more than 32 conditions"));
  std::string parts = "[value==1";
  for (int i = 0; i < 40; ++i) parts += ",value==1";
  EXPECT_THAT(rule_error(parts + "]=>issue(type=\"a\",value=1);"), HasSubstr("more than 32 parts"));
  std::string calls, ends;
  for (int i = 0; i < 20'000; ++i) {
    calls += "NegateBool(";
    ends += ")";
  }
  EXPECT_THAT(rule_error("=>issue(type=\"a\",value=" + calls + "true" + ends + ");"), HasSubstr("nested deeper than"));
}

TEST(PolicyText, IsShownWithTheLineAndACaret) {
  const char* text = "version=1.0;\nauthorizationrules {\n\t[typ==\"a\"] => permit();\n};\n";
  const PolicyCheck check = check_policy(text);
  ASSERT_EQ(check.findings.size(), 1U);
  EXPECT_EQ(
      render(check.findings[0], text, "sgx.policy"),
      "sgx.policy:3:3: error: 'typ' is no property of a claim; the properties are type, value, valueType and issuer\n"
      "   [typ==\"a\"] => permit();\n    ^\n");
  const std::string wide =
      "version=1.0; // " + std::string(5000, 'x') + "\nauthorizationrules{ " + std::string(1000, ' ') + "bad };";
  const std::string shown = render(check_policy(wide).findings.back(), wide, "p");
  EXPECT_LT(shown.size(), 500U) << "a long line is cut around the place";
}

TEST(PolicyFormat, KeepsCommentsAndMeaning) {
  const char* text =
      "// what it is for\n\n\n//   and for whom\nversion = 1.2 ;configurationrules{=>issueproperty(type = "
      "\"required_pcr_mask\",value=15);} ;\n"
      "// who may\nauthorizationrules { // opening\n"
      "c : [ type==\"a\" , // why\n value!=0 ]&& ![type==\"b\"]=>permit( ) ; // trailing\n\n\n\n=>deny();\n  // "
      "last\n};//after\n"
      "issuancerules{c:[type==\"a\"]=>issue(type=AppendString(c.type,\"\\\\x\\\"\"),value=c.value);};\n//end";
  const char* expected =
      "// what it is for\n\n// and for whom\nversion=1.2;\n\nconfigurationrules\n{\n"
      "  => issueproperty(type=\"required_pcr_mask\", value=15);\n};\n\n// who may\nauthorizationrules\n{\n  // "
      "opening\n"
      "  // why\n  c:[type==\"a\", value!=0] && ![type==\"b\"] => permit();  // trailing\n\n  => deny();\n  // "
      "last\n};\n\n"
      "// after\nissuancerules\n{\n  c:[type==\"a\"] => issue(type=AppendString(c.type, \"\\\\x\\\"\"), "
      "value=c.value);\n};\n\n// end\n";
  const auto policy = Policy::parse(text);
  ASSERT_TRUE(policy) << policy.error().message;
  EXPECT_EQ(format_policy(*policy), expected);
  const auto again = Policy::parse(expected);
  ASSERT_TRUE(again);
  EXPECT_TRUE(policy->same_rules(*again));
  EXPECT_EQ(format_policy(*again), expected);
}

TEST(PolicyHash, IsThatOfTheServicesDefaultPolicy) {
  const char* text =
      R"(version= 1.1;configurationrules{=> issueproperty(type="x-ms-sgx-tcbidentifier", value="azuredefault");};)"
      R"(authorizationrules{=> permit();};issuancerules{c:[type=="x-ms-sgx-is-debuggable"] => issue(type="is-debuggable", )"
      R"(value=c.value);c:[type=="x-ms-sgx-mrsigner"] => issue(type="sgx-mrsigner", value=c.value);)"
      R"(c:[type=="x-ms-sgx-mrenclave"] => issue(type="sgx-mrenclave", value=c.value);c:[type=="x-ms-sgx-product-id"] => )"
      R"(issue(type="product-id", value=c.value);c:[type=="x-ms-sgx-svn"] => issue(type="svn", value=c.value);)"
      R"(c:[type=="x-ms-attestation-type"] => issue(type="tee", value=c.value);};)";
  EXPECT_EQ(policy_hash(text), "ViVGS4BYl70X8eUrgryHg0TtbEk9WtIc6DtTBEFxaWc");
  EXPECT_EQ(error_of(text), "good");
}

}  // namespace
}  // namespace coffer::attest
