// The service as a library: real evidence, wrong settings, wrong and mutated requests, without an enclave or TLS.
#include "services/attestation/enclave/service.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <random>

#include "attest/core/base64.h"
#include "enclave/sdk/testing/fake_platform.h"

namespace coffer::attestation_service {
namespace {

using nlohmann::json;
using testing::HasSubstr;

class Memory : public service::BlobKeeper {
 public:
  Result<std::optional<std::vector<std::byte>>> get(const std::string& name) override {
    const auto found = blobs_.find(name);
    return found == blobs_.end() ? std::nullopt : std::optional(found->second);
  }
  Result<void> apply(const std::vector<service::BlobChange>& changes) override {
    for (const auto& change : changes) {
      if (change.blob) blobs_[change.name] = *change.blob;
      if (!change.blob) blobs_.erase(change.name);
    }
    return {};
  }

 private:
  std::map<std::string, std::vector<std::byte>> blobs_;
};

std::vector<std::byte> file(const std::string& name) {
  std::ifstream stream(COFFER_SOURCE_DIR "/tests/vectors/attestation/" + name, std::ios::binary);
  const std::string text{std::istreambuf_iterator<char>(stream), {}};
  const auto bytes = std::as_bytes(std::span(text));
  return {bytes.begin(), bytes.end()};
}
json json_file(const std::string& name) {
  const auto bytes = file(name);
  return json::parse(reinterpret_cast<const char*>(bytes.data()),
                     reinterpret_cast<const char*>(bytes.data()) + bytes.size());
}

class ServiceTest : public testing::Test {
 protected:
  void SetUp() override {
    sdk::testing::become(sdk::testing::identity());
    auto opened = service::SealedStore::open(
        keeper, {.create = [] { return Outcome<std::uint64_t>(std::uint64_t{1}); },
                 .read = [this](std::uint64_t) { return Outcome<std::uint64_t>(count); },
                 .increment = [this](std::uint64_t) { return Outcome<std::uint64_t>(++count); }});
    ASSERT_TRUE(opened);
    store.emplace(std::move(*opened));
  }
  void TearDown() override { sdk::testing::leave(); }

