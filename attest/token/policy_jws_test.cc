#include <coffer/attest/token.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "attest/core/base64.h"
#include "attest/token/test_keys.h"

namespace coffer::attest {
namespace {

using Json = nlohmann::json;
using testing::certificate;
using ::testing::HasSubstr;
using testing::signer;

constexpr UnixTime kNow{1'700'000'000};
constexpr const char* kText = "version=1.0; authorizationrules{=> permit();}; issuancerules{};";

Json recording(const char* name) {
  std::ostringstream text;
  text << std::ifstream(std::filesystem::path(COFFER_SOURCE_DIR) / "tests/vectors/attestation/maa/recordings" / name)
              .rdbuf();
  return Json::parse(text.str());
}
Json claims_in(const Json& answer) {
  return Json::parse(decode_token(answer["token"].get<std::string>())->payload_json);
}

TEST(PolicyJws, OfEveryRecordingIsReadAsTheServiceDid) {
  std::size_t set = 0, reset = 0;
  for (const char* name : {"Policy-PolicyTests.PolicyTests-ModifyGeneratedKey_AAD_SgxEnclave.json",
                           "Policy-PolicyTests.PolicyTests-ModifyUnsecured_AAD_OpenEnclave.json",
                           "Policy-PolicyTests.PolicyTests-ModifyUnsecured_AAD_Tpm.json"}) {
    for (const Json& exchange : recording(name)) {
      if (!exchange["request_body"].is_string()) continue;
      const std::string body = exchange["request_body"];
      const auto document = parse_policy_jws(body);
      ASSERT_TRUE(document) << name << ": " << document.error().message;
      const Json answer = claims_in(exchange["response_body"]);
      if (document->is_reset) {
        EXPECT_EQ(answer["x-ms-policy-result"], "Removed");
        ++reset;
        continue;
      }
      EXPECT_EQ(document->text, kText);
      EXPECT_EQ(answer["x-ms-policy-result"], "Updated");
      EXPECT_EQ(document->token_hash, answer.at("x-ms-policy-token-hash").get<std::string>());
      EXPECT_EQ(document->is_signed, answer.contains("x-ms-policy-signer"));
      if (document->is_signed) {
        EXPECT_EQ(Json::parse(document->signer_jwk_json), answer["x-ms-policy-signer"]);
      } else {
        EXPECT_EQ(policy_jws(kText), body);
      }
      ++set;
    }
  }
  EXPECT_EQ(set, 3U);
  EXPECT_EQ(reset, 3U);
}

TEST(PolicyCertificateJws, OfEveryRecordingIsReadAsTheServiceDid) {
  std::size_t read = 0;
  for (const char* name : {"CertificateTests.AddPolicyManagementCertificate.json",
                           "CertificateTests.RemovePolicyManagementCertificate.json"}) {
    for (const Json& exchange : recording(name)) {
      if (!exchange["request_body"].is_string()) continue;
      std::string body = exchange["request_body"];
      if (body.starts_with('"')) body = Json::parse(body).get<std::string>();
      const auto document = parse_policy_certificate_jws(body);
      ASSERT_TRUE(document) << name << ": " << document.error().message;
      const Json answer = claims_in(exchange["response_body"]);
      EXPECT_EQ(certificate_thumbprint(document->certificates.front()),
                answer.at("x-ms-certificate-thumbprint").get<std::string>());
      EXPECT_FALSE(document->signers.empty());
      ++read;
    }
  }
  EXPECT_EQ(read, 3U);
}

TEST(PolicyJws, IsMadeAndRead) {
  for (const auto& [algorithm, kind] : {std::pair{TokenAlgorithm::kRs256, "rsa"}, {TokenAlgorithm::kEs256, "P-256"}}) {
    const auto made = certificate(kind, "signer", kind, "signer", true);
    const auto jws = policy_jws(kText, signer(kind, algorithm, made.pem));
    ASSERT_TRUE(jws);
    const auto document = parse_policy_jws(*jws);
    ASSERT_TRUE(document) << document.error().message;
    EXPECT_EQ(document->text, kText);
    ASSERT_EQ(document->signers.size(), 1U);
    EXPECT_EQ(document->signers.front(), made.der);
    EXPECT_EQ(Json::parse(document->signer_jwk_json)["x5c"][0], to_base64(made.der));
    std::string altered = *jws;
    altered.replace(altered.find('.') + 1, 4, "eyJB");
    EXPECT_TRUE(parse_policy_jws(altered)) << "that is what stands there";
    altered[altered.find('.') + 40] ^= 1;
    EXPECT_FALSE(parse_policy_jws(altered));
  }
  EXPECT_FALSE(policy_jws(kText, signer("rsa", TokenAlgorithm::kRs256))) << "without a certificate";
}

TEST(PolicyJws, IsRefusedWhereItIsNotWhatItShouldBe) {
  const auto jws = [](std::string_view header, std::string_view body, std::string_view signature = "") {
    return to_base64url(bytes_of_text(header)) + "." + to_base64url(bytes_of_text(body)) + "." +
           to_base64url(bytes_of_text(signature));
  };
  const std::pair<std::string, const char*> cases[] = {
      {jws(R"({"alg":"none"})", R"({"text":"x"})"), "no AttestationPolicy"},
      {jws(R"({"alg":"none"})", R"({"AttestationPolicy":"a b"})"), "not BASE64URL"},
      {jws(R"({"alg":"none"})", R"({"AttestationPolicy":"eA","AttestationPolicy":"eA"})"), "twice"},
      {jws(R"({"alg":"none"})", R"({"AttestationPolicy":"eA"})", "x"), "alg is none, and there is a signature"},
      {jws(R"({"alg":"none","crit":["x"]})", R"({"AttestationPolicy":"eA"})"), "critical"},
      {jws(R"({"alg":"RS256"})", R"({"AttestationPolicy":"eA"})", "x"), "x5c is no list"},
      {jws(R"({"alg":"RS256","x5c":["AAAA"]})", R"({"AttestationPolicy":"eA"})", "x"),
       "something else than certificates"},
      {"version=1.0;", "no token"},
  };
  for (const auto& [text, expected] : cases) {
    const auto document = parse_policy_jws(text);
    ASSERT_FALSE(document) << text;
    EXPECT_THAT(document.error().message, HasSubstr(expected));
  }
  EXPECT_TRUE(parse_policy_jws("eyJhbGciOiJub25lIn0..")->is_reset);
  EXPECT_FALSE(parse_policy_certificate_jws("eyJhbGciOiJub25lIn0.."));
}

TEST(PolicySigner, HangsOnATrustedCertificate) {
  const auto root = certificate("rsa", "root", "rsa", "root", true);
  const auto leaf = certificate("P-256", "leaf", "rsa", "root", false);
  const auto middle = certificate("P-384", "middle", "rsa", "root", true);
  const auto end = certificate("P-521", "end", "P-384", "middle", false);
  const auto no_authority = certificate("rsa-other", "weak", "rsa-other", "weak", false);
  const auto below_it = certificate("P-256", "below", "rsa-other", "weak", false);
  EXPECT_TRUE(is_signed_by({root.der}, {root.der}, kNow));
  EXPECT_TRUE(is_signed_by({leaf.der}, {root.der}, kNow));
  EXPECT_TRUE(is_signed_by({leaf.der}, {leaf.der}, kNow)) << "trusted itself, without its root";
  EXPECT_TRUE(is_signed_by({end.der, middle.der}, {root.der}, kNow));
  EXPECT_FALSE(is_signed_by({end.der}, {root.der}, kNow)) << "the one between is missing";
  EXPECT_FALSE(is_signed_by({leaf.der}, {}, kNow));
  EXPECT_FALSE(is_signed_by({}, {root.der}, kNow));
  EXPECT_FALSE(is_signed_by({leaf.der}, {no_authority.der}, kNow));
  EXPECT_FALSE(is_signed_by({leaf.der, root.der}, {no_authority.der}, kNow)) << "a root that it brings is not trusted";
  EXPECT_TRUE(is_signed_by({no_authority.der}, {no_authority.der}, kNow));
  EXPECT_FALSE(is_signed_by({below_it.der}, {no_authority.der}, kNow)) << "CA:FALSE";
  EXPECT_FALSE(is_signed_by({leaf.der}, {root.der}, {2'500'000'000})) << "after 2040";
  EXPECT_FALSE(is_signed_by({leaf.der}, {root.der}, {1'500'000'000})) << "before 2020";
}

// draft-ietf-rats-ear: what has to be there, and the status of the worst.
TEST(Ear, SaysTheVerdict) {
  Verification verification;
  verification.root = RootOfTrust::kIntel;
  verification.tcb_status = TcbStatus::kUpToDate;
  verification.checks.note("quote.signature", "A", true);
  Appraisal appraisal;
  appraisal.outcome.permitted = true;
  appraisal.policy_hash = "HASH";
  appraisal.token_claims_json = R"({"x-ms-sgx-svn":1})";
  const EarInputs inputs{.developer = "me",
                         .build = "1",
                         .issued = kNow,
                         .lifetime_seconds = 60,
                         .nonce = "bm9uY2Vub25jZQ",
                         .submodule = ""};
  Json ear = Json::parse(ear_payload(verification, appraisal, inputs));
  EXPECT_EQ(ear, Json::parse(R"({"eat_profile":"tag:github.com,2023:veraison/ear","iat":1700000000,"exp":1700000060,
      "ear.verifier-id":{"developer":"me","build":"1"},"eat_nonce":"bm9uY2Vub25jZQ","submods":{"sgx":{"ear.status":"affirming",
      "ear.appraisal-policy-id":"urn:coffer:policy:HASH","ear.veraison.annotated-evidence":{"x-ms-sgx-svn":1},
      "ear.trustworthiness-vector":{"hardware":2,"instance-identity":2,"configuration":2,"executables":2}}}})"));
  const auto status = [&] {
    return Json::parse(ear_payload(verification, appraisal, inputs))["submods"]["sgx"]["ear.status"].get<std::string>();
  };
  verification.claims.set("debug", true);
  EXPECT_EQ(status(), "warning");
  verification.claims.set("debug", false);
  verification.tcb_status = TcbStatus::kOutOfDate;
  EXPECT_EQ(status(), "warning");
  appraisal.outcome.permitted = false;
  EXPECT_EQ(status(), "contraindicated");
  appraisal.outcome.permitted = true;
  verification.checks.note("tcb", "B", false);
  EXPECT_EQ(status(), "contraindicated") << "not authentic, whatever the policy says";
  const auto token = signer("P-256", TokenAlgorithm::kEs256).sign(ear.dump(), {}, "eat+jwt");
  ASSERT_TRUE(token);
  EXPECT_EQ(Json::parse(decode_token(*token)->header_json)["typ"], "eat+jwt");
  EXPECT_TRUE(verify_token(*token, *TokenKeys::from_pem(testing::public_pem("P-256")), {.at = kNow})->accepted());
}

}  // namespace
}  // namespace coffer::attest
