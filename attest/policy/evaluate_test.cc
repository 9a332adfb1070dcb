#include <coffer/attest/policy.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

namespace coffer::attest {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

std::vector<PolicyClaim> claims_of(std::string_view json) {
  auto claims = policy_claims_from_json(json);
  EXPECT_TRUE(claims) << (claims ? "" : claims.error().message);
  return claims ? *claims : std::vector<PolicyClaim>{};
}

Result<PolicyOutcome> outcome_of(const std::string& text, std::string_view claims, const PolicyLimits& limits = {}) {
  const auto policy = Policy::parse(text);
  if (!policy) return std::unexpected(policy.error());
  return evaluate(*policy, claims_of(claims), limits);
}

// What the rules issue, as "type=value" in order; or the error.
std::vector<std::string> issued(const std::string& rules, std::string_view claims, const PolicyLimits& limits = {}) {
  const auto outcome =
      outcome_of("version=1.2;authorizationrules{=>permit();};issuancerules{" + rules + "};", claims, limits);
  if (!outcome) return {"error: " + outcome.error().message};
  std::vector<std::string> result;
  for (const PolicyClaim& claim : outcome->issued) {
    std::string value;
    if (const bool* boolean = std::get_if<bool>(&claim.value)) value = *boolean ? "true" : "false";
    if (const auto* number = std::get_if<std::int64_t>(&claim.value)) value = std::to_string(*number);
    if (const auto* text = std::get_if<std::string>(&claim.value)) value = "'" + *text + "'";
    result.push_back(claim.type + "=" + value);
  }
  return result;
}

bool permits(const std::string& rules, std::string_view claims) {
  const auto outcome = outcome_of("version=1.2;authorizationrules{" + rules + "};", claims);
  EXPECT_TRUE(outcome) << (outcome ? "" : outcome.error().message);
  return outcome && outcome->permitted;
}

TEST(PolicyEvaluation, NeedsAPermitAndNoDeny) {
  EXPECT_TRUE(permits("=>permit();", "{}"));
  EXPECT_FALSE(permits("", "{}"));
  EXPECT_FALSE(permits("=>permit();=>deny();", "{}"));
  EXPECT_FALSE(permits("=>deny();=>permit();", "{}"));
  EXPECT_FALSE(permits("[type==\"a\"]=>permit();", "{}"));
  EXPECT_TRUE(permits("=>permit();[type==\"a\"]=>deny();", R"({"b":1})"));
  const auto none = outcome_of("version=1.0;authorizationrules{};issuancerules{=>issue(type=\"a\",value=1);};", "{}");
  ASSERT_TRUE(none);
  EXPECT_EQ(none->reason, "No Permit claim was issued in the authorizationrules section, authorization failed.");
  EXPECT_THAT(none->issued, IsEmpty());
  const auto denied = outcome_of("version=1.0;authorizationrules{=>permit();=>deny();};", "{}");
  EXPECT_THAT(denied->reason, HasSubstr("Deny"));
}

TEST(PolicyEvaluation, ComparesByTypeAndValue) {
  const char* claims = R"({"n":5,"s":"5","b":true,"neg":-3})";
  for (const char* holds :
       {"[type==\"n\",value==5]", "[type==\"n\",value>4]", "[type==\"n\",value>=5]", "[type==\"n\",value<6]",
        "[type==\"n\",value<=5]", "[type==\"n\",value!=4]", "[type==\"s\",value==\"5\"]", "[type==\"b\",value==true]",
        "[type==\"b\",value!=false]", "[type==\"neg\",value==-3]", "[type==\"n\",valueType==\"Integer\"]",
        "[type==\"s\",valueType==\"String\"]", "[type==\"b\",valueType==\"Boolean\"]",
        "[issuer==\"AttestationService\",value==5]", "[type!=\"n\",value==\"5\"]", "[type==\"s\",value!=5]",
        "[type==\"n\"]&&[type==\"s\"]", "![type==\"zz\"]", "![type==\"n\",value==6]"}) {
    EXPECT_TRUE(permits(std::string(holds) + "=>permit();", claims)) << holds;
  }
  for (const char* fails :
       {"[type==\"n\",value==\"5\"]", "[type==\"s\",value==5]", "[type==\"s\",value>1]", "[type==\"b\",value>=0]",
        "[type==\"N\"]", "[type==\"n\",value>5]", "[type==\"n\",issuer==\"CustomClaim\"]",
        "[type==\"n\"]&&[type==\"zz\"]", "![type==\"n\"]", "[type==\"n\",value==5]&&![type==\"s\"]"}) {
    EXPECT_FALSE(permits(std::string(fails) + "=>permit();", claims)) << fails;
  }
}

TEST(PolicyEvaluation, AddsForLaterRulesAndIssuesForTheToken) {
  EXPECT_THAT(issued("[type==\"x\"]=>issue(type=\"early\",value=1);=>add(type=\"x\",value=2);"
                     "c:[type==\"x\",issuer==\"AttestationPolicy\"]=>issue(type=\"late\",value=c.value);"
                     "[type==\"late\"]=>issue(type=\"after\",value=true);",
                     "{}"),
              ElementsAre("late=2", "after=true"));
  EXPECT_TRUE(permits("=>add(type=\"x\",value=1);[type==\"x\"]=>permit();", "{}"));
  const auto across = outcome_of(
      "version=1.0;authorizationrules{=>add(type=\"x\",value=1);=>permit();};"
      "issuancerules{c:[type==\"x\"]=>issue(claim=c);};",
      "{}");
  ASSERT_TRUE(across);
  EXPECT_THAT(across->issued, ElementsAre(PolicyClaim{"x", std::int64_t{1}, "AttestationPolicy"}));
}

TEST(PolicyEvaluation, TakesASetForAnIdentifier) {
  const char* claims = R"({"a":[1,"x",true],"b":[1,2],"c":3})";
  EXPECT_THAT(issued("c:[type==\"a\"]=>issue(type=\"r\",value=c.value);", claims),
              ElementsAre("r=1", "r='x'", "r=true"));
  EXPECT_THAT(issued("c:[type==\"a\"]=>issue(claim=c);", claims), ElementsAre("a=1", "a='x'", "a=true"));
  EXPECT_THAT(issued("c:[type==\"a\"]&&d:[type==\"b\",value==c.value]=>issue(claim=d);", claims), ElementsAre("b=1"));
  EXPECT_THAT(issued("c:[type==\"a\"]&&d:[type==\"b\",value!=c.value]=>issue(claim=d);", claims), ElementsAre("b=2"));
  EXPECT_THAT(issued("c:[type==\"c\"]&&d:[type==\"b\",value<c.value]=>issue(claim=d);", claims),
              ElementsAre("b=1", "b=2"));
  EXPECT_THAT(issued("c:[type==\"b\"]&&d:[type==\"c\",value>c.value]=>issue(claim=d);", claims).front(),
              HasSubstr("'>' needs one integer on its right"));
  EXPECT_THAT(issued("c:[type==\"c\"]=>issue(type=c.type,value=c.issuer);", claims),
              ElementsAre("c='AttestationService'"));
  EXPECT_THAT(issued("c:[value==1]=>issue(type=c.type,value=1);", claims).front(), HasSubstr("type is not one string"));
}

TEST(PolicyEvaluation, HasItsFunctions) {
  const char* claims = R"({"json":"{\"values\":[0,1,2],\"name\":\"n\"}","q":"values[2]","t":true,"sub":["abc",100],
                          "super":[true,"abc",100],"set":[100,101],"same":[7,7]})";
  const std::pair<const char*, const char*> cases[] = {
      {"c:[type==\"json\"]&&d:[type==\"q\"]=>issue(type=\"r\",value=JmesPath(c.value,d.value));", "r='2'"},
      {"c:[type==\"json\"]=>issue(type=\"r\",value=JmesPath(c.value,\"name\"));", "r='\"n\"'"},
      {"c:[type==\"json\"]=>issue(type=\"r\",value=JmesPath(c.value,\"nothing\"));", "r='null'"},
      {"c:[type==\"json\"]=>issue(type=\"r\",value=JsonToClaimValue(JmesPath(c.value,\"name\")));", "r='n'"},
      {"=>issue(type=\"r\",value=JsonToClaimValue(\"100\"));", "r=100"},
      {"=>issue(type=\"r\",value=JsonToClaimValue(\"true\"));", "r=true"},
      {"c:[type==\"sub\"]&&d:[type==\"super\"]=>issue(type=\"r\",value=IsSubsetOf(c.value,d.value));", "r=true"},
      {"c:[type==\"super\"]&&d:[type==\"sub\"]=>issue(type=\"r\",value=IsSubsetOf(c.value,d.value));", "r=false"},
      {"=>issue(type=\"r\",value=AppendString(AppendString(\"a\",\"\"),\"b\"));", "r='ab'"},
      {"c:[type==\"t\"]=>issue(type=\"r\",value=NegateBool(c.value));", "r=false"},
      {"c:[type==\"set\"]=>issue(type=\"r\",value=ContainsOnlyValue(c.value,100));", "r=false"},
      {"c:[type==\"same\"]=>issue(type=\"r\",value=ContainsOnlyValue(c.value,7));", "r=true"},
      {"=>issue(type=\"r\",value=ContainsOnlyValue(JsonToClaimValue(\"[]\"),7));", "r=false"},
      {"=>issue(type=\"r\",value=IsSubsetOf(JsonToClaimValue(\"[]\"),1));", "r=true"},
  };
  for (const auto& [rule, expected] : cases) EXPECT_THAT(issued(rule, claims), ElementsAre(expected)) << rule;
  EXPECT_THAT(issued("=>issue(type=\"r\",value=JsonToClaimValue(\"[0,\\\"abc\\\",true,null,0]\"));", "{}"),
              ElementsAre("r=0", "r='abc'", "r=true", "r=0"));
  EXPECT_THAT(issued("=>issue(type=\"r\",value=JsonToClaimValue(\"null\"));", "{}"), IsEmpty());
}

