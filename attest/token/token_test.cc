#include <coffer/attest/token.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <random>
#include <sstream>

#include "attest/core/base64.h"
#include "attest/token/test_keys.h"

namespace coffer::attest {
namespace {

using Json = nlohmann::json;
using testing::certificate;
using testing::private_pem;
using testing::public_pem;
using testing::signer;

constexpr UnixTime kNow{1'700'000'000};
const std::filesystem::path kCaptures = std::filesystem::path(COFFER_SOURCE_DIR) / "tests/vectors/attestation/maa";

std::string read(const std::filesystem::path& path) {
  std::ostringstream text;
  text << std::ifstream(path).rdbuf();
  return text.str();
}

std::string encoded(std::string_view text) { return to_base64url(bytes_of_text(text)); }
std::string token_of(std::string_view header, std::string_view payload, std::string_view signature = "") {
  return encoded(header) + "." + encoded(payload) + "." + encoded(signature);
}

TokenKeys keys_of(const std::string& kind) {
  auto keys = TokenKeys::from_pem(public_pem(kind));
  EXPECT_TRUE(keys) << keys.error().message;
  return keys ? *keys : TokenKeys();
}

std::string payload(std::int64_t from = -10, std::int64_t to = 100) {
  return *token_payload(R"({"claim":"value"})",
                        {.issuer = "https://me", .now = {kNow.seconds + from}, .lifetime_seconds = to - from});
}

// The first check that failed, "" where the token is accepted, or "no token".
std::string verdict(const std::string& token, const TokenKeys& keys, const TokenExpectations& expected = {.at = kNow}) {
  const auto verification = verify_token(token, keys, expected);
  if (!verification) return "no token";
  const Check* failure = verification->checks.first_failure();
  EXPECT_EQ(verification->accepted(), failure == nullptr);
  return failure != nullptr ? std::string(failure->id) : "";
}

TEST(Token, OfEveryAlgorithmIsMadeAndVerified) {
  const std::pair<TokenAlgorithm, const char*> algorithms[] = {
      {TokenAlgorithm::kRs256, "rsa"},   {TokenAlgorithm::kRs384, "rsa"},   {TokenAlgorithm::kRs512, "rsa"},
      {TokenAlgorithm::kPs256, "rsa"},   {TokenAlgorithm::kPs384, "rsa"},   {TokenAlgorithm::kPs512, "rsa"},
      {TokenAlgorithm::kEs256, "P-256"}, {TokenAlgorithm::kEs384, "P-384"}, {TokenAlgorithm::kEs512, "P-521"}};
  for (const auto& [algorithm, kind] : algorithms) {
    SCOPED_TRACE(name_of(algorithm));
    const auto token = signer(kind, algorithm).sign(payload(), "https://me/certs");
    ASSERT_TRUE(token);
    EXPECT_EQ(verdict(*token, keys_of(kind)), "");
    EXPECT_EQ(verdict(*token, keys_of(kind == std::string("rsa") ? "rsa-other" : std::string(kind) + "-other")),
              "token.signature");
    for (const char* other : {"rsa", "P-256", "P-384", "P-521"}) {
      if (other == std::string(kind)) continue;
      EXPECT_EQ(verdict(*token, keys_of(other)), "token.key") << other;
    }
    const auto jwks = TokenKeys::from_jwks("{\"keys\":[" + signer(kind, algorithm).jwk_json() + "]}");
    ASSERT_TRUE(jwks) << jwks.error().message;
    EXPECT_EQ(verdict(*token, *jwks), "");
    const auto decoded = decode_token(*token);
    EXPECT_EQ(Json::parse(decoded->header_json), Json({{"alg", name_of(algorithm)},
                                                       {"kid", signer(kind, algorithm).key_id()},
                                                       {"typ", "JWT"},
                                                       {"jku", "https://me/certs"}}));
    EXPECT_EQ(parse_token_algorithm(name_of(algorithm)), algorithm);
  }
}

// Every bit of it matters.
TEST(Token, ThatWasAlteredIsRefused) {
  constexpr std::uint32_t kSeed = 31;
  std::mt19937 random(kSeed);
  const std::string token = *signer("P-256", TokenAlgorithm::kEs256).sign(payload());
  const TokenKeys keys = keys_of("P-256");
  for (int i = 0; i < 400; ++i) {
    std::string altered = token;
    char& c = altered[random() % altered.size()];
    const char was = c;
    c = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.=+/"[random() % 68];
    if (c == was) continue;
    ASSERT_NE(verdict(altered, keys), "") << altered << " seed " << kSeed;
  }
}

TEST(Token, WithAForgedHeaderIsRefused) {
  const TokenKeys keys = keys_of("rsa");
  const std::string body = payload();
  EXPECT_EQ(verdict(token_of(R"({"alg":"none"})", body), keys), "token.algorithm");
  EXPECT_EQ(verdict(token_of(R"({"alg":"none"})", body, "sig"), keys, {.at = kNow, .accept_unsigned = true}),
            "token.algorithm");
  EXPECT_EQ(verdict(token_of(R"({"alg":"none"})", body), keys, {.at = kNow, .accept_unsigned = true}), "");
  for (const char* name : {"None", "NONE", "nOnE", "HS256", "RS1", "", "EdDSA", "rs256"}) {
    EXPECT_EQ(verdict(token_of(R"({"alg":")" + std::string(name) + "\"}", body), keys), "no token") << name;
  }
  // The public key as a secret: there are no algorithms with secrets.
  EXPECT_EQ(verdict(token_of(R"({"alg":"HS256"})", body, public_pem("rsa")), keys), "no token");
  // A key or a certificate that the token brings is not asked.
  const std::string own = Json::parse(signer("rsa-other", TokenAlgorithm::kRs256).jwk_json()).dump();
  const std::string mine = certificate("rsa-other", "x", "rsa-other", "x", true).pem;
  const auto with_certificates = signer("rsa-other", TokenAlgorithm::kRs256, mine).sign_with_certificates(body);
  ASSERT_TRUE(with_certificates);
  EXPECT_EQ(verdict(*with_certificates, keys), "token.signature");
  const std::string header = R"({"alg":"RS256","jku":"https://evil/certs","jwk":)" + own + "}";
  const std::string input = encoded(header) + "." + encoded(body);
  const auto signature = make_signature(testing::key_of("rsa-other"), TokenAlgorithm::kRs256, input);
  EXPECT_EQ(verdict(input + "." + to_base64url(*signature), keys), "token.signature");
  // Extensions that have to be understood.
  for (const char* critical : {R"({"alg":"RS256","crit":["exp"],"exp":1})", R"({"alg":"RS256","b64":false})",
                               R"({"alg":"RS256","crit":[]})"}) {
    const std::string signed_input = encoded(critical) + "." + encoded(body);
    const auto good = make_signature(testing::key_of("rsa"), TokenAlgorithm::kRs256, signed_input);
    EXPECT_EQ(verdict(signed_input + "." + to_base64url(*good), keys), "token.critical") << critical;
  }
}

TEST(Token, IsReadStrictly) {
  const TokenKeys keys = keys_of("rsa");
  const std::string good = *signer("rsa", TokenAlgorithm::kRs256).sign(payload());
  ASSERT_EQ(verdict(good, keys), "");
  for (const std::string& wrong :
       {good + "=", good + "\n", " " + good, good + ".", good + ".x", good.substr(0, good.rfind('.')),
        std::string(".."), std::string(), std::string("a.b.c"), std::string("e30..")}) {
    EXPECT_EQ(verdict(wrong, keys), "no token") << wrong;
  }
  const std::string header = R"({"alg":"none"})";
  for (const char* body :
       {R"({"a":1,"a":2})", R"({"a":{"b":1,"b":1}})", "[]", "\"text\"", "{", "{} {}", "\xff", "null"}) {
    EXPECT_FALSE(decode_token(token_of(header, body))) << body;
  }
  EXPECT_FALSE(decode_token(token_of(R"({"alg":"none","alg":"RS256"})", "{}")));
  EXPECT_FALSE(decode_token(token_of(R"({"alg":["none"]})", "{}")));
  EXPECT_FALSE(decode_token(token_of(R"({"alg":"none","kid":7})", "{}")));
  EXPECT_FALSE(decode_token(token_of(R"({})", "{}")));
  EXPECT_FALSE(decode_token(token_of(header, "{\"a\":" + std::string(100, '[') + std::string(100, ']') + "}")));
  EXPECT_FALSE(decode_token(token_of(header, "{\"a\":\"" + std::string(kMaxTokenSize, 'x') + "\"}")));
  EXPECT_TRUE(decode_token(token_of(header, "")));
}

TEST(Token, HasATimeAnIssuerAndAnAudience) {
  const TokenKeys keys = keys_of("P-256");
  const TokenSigner maker = signer("P-256", TokenAlgorithm::kEs256);
  const auto check = [&](const std::string& body, const TokenExpectations& expected = {.at = kNow}) {
    return verdict(*maker.sign(body), keys, expected);
  };
  EXPECT_EQ(check(payload()), "");
  EXPECT_EQ(check(payload(-100, -1)), "token.expiry");
  EXPECT_EQ(check(payload(-100, 0)), "token.expiry") << "at that second it has ended";
  EXPECT_EQ(check(payload(-100, 1)), "");
  EXPECT_EQ(check(payload(-100, -5), {.at = kNow, .leeway_seconds = 10}), "");
  EXPECT_EQ(check(payload(0, 100)), "");
  EXPECT_EQ(check(payload(1, 100)), "token.not_before");
  EXPECT_EQ(check(payload(5, 100), {.at = kNow, .leeway_seconds = 10}), "");
  EXPECT_EQ(check("{}"), "token.expiry");
  EXPECT_EQ(check("{}", {.at = kNow, .needs_expiry = false}), "");
  EXPECT_EQ(check(R"({"exp":1700000000.5})"), "token.expiry");
  EXPECT_EQ(check(R"({"exp":1700000001.5})"), "");
  for (const char* wrong : {R"({"exp":"1800000000"})", R"({"exp":1e300})", R"({"exp":null})",
                            R"({"exp":18446744073709551615})", R"({"exp":true})", R"({"exp":[1800000000]})"}) {
    EXPECT_EQ(check(wrong), "token.expiry") << wrong;
    EXPECT_EQ(check(wrong, {.at = kNow, .needs_expiry = false}), "token.expiry") << wrong;
  }
  EXPECT_EQ(check(R"({"exp":1800000000,"nbf":"0"})"), "token.not_before");
  EXPECT_EQ(check(payload(), {.at = kNow, .issuer = "https://me"}), "");
  EXPECT_EQ(check(payload(), {.at = kNow, .issuer = "https://me/"}), "token.issuer");
  EXPECT_EQ(check(R"({"exp":1800000000})", {.at = kNow, .issuer = "x"}), "token.issuer");
  EXPECT_EQ(check(R"({"exp":1800000000,"aud":"x"})", {.at = kNow, .audience = "x"}), "");
  EXPECT_EQ(check(R"({"exp":1800000000,"aud":["y","x"]})", {.at = kNow, .audience = "x"}), "");
  EXPECT_EQ(check(R"({"exp":1800000000,"aud":["y"]})", {.at = kNow, .audience = "x"}), "token.audience");
  EXPECT_EQ(check(R"({"exp":1800000000,"aud":7})", {.at = kNow, .audience = "x"}), "token.audience");
  EXPECT_EQ(check(payload(), {.at = kNow, .audience = "x"}), "token.audience");
}

TEST(TokenKeys, AreChosenByTheirIds) {
  const TokenSigner maker = signer("rsa", TokenAlgorithm::kPs256);
  const std::string token = *maker.sign(payload());
  Json mine = Json::parse(maker.jwk_json()),
       other = Json::parse(signer("rsa-other", TokenAlgorithm::kPs256).jwk_json());
  const auto with = [&](std::initializer_list<Json> list) {
    const auto keys = TokenKeys::from_jwks(Json{{"keys", list}}.dump());
    return keys ? verdict(token, *keys) : "no keys";
  };
  EXPECT_EQ(with({other, mine}), "");
  EXPECT_EQ(with({other}), "token.key");
  Json renamed = mine;
  renamed["kid"] = "other";
  EXPECT_EQ(with({renamed}), "token.key");
  renamed.erase("kid");
  EXPECT_EQ(with({other, renamed}), "") << "a key without an id is tried";
  Json for_another = mine;
  for_another["alg"] = "RS256";
  EXPECT_EQ(with({for_another}), "token.key") << "a key that says what it is for is for nothing else";
  Json for_encryption = mine;
  for_encryption["use"] = "enc";
  EXPECT_EQ(with({for_encryption}), "no keys");
}

TEST(TokenKeys, AreReadStrictly) {
  const std::string rsa = signer("rsa", TokenAlgorithm::kRs256).jwk_json();
  const Json ec = Json::parse(signer("P-256", TokenAlgorithm::kEs256).jwk_json());
  EXPECT_TRUE(TokenKeys::from_jwks(rsa)) << "one JWK alone";
  EXPECT_EQ(TokenKeys::from_jwks(R"({"keys":[{"kty":"OKP","crv":"Ed25519","x":"AA"},)" + rsa + "]}")->size(), 1U);
  Json off_curve = ec;
  off_curve["y"] = ec["x"];
  EXPECT_FALSE(TokenKeys::from_jwks(off_curve.dump()));
  Json short_point = ec;
  short_point["x"] = "AA";
  EXPECT_FALSE(TokenKeys::from_jwks(short_point.dump()));
  Json other_curve = ec;
  other_curve["crv"] = "P-384";
  EXPECT_FALSE(TokenKeys::from_jwks(other_curve.dump()));
  for (const char* wrong :
       {"", "{}", "[]", R"({"keys":{}})", R"({"keys":[]})", R"({"keys":[1]})", R"({"keys":[{"kty":"RSA"}]})",
        R"({"kty":"RSA","n":"AQAB","e":"AQAB"})", R"({"keys":[{"kty":"RSA","x5c":[]}]})",
        R"({"keys":[{"kty":"RSA","x5c":["AAAA"]}]})", R"({"keys":[{"kty":"oct","k":"AAAA"}]})"}) {
    EXPECT_FALSE(TokenKeys::from_jwks(wrong)) << wrong;
  }
  EXPECT_FALSE(TokenKeys::from_pem(private_pem("rsa"))) << "a private key is not what is given to relying parties";
  EXPECT_FALSE(TokenKeys::from_pem("no pem"));
  EXPECT_FALSE(TokenKeys::from_pem(public_pem("rsa1024")));
  EXPECT_TRUE(TokenKeys::from_pem(public_pem("rsa1024"), true));
  const auto made = certificate("P-384", "a", "P-384", "a", true);
  EXPECT_EQ(TokenKeys::from_pem(made.pem + public_pem("rsa"))->size(), 2U);
  EXPECT_EQ(TokenKeys::from_text(made.pem)->size(), 1U);
  EXPECT_EQ(TokenKeys::from_text("\n " + rsa)->size(), 1U);
  EXPECT_TRUE(TokenKeys::from_certificate(made.der));
  EXPECT_FALSE(TokenKeys::from_certificate(ByteView(made.der).first(made.der.size() - 1)));
}

TEST(TokenSigner, TakesAKeyThatFits) {
  EXPECT_FALSE(TokenSigner::from_pem(private_pem("rsa"), TokenAlgorithm::kEs256));
  EXPECT_FALSE(TokenSigner::from_pem(private_pem("P-384"), TokenAlgorithm::kEs256));
  EXPECT_FALSE(TokenSigner::from_pem(private_pem("rsa1024"), TokenAlgorithm::kRs256));
  EXPECT_FALSE(TokenSigner::from_pem(private_pem("rsa"), TokenAlgorithm::kNone));
  EXPECT_FALSE(TokenSigner::from_pem(public_pem("rsa"), TokenAlgorithm::kRs256));
  EXPECT_FALSE(TokenSigner::from_pem("", TokenAlgorithm::kRs256));
  const auto foreign = certificate("rsa-other", "x", "rsa-other", "x", true);
  EXPECT_FALSE(TokenSigner::from_pem(private_pem("rsa"), TokenAlgorithm::kRs256, foreign.pem));
  EXPECT_FALSE(TokenSigner::from_pem(private_pem("rsa"), TokenAlgorithm::kRs256, "no pem"));
}

// RFC 7638, 3.1: the example.
TEST(TokenSigner, NamesKeysByTheirThumbprints) {
  const auto keys = TokenKeys::from_jwks(
      R"({"kty":"RSA","n":"0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRX)"
      R"(jBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdA)"
      R"(ZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJ)"
      R"(zKnqDKgw","e":"AQAB","alg":"RS256","kid":"2011-04-29"})");
  ASSERT_TRUE(keys) << keys.error().message;
  EXPECT_EQ(thumbprint_of(keys->list().front().key.get()), "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs");
}