  Result<nlohmann::ordered_json> start(const json& settings, bool debug = true) {
    return set_up(settings,
                  {.store = *store,
                   .host_file = [this](const std::string& name) -> std::optional<std::vector<std::byte>> {
                     if (name == "index") {
                       const auto bytes = std::as_bytes(std::span("one.json\n", 9));
                       return std::vector<std::byte>(bytes.begin(), bytes.end());
                     }
                     return file(collateral);
                   },
                   .unix_time = [] { return std::int64_t{1'800'000'000}; },
                   .debug_image = debug},
                  router);
  }
  void start_with(const std::string& vector) {
    collateral = "dcap/" + vector + "/collateral.json";
    const auto started = start({{"tenants", {{{"issuer", "https://a.example"}}}},
                                {"development", true},
                                {"evidence_time", json_file("dcap/" + vector + "/expect.json")["at"]}});
    ASSERT_TRUE(started) << started.error().message;
    token = (*started)["token"];
  }
  service::Response ask(const std::string& method, const std::string& path, const std::string& body = "",
                        bool with_token = true, const std::string& version = "2020-10-01") {
    service::Request request;
    request.method = method;
    request.path = path;
    request.host = "a.example";
    request.body = body;
    if (!version.empty()) request.query.emplace_back("api-version", version);
    if (with_token) request.headers.emplace_back("authorization", "Bearer " + token);
    request.trace = service::begin_trace({});
    return router.route(request).response;
  }
  static json claims_of(const service::Response& response) {
    const std::string text = json::parse(response.body)["token"];
    const std::size_t first = text.find('.') + 1;
    const auto bytes = attest::from_base64url(text.substr(first, text.find('.', first) - first));
    return json::parse(attest::text_of_bytes(*bytes));
  }

  Memory keeper;
  std::uint64_t count = 0;
  std::optional<service::SealedStore> store;
  service::Router router;
  std::string collateral = "dcap/sgx3-phala/collateral.json", token;
};

TEST_F(ServiceTest, AttestsRealEvidence) {
  start_with("sgx3-phala");
  const json quote{{"quote", attest::to_base64url(file("dcap/sgx3-phala/quote.bin"))}, {"nonce", "n"}};
  const auto answer = ask("POST", "/attest/SgxEnclave", quote.dump(), false);
  ASSERT_EQ(answer.status, 200u) << answer.body;
  const json claims = claims_of(answer);
  EXPECT_EQ(claims["x-ms-sgx-mrenclave"], json_file("dcap/sgx3-phala/expect.json")["fields"]["mrenclave"]);
  EXPECT_EQ(claims["iss"], "https://a.example");
  EXPECT_EQ(claims["exp"].get<int>() - claims["iat"].get<int>(), 28'800);
  EXPECT_EQ(claims["nonce"], "n");
  EXPECT_THAT(ask("POST", "/attest/TdxVm", quote.dump()).body, HasSubstr("InvalidParameter"));
  EXPECT_EQ(ask("POST", "/attest/Nothing", quote.dump()).status, 400u);
  EXPECT_EQ(ask("POST", "/attest/Tpm", "{}").status, 501u);
  EXPECT_EQ(ask("POST", "/attest/SgxEnclave", quote.dump(), false, "1999-01-01").status, 400u);
  EXPECT_EQ(ask("POST", "/attest/SgxEnclave", quote.dump(), false, "").status, 400u);
}

TEST_F(ServiceTest, AttestsATrustDomain) {
  start_with("tdx4-phala");
  const json quote{{"quote", attest::to_base64url(file("dcap/tdx4-phala/quote.bin"))}};
  const auto answer = ask("POST", "/attest/TdxVm", quote.dump(), false);
  ASSERT_EQ(answer.status, 200u) << answer.body;
  EXPECT_EQ(claims_of(answer)["x-ms-attestation-type"], "tdxvm");
}

TEST_F(ServiceTest, RefusesWhatIsNotAuthentic) {
  start_with("sgx3-phala");
  for (const char* name : {"flip-measurement", "flip-quote-sig-r", "flip-pck-cert", "trunc-half", "drop-chain"}) {
    const json quote{{"quote", attest::to_base64url(file("dcap-neg/sgx3-phala." + std::string(name) + "/quote.bin"))}};
    const auto answer = ask("POST", "/attest/SgxEnclave", quote.dump());
    EXPECT_EQ(answer.status, 400u) << name;
    EXPECT_THAT(answer.body, HasSubstr("innererror")) << name;
    EXPECT_THAT(answer.body, testing::Not(HasSubstr("\"token\""))) << name;
  }
}

TEST_F(ServiceTest, AdministrationNeedsAGoodToken) {
  start_with("sgx3-phala");
  const std::string good = token;
  EXPECT_EQ(ask("GET", "/policies/SgxEnclave").status, 200u);
  EXPECT_EQ(ask("GET", "/policies/SgxEnclave", "", false).status, 401u);
  const auto part = [&](std::size_t which) {
    const std::size_t first = good.find('.'), second = good.rfind('.');
    return which == 0   ? good.substr(0, first)
           : which == 1 ? good.substr(first + 1, second - first - 1)
                        : good.substr(second + 1);
  };
  const std::string none = attest::to_base64url(attest::bytes_of_text(R"({"alg":"none"})"));
  const std::string later =
      attest::to_base64url(attest::bytes_of_text(R"({"iss":"urn:coffer:development","exp":4000000000})"));
  const std::string twice =
      attest::to_base64url(attest::bytes_of_text(R"({"iss":"x","iss":"urn:coffer:development","exp":4000000000})"));
  for (const std::string& wrong :
       {std::string(), std::string("x"), none + "." + part(1) + ".", part(0) + "." + later + "." + part(2),
        part(0) + "." + twice + "." + part(2), good + "A", part(0) + "." + part(1) + ".", std::string(20'000, 'a')}) {
    token = wrong;
    EXPECT_EQ(ask("GET", "/policies/SgxEnclave").status, 401u) << wrong.substr(0, 80);
  }
}

TEST_F(ServiceTest, RefusesWrongSettings) {
  const json tenant{{"issuer", "https://a.example"}};
  const json cases[] = {json::object(),
                        {{"tenants", json::array()}},
                        {{"tenants", {tenant, tenant}}},
                        {{"tenants", {tenant}}, {"unknown", 1}},
                        {{"tenants", {{{"issuer", "http://a.example"}}}}},
                        {{"tenants", {{{"issuer", "https://a.example/"}}}}},
                        {{"tenants", {{{"issuer", "https://a.example"}, {"isolated", true}}}}},
                        {{"tenants", {{{"issuer", "https://a.example"}, {"bearers", {{{"issuer", "x"}}}}}}}},
                        {{"tenants", {tenant}}, {"software_roots", {"no certificate"}}}};
  for (const json& settings : cases) EXPECT_FALSE(start(settings)) << settings;
  const auto production = start({{"tenants", {tenant}}, {"evidence_time", "2024-09-10T00:25:19Z"}}, false);
  ASSERT_FALSE(production);
  EXPECT_THAT(production.error().message, HasSubstr("DEBUG"));
}

TEST_F(ServiceTest, MutatedBodiesNeverGiveAToken) {
  start_with("sgx3-phala");
  const std::string good =
      json{{"quote", attest::to_base64url(file("dcap/sgx3-phala/quote.bin"))},
           {"runtimeData", {{"data", attest::to_base64url(attest::bytes_of_text("x"))}, {"dataType", "Binary"}}},
           {"draftPolicyForAttestation", "version=1.0; authorizationrules{ => permit(); }; issuancerules{};"}}
          .dump();
  const unsigned seed = std::random_device{}();
  std::mt19937 random(seed);
  for (int i = 0; i < 1000; ++i) {
    std::string body = good;
    for (unsigned changes = random() % 4 + 1; changes != 0; --changes) {
      const std::size_t at = random() % body.size();
      if (random() % 3 == 0) {
        body.erase(at, random() % 200);
      } else {
        body[at] = static_cast<char>(random());
      }
      if (body.empty()) body = " ";
    }
    const auto answer = ask("POST", "/attest/SgxEnclave", body);
    ASSERT_TRUE(answer.status == 400 || answer.status == 200) << "seed " << seed << ": " << answer.body;
    if (answer.status != 200) continue;
    // Only what is beside the quote was changed, and the runtime data, which it is not bound to, is gone.
    EXPECT_EQ(claims_of(answer).count("x-ms-sgx-ehd"), 0u) << "seed " << seed;
  }
}

}  // namespace
}  // namespace coffer::attestation_service