TEST(PolicyEvaluation, FailsWhereAFunctionIsGivenWhatItDoesNotTake) {
  const std::pair<const char*, const char*> cases[] = {
      {"JsonToClaimValue(\"0.5\")", "JsonToClaimValue: a fraction"},
      {"JsonToClaimValue(\"{}\")", "JsonToClaimValue: an object"},
      {"JsonToClaimValue(\"[[1]]\")", "JsonToClaimValue: an object, or an array within"},
      {"JsonToClaimValue(\"18446744073709551615\")", "more than 64 bits"},
      {"JsonToClaimValue(\"abc\")", "JsonToClaimValue: the argument: not JSON"},
      {"JsonToClaimValue(1)", "no JSON in a string"},
      {"JmesPath(\"\", \"a\")", "JmesPath: the first argument"},
      {"JmesPath(\"{}\", \"\")", "JmesPath: the second argument"},
      {"JmesPath(\"{\", \"a\")", "JmesPath: the first argument: not JSON"},
      {"JmesPath(\"{}\", \"a[\")", "the query cannot be read"},
      {"JmesPath(\"{\\\"a\\\":1,\\\"a\\\":2}\", \"a\")", "twice"},
      {"AppendString(\"a\", 1)", "AppendString: an argument is no string"},
      {"NegateBool(\"true\")", "NegateBool: the argument is no Boolean"},
      {"ContainsOnlyValue(1, JsonToClaimValue(\"[1,2]\"))", "the second argument is 2 values"},
  };
  for (const auto& [call, expected] : cases) {
    const auto result = issued("\n=>issue(type=\"r\",value=" + std::string(call) + ");", "{}");
    EXPECT_THAT(result.front(), HasSubstr(expected)) << call;
    EXPECT_THAT(result.front(), HasSubstr("the rule at line 2, column 1 cannot be evaluated")) << call;
  }
  EXPECT_THAT(issued("=>issue(type=\"r\",value=1,valueType=\"String\");", "{}").front(),
              HasSubstr("valueType is String"));
  EXPECT_THAT(issued("=>issue(type=\"r\",value=1,valueType=\"Integer\");", "{}"), ElementsAre("r=1"));
}