TEST(TokenPayload, HasTheTimes) {
  const auto made = token_payload(R"({"b":1,"iss":"not me"})",
                                  {.issuer = "https://me", .now = {100}, .lifetime_seconds = 60, .token_id = "ab"});
  EXPECT_EQ(*made, R"({"b":1,"exp":160,"iat":100,"iss":"https://me","jti":"ab","nbf":100})");
  EXPECT_FALSE(token_payload("[]", {}));
  EXPECT_FALSE(token_payload("{", {}));
  EXPECT_EQ(
      verdict(unsigned_token(payload(), "https://me/certs", "id"), TokenKeys(), {.at = kNow, .accept_unsigned = true}),
      "");
}

// Every signed token that was recorded, with the keys that were recorded beside it.
TEST(TokenCaptures, AreVerified) {
  std::size_t verified = 0, drafts = 0;
  for (const auto& entry : std::filesystem::directory_iterator(kCaptures / "recordings")) {
    TokenKeys keys;
    for (const Json& exchange : Json::parse(read(entry.path()))) {
      const Json& answer = exchange["response_body"];
      if (!answer.is_object()) continue;
      if (answer.contains("keys")) keys = *TokenKeys::from_jwks(answer.dump());
      if (!answer.contains("token")) continue;
      const std::string token = answer["token"];
      const auto decoded = decode_token(token);
      ASSERT_TRUE(decoded) << entry.path() << decoded.error().message;
      const Json claims = Json::parse(decoded->payload_json);
      TokenExpectations expected{.at = {claims["nbf"].get<std::int64_t>()}, .issuer = claims["iss"].get<std::string>()};
      if (decoded->algorithm == TokenAlgorithm::kNone) {
        EXPECT_EQ(verdict(token, keys, expected), "token.algorithm");
        ++drafts;
        continue;
      }
      EXPECT_EQ(verdict(token, keys, expected), "") << entry.path();
      expected.at.seconds -= 1;
      EXPECT_EQ(verdict(token, keys, expected), "token.not_before");
      expected.at.seconds = claims["exp"].get<std::int64_t>();
      EXPECT_EQ(verdict(token, keys, expected), "token.expiry");
      ++verified;
    }
  }
  EXPECT_GT(verified, 25U);
  EXPECT_EQ(drafts, 3U);
}

TEST(TokenCaptures, HaveKeysOfOldToo) {
  const std::string certs = read(kCaptures / "get.certs.response.body.json");
  EXPECT_EQ(TokenKeys::from_jwks(certs, true)->size(), 5U);
  const auto strong = TokenKeys::from_jwks(certs);
  EXPECT_TRUE(!strong || strong->size() < 5U) << "those of 1024 bits are left out";
}

}  // namespace
}  // namespace coffer::attest
