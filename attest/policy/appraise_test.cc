// Captured answers of the service against what Coffer would say about the same evidence.
#include <coffer/attest/appraisal.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <set>
#include <sstream>

#include "attest/core/base64.h"
#include "base/hex.h"

namespace coffer::attest {
namespace {

using Json = nlohmann::json;
using ::testing::HasSubstr;

const std::filesystem::path kRecordings =
    std::filesystem::path(COFFER_SOURCE_DIR) / "tests/vectors/attestation/maa/recordings";

std::string read(const std::filesystem::path& path) {
  std::ostringstream text;
  text << std::ifstream(path).rdbuf();
  return text.str();
}

std::vector<std::byte> decoded(const Json& text) {
  const auto bytes = from_base64url(text.get<std::string>());
  EXPECT_TRUE(bytes);
  return bytes ? *bytes : std::vector<std::byte>{};
}

Json payload_of(const std::string& token) {
  const std::size_t first = token.find('.');
  const auto bytes = from_base64url(token.substr(first + 1, token.find('.', first + 1) - first - 1));
  EXPECT_TRUE(bytes);
  return bytes ? Json::parse(text_of_bytes(*bytes)) : Json();
}

// The claims that the verifier of SGX quotes makes of the report body (Intel SDM, REPORT), which is what a policy and a
// token need; verifying is another room's.
Verification verification_of(ByteView quote) {
  constexpr std::size_t kHeader = 48;
  const ByteView body = quote.subspan(kHeader);
  const auto u16 = [&body](std::size_t at) {
    return std::to_integer<int>(body[at]) | std::to_integer<int>(body[at + 1]) << 8;
  };
  Verification verification;
  verification.tee = Tee::kSgx;
  verification.claims.set("debug", (std::to_integer<unsigned>(body[48]) & 2) != 0);
  verification.claims.set_hex("mrenclave", body.subspan(64, 32));
  verification.claims.set_hex("mrsigner", body.subspan(128, 32));
  verification.claims.set_hex("config_id", body.subspan(192, 64));
  verification.claims.set("isv_prod_id", u16(256));
  verification.claims.set("isv_svn", u16(258));
  verification.claims.set_hex("report_data", body.subspan(320, 64));
  return verification;
}

// The policy that a new instance of the service has for SGX (docs/design/policy.md): what the recordings were made
// under.
std::string default_policy() {
  for (const auto& exchange :
       Json::parse(read(kRecordings / "Policy-PolicyTests.PolicyTests-GetPolicy_AAD_OpenEnclave.json"))) {
    const Json& answer = exchange["response_body"];
    if (!answer.is_object() || !answer.contains("token")) continue;
    const Json policy = payload_of(payload_of(answer["token"])["x-ms-policy"].get<std::string>());
    return text_of_bytes(decoded(policy["AttestationPolicy"]));
  }
  return {};
}

std::vector<std::filesystem::path> attestations() {
  std::vector<std::filesystem::path> result;
  for (const auto& entry : std::filesystem::directory_iterator(kRecordings)) {
    if (entry.path().filename().string().starts_with("Attestation-AttestationTests")) result.push_back(entry.path());
  }
  std::ranges::sort(result);
  return result;
}

AppraisalInputs inputs_of(const Json& request, ByteView evidence) {
  AppraisalInputs inputs;
  inputs.type = request.contains("report") ? AttestationType::kOpenEnclave : AttestationType::kSgxEnclave;
  inputs.evidence = evidence;
  if (request.contains("runtimeData")) {
    const Json& data = request["runtimeData"];
    inputs.runtime_data = BoundData{.bytes = decoded(data["data"]), .json = data["dataType"] == "JSON"};
  }
  return inputs;
}

// Name by name: what differs is what the time, the service's keys and its own collateral make.
TEST(Appraisal, SaysWhatTheServiceSaidAboutTheSameEvidence) {
  const std::set<std::string> theirs{"exp", "iat", "nbf", "jti", "iss"};
  const std::string default_text = default_policy();
  std::size_t granted = 0, denied = 0;
  for (const auto& path : attestations()) {
    for (const Json& exchange : Json::parse(read(path))) {
      const Json& request = exchange["request_body"];
      if (!request.is_object() || (!request.contains("quote") && !request.contains("report"))) continue;
      SCOPED_TRACE(path.filename().string());
      const std::vector<std::byte> evidence = decoded(request.contains("quote") ? request["quote"] : request["report"]);
      constexpr std::size_t kOpenEnclaveHeader = 16;
      const ByteView quote = ByteView(evidence).subspan(request.contains("report") ? kOpenEnclaveHeader : 0);
      const auto policy = Policy::parse(request.value("draftPolicyForAttestation", default_text));
      ASSERT_TRUE(policy) << policy.error().message;
      AppraisalInputs inputs = inputs_of(request, evidence);
      if (exchange["status"] == 400) {
        const auto appraisal = appraise(*policy, verification_of(quote), inputs);
        ASSERT_TRUE(appraisal);
        EXPECT_FALSE(appraisal->outcome.permitted);
        EXPECT_THAT(exchange["response_body"]["error"]["message"].get<std::string>(),
                    HasSubstr(appraisal->outcome.reason));
        ++denied;
        continue;
      }
      Json expected = payload_of(exchange["response_body"]["token"]);
      // Their collateral's digests, and the baseline that their service is set to where the policy does not say.
      for (const auto& [name, value] : expected["x-ms-sgx-collateral"].items()) {
        if (name != "quotehash") inputs.collateral.set(name, value.get<std::string>());
      }
      if (request.contains("draftPolicyForAttestation")) {
        inputs.more.set("x-ms-sgx-tcbidentifier", expected["x-ms-sgx-tcbidentifier"].get<std::string>());
      }
      const auto appraisal = appraise(*policy, verification_of(quote), inputs);
      ASSERT_TRUE(appraisal) << appraisal.error().message;
      EXPECT_TRUE(appraisal->outcome.permitted);
      for (const std::string& name : theirs) {
        EXPECT_TRUE(expected.contains(name)) << name;
        expected.erase(name);
      }
      EXPECT_EQ(Json::parse(appraisal->token_claims_json), expected)
          << Json::diff(Json::parse(appraisal->token_claims_json), expected).dump(1);
      EXPECT_EQ(appraisal->token_claims_json, expected.dump()) << "the order of names too";
      ++granted;
    }
  }
  EXPECT_EQ(granted, 12U);
  EXPECT_EQ(denied, 3U);
}

Verification snp() {
  Verification verification;
  verification.tee = Tee::kSevSnp;
  Claims& claims = verification.claims;
  claims.set("guest_svn", 1);
  claims.set("debug_allowed", false);
  claims.set("migrate_ma", false);
  claims.set("smt", true);
  claims.set("vmpl", 0);
  for (const char* name : {"author_key_digest", "id_key_digest", "measurement"}) claims.set(name, std::string(96, 'a'));
  for (const char* name : {"family_id", "image_id"}) claims.set(name, std::string(32, '1'));
  claims.set("report_id", std::string(64, 'b'));
  // SHA-256 of "{}"
  claims.set("host_data", "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a");
  claims.set("report_data", "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a" + std::string(64, '0'));
  Claims tcb;
  tcb.set("bootloader", 3);
  tcb.set("tee", 0);
  tcb.set("snp", 8);
  tcb.set("microcode", 115);
  claims.set("reported_tcb", tcb);
  return verification;
}

Json claims_of(const Verification& verification, const AppraisalInputs& inputs) {
  const auto policy = Policy::parse("version=1.0;authorizationrules{=>permit();};");
  const auto appraisal = appraise(*policy, verification, inputs);
  EXPECT_TRUE(appraisal) << appraisal.error().message;
  return appraisal ? Json::parse(appraisal->token_claims_json) : Json();
}

std::set<std::string> names_of(const Json& object) {
  std::set<std::string> names;
  for (const auto& [name, value] : object.items()) names.insert(name);
  return names;
}

TEST(Appraisal, HasTheServicesNamesForSevSnp) {
  AppraisalInputs inputs;
  inputs.type = AttestationType::kSevSnpVm;
  inputs.runtime_data = BoundData{.bytes = {std::byte{'{'}, std::byte{'}'}}, .json = true};
  inputs.init_data = inputs.runtime_data;
  const Json claims = claims_of(snp(), inputs);
  std::set<std::string> expected{"x-ms-attestation-type", "x-ms-policy-hash", "x-ms-runtime", "x-ms-inittime",
                                 "x-ms-ver"};
  for (const char* name : {"authorkeydigest", "bootloader-svn", "familyId", "guestsvn", "hostdata", "idkeydigest",
                           "imageId", "is-debuggable", "launchmeasurement", "microcode-svn", "migration-allowed",
                           "reportdata", "reportid", "smt-allowed", "snpfw-svn", "tee-svn", "vmpl"}) {
    expected.insert(std::string("x-ms-sevsnpvm-") + name);
  }
  EXPECT_EQ(names_of(claims), expected);
  EXPECT_EQ(claims["x-ms-attestation-type"], "sevsnpvm");
  EXPECT_EQ(claims["x-ms-sevsnpvm-microcode-svn"], 115);
  EXPECT_EQ(claims["x-ms-sevsnpvm-is-debuggable"], false);
  EXPECT_EQ(claims["x-ms-runtime"], Json::object());
}

TEST(Appraisal, HasTheServicesNamesForTdx) {
  Verification verification;
  verification.tee = Tee::kTdx;
  verification.tcb_status = TcbStatus::kUpToDate;
  for (const char* name : {"mrconfigid", "mrowner", "mrownerconfig", "mrseam", "mrsignerseam", "mrtd"}) {
    verification.claims.set(name, std::string(96, '0'));
  }
  verification.claims.set("report_data", std::string(128, '0'));
  verification.claims.set("seam_attributes", std::string(16, '0'));
  verification.claims.set("td_attributes", "0000001000000080");
  verification.claims.set("tee_tcb_svn", "03000600000000000000000000000000");
  verification.claims.set("xfam", "e718060000000000");
  verification.claims.set("rtmr", ClaimValue::List{"r0", "r1", "r2", "r3"});
  AppraisalInputs inputs;
  inputs.type = AttestationType::kTdxVm;
  const Json claims = claims_of(verification, inputs);
  std::set<std::string> expected{"x-ms-attestation-type",
                                 "x-ms-policy-hash",
                                 "x-ms-ver",
                                 "attester_tcb_status",
                                 "dbgstat",
                                 "intuse",
                                 "eat_profile"};
  for (const char* name : {"mrconfigid",
                           "mrowner",
                           "mrownerconfig",
                           "mrseam",
                           "mrsignerseam",
                           "mrtd",
                           "report_data",
                           "rtmr0",
                           "rtmr1",
                           "rtmr2",
                           "rtmr3",
                           "seam_attributes",
                           "td_attributes",
                           "tee_tcb_svn",
                           "xfam",
                           "seamsvn",
                           "td_attributes_debug",
                           "td_attributes_key_locker",
                           "td_attributes_perfmon",
                           "td_attributes_protection_keys",
                           "td_attributes_septve_disable"}) {
    expected.insert(std::string("tdx_") + name);
  }
  EXPECT_EQ(names_of(claims), expected);
  EXPECT_EQ(claims["tdx_seamsvn"], 3);
  EXPECT_EQ(claims["tdx_td_attributes_septve_disable"], true);
  EXPECT_EQ(claims["tdx_td_attributes_perfmon"], true);
  EXPECT_EQ(claims["tdx_td_attributes_debug"], false);
  EXPECT_EQ(claims["dbgstat"], "disabled");
  EXPECT_EQ(claims["attester_tcb_status"], "UpToDate");
}

TEST(Appraisal, RefusesDataThatTheEvidenceIsNotBoundTo) {
  const auto policy = Policy::parse("version=1.0;authorizationrules{=>permit();};");
  AppraisalInputs inputs;
  inputs.type = AttestationType::kSevSnpVm;
  inputs.runtime_data = BoundData{.bytes = {std::byte{'x'}}, .json = false};
  auto appraisal = appraise(*policy, snp(), inputs);
  ASSERT_FALSE(appraisal);
  EXPECT_EQ(appraisal.error().kind, ErrorKind::kRefused);
  EXPECT_THAT(appraisal.error().message, HasSubstr("not bound to the runtime data"));
  inputs.init_data = std::exchange(inputs.runtime_data, std::nullopt);
  appraisal = appraise(*policy, snp(), inputs);
  ASSERT_FALSE(appraisal);
  EXPECT_THAT(appraisal.error().message, HasSubstr("not bound to the initialisation data: host_data"));
}

TEST(Appraisal, LetsNoPolicyContradictTheService) {
  AppraisalInputs inputs;
  inputs.type = AttestationType::kSevSnpVm;
  const auto policy = Policy::parse(
      "version=1.2;authorizationrules{=>permit();};issuancerules{"
      "=>issue(type=\"x-ms-sevsnpvm-is-debuggable\",value=true);=>issue(type=\"iss\",value=\"me\");"
      "=>issue(type=\"mine\",value=JsonToClaimValue(\"[1,2]\"));};");
  ASSERT_TRUE(policy) << policy.error().message;
  const auto appraisal = appraise(*policy, snp(), inputs);
  ASSERT_TRUE(appraisal);
  const Json claims = Json::parse(appraisal->token_claims_json);
  EXPECT_EQ(claims["x-ms-sevsnpvm-is-debuggable"], false);
  EXPECT_FALSE(claims.contains("iss"));
  EXPECT_EQ(claims["mine"], Json({1, 2}));
  EXPECT_EQ(claims["x-ms-policy"], Json({{"x-ms-sevsnpvm-is-debuggable", true}, {"iss", "me"}, {"mine", {1, 2}}}));
}

TEST(Appraisal, ShowsPoliciesTheOlderNamesAndTheEventLog) {
  Verification verification;
  verification.claims.set("debug", true);
  verification.claims.set("isv_svn", 3);
  AppraisalInputs inputs;
  inputs.events_json = R"({"Events":[{"EventSeq":7}]})";
  const auto policy = Policy::parse(
      "version=1.2;authorizationrules{[type==\"$is-debuggable\",value==true]&&[type==\"$svn\",value>=3]&&[type=="
      "\"tee\",value==\"sgx\"]"
      "=>permit();};issuancerules{c:[type==\"events\",issuer==\"AttestationService\"]=>"
      "issue(type=\"seq\",value=JsonToClaimValue(JmesPath(c.value,\"Events[0].EventSeq\")));};");
  ASSERT_TRUE(policy) << policy.error().message;
  const auto appraisal = appraise(*policy, verification, inputs);
  ASSERT_TRUE(appraisal);
  EXPECT_TRUE(appraisal->outcome.permitted);
  const Json claims = Json::parse(appraisal->token_claims_json);
  EXPECT_EQ(claims["seq"], 7);
  EXPECT_FALSE(claims.contains("events")) << "event logs are for policies, not for tokens";
  EXPECT_FALSE(claims.contains("$svn"));
}

TEST(Appraisal, ShowsPoliciesWhatATpmQuoteIsOver) {
  Verification verification;
  verification.tee = Tee::kTpm;
  verification.claims.set("aikValidated", true);
  verification.claims.set("tpmVersion", 2);
  verification.claims.set("pcr_bank", "sha256");
  Claims pcrs;
  pcrs.set("0", "aa");
  pcrs.set("14", "bb");
  verification.claims.set("pcrs", pcrs);
  AppraisalInputs inputs;
  inputs.type = AttestationType::kTpm;
  const auto policy = Policy::parse(
      "version=1.2;authorizationrules{[type==\"aikValidated\",value==true]&&c:[type==\"pcrs\",issuer=="
      "\"AttestationService\"]=>"
      "add(type=\"good\",value=JsonToClaimValue(JmesPath(c.value,\"PCRs[?Index == `14`].Digests.SHA256 | @[0] == "
      "'bb'\")));"
      "[type==\"good\",value==true]=>permit();};");
  ASSERT_TRUE(policy) << policy.error().message;
  const auto appraisal = appraise(*policy, verification, inputs);
  ASSERT_TRUE(appraisal) << appraisal.error().message;
  EXPECT_TRUE(appraisal->outcome.permitted);
  EXPECT_EQ(
      names_of(Json::parse(appraisal->token_claims_json)),
      (std::set<std::string>{"aikValidated", "tpmVersion", "x-ms-attestation-type", "x-ms-policy-hash", "x-ms-ver"}));
}

TEST(Appraisal, TypesHaveTheirNames) {
  for (const char* name : {"SgxEnclave", "OpenEnclave", "SevSnpVm", "TdxVm", "Tpm"}) {
    ASSERT_TRUE(parse_attestation_type(name));
    EXPECT_EQ(name_of(*parse_attestation_type(name)), name);
  }
  EXPECT_FALSE(parse_attestation_type("sgx"));
  EXPECT_EQ(claim_of(AttestationType::kOpenEnclave), "sgx");
  EXPECT_EQ(type_for(Tee::kTdx), AttestationType::kTdxVm);
}

}  // namespace
}  // namespace coffer::attest