TEST(PolicyEvaluation, KnowsTheConfiguration) {
  const std::string head = "version=1.1;configurationrules{";
  const auto outcome = outcome_of(head +
                                      "=>issueproperty(type=\"required_pcr_mask\",value=15);"
                                      "=>issueproperty(type=\"require_valid_aik_cert\",value=false);"
                                      "=>issueproperty(type=\"x-ms-sgx-tcbidentifier\",value=\"azuredefault\");};"
                                      "authorizationrules{=>permit();};issuancerules{"
                                      "=>issueproperty(type=\"report_validity_in_minutes\",value=1440);"
                                      "=>issueproperty(type=\"omit_x5c\",value=true);};",
                                  "{}");
  ASSERT_TRUE(outcome) << outcome.error().message;
  PolicyConfiguration expected;
  expected.required_pcr_mask = 15;
  expected.require_valid_aik_cert = false;
  expected.sgx_tcb_identifier = "azuredefault";
  expected.report_validity_minutes = 1440;
  expected.omit_x5c = true;
  EXPECT_EQ(outcome->configuration, expected);
  EXPECT_EQ(outcome->properties.size(), 5U);
  for (const char* wrong : {"type=\"required_pcr_mask\",value=-1", "type=\"required_pcr_mask\",value=16777216",
                            "type=\"required_pcr_mask\",value=\"15\"", "type=\"require_valid_aik_cert\",value=1",
                            "type=\"report_validity_in_minutes\",value=0", "type=\"omit_x5c\",value=\"yes\""}) {
    EXPECT_FALSE(outcome_of(head + "=>issueproperty(" + wrong + ");};authorizationrules{};", "{}")) << wrong;
  }
}

TEST(PolicyEvaluation, ShowsWhatEachRuleDid) {
  const auto outcome = outcome_of(
      "version=1.2;authorizationrules{c:[type==\"a\"]&&![type==\"b\"]=>permit();[type==\"b\"]&&[type==\"a\"]=>deny();};"
      "issuancerules{c:[type==\"a\"]=>issue(type=\"r\",value=c.value);};",
      R"({"z":0,"a":1})");
  ASSERT_TRUE(outcome);
  ASSERT_EQ(outcome->trace.size(), 3U);
  const RuleTrace& first = outcome->trace[0];
  EXPECT_TRUE(first.fired);
  EXPECT_EQ(first.section, "authorizationrules");
  EXPECT_EQ(first.text, "c:[type==\"a\"] && ![type==\"b\"] => permit();");
  ASSERT_EQ(first.conditions.size(), 2U);
  EXPECT_EQ(first.conditions[0].identifier, "c");
  ASSERT_THAT(first.conditions[0].matches, ElementsAre(0U)) << "the claims of an object are sorted by name";
  EXPECT_EQ(outcome->claims[0].type, "a");
  EXPECT_TRUE(first.conditions[1].negated && first.conditions[1].held);
  EXPECT_FALSE(outcome->trace[1].fired);
  EXPECT_FALSE(outcome->trace[1].conditions[1].looked_at);
  EXPECT_THAT(outcome->trace[2].gave, ElementsAre(PolicyClaim{"r", std::int64_t{1}, "AttestationPolicy"}));
  EXPECT_THAT(to_json(*outcome), HasSubstr(R"("permitted":true,"issued":{"r":1})"));
}

TEST(PolicyEvaluation, IsBounded) {
  std::string doubling;
  for (int i = 0; i < 40; ++i) doubling += "c:[type==\"x\"]=>add(type=\"x\",value=AppendString(c.value,c.value));";
  EXPECT_THAT(issued("=>add(type=\"x\",value=\"ab\");" + doubling, "{}").front(), HasSubstr("more than"));
  std::string growing;
  for (int i = 0; i < 40; ++i) growing += "c:[type==\"x\"]=>add(type=\"x\",value=c.value);";
  EXPECT_THAT(issued("=>add(type=\"x\",value=1);" + growing, "{}").front(), HasSubstr("more than"));
  std::string many = "[0";
  for (int i = 0; i < 18'000; ++i) many += "," + std::to_string(i);
  EXPECT_THAT(
      issued("c:[type==\"s\"]&&d:[value==c.value]=>issue(type=\"r\",value=1);", "{\"s\":" + many + "]}").front(),
      HasSubstr("it takes more than 4000000 steps"));
  EXPECT_THAT(issued("=>issue(type=\"r\",value=1);", "{\"s\":" + many + "]}", {.claims = 100}).front(),
              HasSubstr("100 claims"));
  // Long values that are compared over and over.
  std::string rules;
  for (int i = 0; i < 1500; ++i) rules += "c:[type==\"l\"]&&[type==\"m\",value==c.value]=>issue(type=\"r\",value=1);";
  const std::string text(1'900'000, 'x');
  EXPECT_THAT(issued(rules, "{\"l\":\"" + text + "\",\"m\":\"" + text + "\"}").front(), HasSubstr("more than"));
}

TEST(PolicyClaims, AreReadFromJson) {
  const auto claims =
      claims_of(R"({"o":{"b":[1,2.5]},"n":null,"f":1.5,"big":18446744073709551615,"list":[1,null,"a"]})");
  EXPECT_THAT(claims, ElementsAre(PolicyClaim{"big", "18446744073709551615"}, PolicyClaim{"f", "1.5"},
                                  PolicyClaim{"list", std::int64_t{1}}, PolicyClaim{"list", "a"},
                                  PolicyClaim{"o", R"({"b":[1,2.5]})"}));
  EXPECT_THAT(claims_of(R"([{"type":"a","value":1},{"type":"b","value":true,"issuer":"AttestationService"}])"),
              ElementsAre(PolicyClaim{"a", std::int64_t{1}, "CustomClaim"}, PolicyClaim{"b", true}));
  for (const char* wrong : {"1", "\"x\"", "[1]", R"([{"type":"a"}])", R"([{"value":1}])", R"([{"type":"","value":1}])",
                            R"([{"type":"a","value":1,"issuer":"Me"}])",
                            R"([{"type":"a","value":1,"valueType":"String"}])", R"({"a":1,"a":2})", "{", R"({"":1})"}) {
    EXPECT_FALSE(policy_claims_from_json(wrong)) << wrong;
  }
}

// Policies out of random parts: whatever they are, reading, formatting and evaluating come to an end within bounds, and
// the formatted text means the same.
class RandomPolicy {
 public:
  explicit RandomPolicy(std::uint32_t seed) : random_(seed) {}

  std::string text() {
    std::string text = maybe_comment() + "version=1.2;\n";
    if (one_in(2)) text += "configurationrules{" + rules("issueproperty") + "};";
    text += maybe_comment() + "authorizationrules{" + rules("permit") + "};";
    if (one_in(2)) text += "issuancerules\n{" + rules("issue") + "};" + maybe_comment();
    return text;
  }

 private:
  bool one_in(std::uint32_t count) { return random_() % count == 0; }
  std::string pick(std::initializer_list<const char*> words) { return words.begin()[random_() % words.size()]; }
  std::string maybe_comment() {
    return one_in(4) ? "// " + pick({"note", "\"quoted\"", "", "/", "a; b"}) + "\n" : pick({"", " ", "\n", "\n\n"});
  }

  std::string rules(const std::string& action) {
    std::string text;
    for (std::size_t count = random_() % 5; count > 0; --count) {
      names_ = 0;
      text += maybe_comment();
      const std::size_t conditions = random_() % 3;
      for (std::size_t i = 0; i < conditions; ++i) text += (i > 0 ? "&&" : "") + condition();
      text += "=>" + maybe_comment() + this->action(action) + ";";
    }
    return text + maybe_comment();
  }
  std::string condition() {
    const bool named = one_in(2);
    const std::string inner = "[type" + pick({"==", "!=", "="}) + pick({"\"a\"", "\"b\"", "\"list\""}) +
                              (one_in(2) ? "," + maybe_comment() + "value" + pick({"==", "!="}) + expression(0) : "") +
                              "]";
    if (named) return "c" + std::to_string(names_++) + ":" + inner;
    return (one_in(4) ? "!" : "") + inner;
  }
  std::string action(const std::string& kind) {
    if (kind == "permit" && !one_in(3)) return pick({"permit()", "deny()"});
    const std::string verb = kind == "permit"  ? "add"
                             : kind == "issue" ? pick({"issue", "add", "issueproperty"})
                                               : kind;
    if (names_ > 0 && one_in(3)) return verb + "(claim=c0)";
    return verb + "(type=" + pick({"\"a\"", "\"x\\\"y\"", "\"list\""}) + ",value=" + expression(0) + ")";
  }
  std::string expression(int depth) {
    const std::size_t kind = random_() % (depth < 3 ? 9 : 4);
    if (kind < 3 && names_ > 0) return "c0." + pick({"value", "type", "issuer", "valueType"});
    if (kind < 4) return pick({"1", "-7", "true", "false", "\"text\"", "\"\\\\ \\\"\"", "\"[1,2,{}]\"", "\"@\""});
    if (kind == 4) return "JmesPath(" + expression(depth + 1) + "," + pick({"\"@\"", "\"[0]\"", "\"length(@)\""}) + ")";
    if (kind == 5) return "JsonToClaimValue(" + expression(depth + 1) + ")";
    if (kind == 6) return "NegateBool(" + expression(depth + 1) + ")";
    return pick({"IsSubsetOf(", "AppendString(", "ContainsOnlyValue("}) + expression(depth + 1) + "," +
           expression(depth + 1) + ")";
  }
  std::mt19937 random_;
  int names_ = 0;
};

TEST(PolicyProperties, HoldForRandomPolicies) {
  constexpr std::uint32_t kSeed = 20'261'123;
  const auto claims = claims_of(R"({"a":[1,"[1,2]",true],"b":"text","list":["a","b"]})");
  std::size_t evaluated = 0, permitted = 0;
  for (std::uint32_t i = 0; i < 3000; ++i) {
    const std::string text = RandomPolicy(kSeed + i).text();
    const auto policy = Policy::parse(text);
    ASSERT_TRUE(policy) << policy.error().message << "\n" << text;
    const std::string formatted = format_policy(*policy);
    const auto again = Policy::parse(formatted);
    ASSERT_TRUE(again) << again.error().message << "\n" << formatted;
    ASSERT_TRUE(again->same_rules(*policy)) << text << "\n" << formatted;
    ASSERT_EQ(format_policy(*again), formatted) << text;
    const PolicyLimits limits{.steps = 20'000, .bytes = 100'000, .claims = 200};
    const auto outcome = evaluate(*policy, claims, limits);
    if (!outcome) continue;
    ++evaluated;
    permitted += outcome->permitted;
    ASSERT_LE(outcome->steps, limits.steps) << text;
    ASSERT_LE(outcome->bytes, limits.bytes) << text;
    ASSERT_LE(outcome->claims.size(), limits.claims) << text;
  }
  EXPECT_GT(evaluated, 300U);
  EXPECT_GT(permitted, 30U);
}

// One byte changed, anywhere: an error with a place, or another policy, and nothing worse.
TEST(PolicyProperties, HoldForDamagedPolicies) {
  constexpr std::uint32_t kSeed = 99;
  std::mt19937 random(kSeed);
  for (std::uint32_t i = 0; i < 3000; ++i) {
    std::string text = RandomPolicy(kSeed + i % 100).text();
    for (int changes = 0; changes < 2; ++changes) text[random() % text.size()] = static_cast<char>(random());
    const PolicyCheck check = check_policy(text);
    if (check.policy) {
      (void)format_policy(*check.policy);
      continue;
    }
    ASSERT_TRUE(check.findings.back().error) << "seed " << kSeed;
    ASSERT_FALSE(check.findings.back().message.empty() || check.findings.back().advice.empty()) << text;
    ASSERT_EQ(std::ranges::count(render(check.findings.back(), text, "p"), '\n'), 3) << text;
  }
}

}  // namespace
}  // namespace coffer::attest
