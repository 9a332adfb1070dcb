#include "service/enclave/bearer.h"

#include <coffer/attest/token.h>

#include <algorithm>
#include <vector>

#include "attest/core/strict_json.h"
#include "base/text.h"
#include "service/enclave/certificates.h"

namespace coffer::service {
namespace {

constexpr std::size_t kMostToken = 16 << 10;
constexpr std::int64_t kLeeway = 60;  // seconds by which the issuer's clock may differ
constexpr const char* kDevelopmentIssuer = "urn:coffer:development";

// RFC 7519, 4.1.3: one name or several.
bool is_for(const nlohmann::json& claims, const std::vector<std::string>& audiences) {
  if (audiences.empty()) return true;
  const auto found = claims.find("aud");
  if (found == claims.end()) return false;
  const auto known = [&](const nlohmann::json& name) {
    return name.is_string() && std::ranges::find(audiences, name.get<std::string>()) != audiences.end();
  };
  return found->is_array() ? std::ranges::any_of(*found, known) : known(*found);
}

}  // namespace

struct BearerTokens::State {
  struct Issuer {
    std::string name;
    std::vector<std::string> audiences;
    attest::TokenKeys keys;
  };
  std::vector<Issuer> issuers;
};

BearerTokens::BearerTokens() : state_(std::make_unique<State>()) {}
BearerTokens::BearerTokens(BearerTokens&&) noexcept = default;
BearerTokens& BearerTokens::operator=(BearerTokens&&) noexcept = default;
BearerTokens::~BearerTokens() = default;

Result<void> BearerTokens::trust(const nlohmann::json& given) {
  State::Issuer issuer;
  if (!given.is_object()) return input_error("an issuer of bearer tokens is not an object");
  for (const auto& [name, value] : given.items()) {
    if (name == "issuer" && value.is_string()) {
      issuer.name = value.get<std::string>();
    } else if (name == "audiences" && value.is_array()) {
      for (const auto& audience : value)
        issuer.audiences.push_back(audience.is_string() ? audience.get<std::string>() : "");
    } else if (name == "jwks") {
      auto keys = attest::TokenKeys::from_jwks(value.dump());
      if (!keys) return std::unexpected(keys.error());
      issuer.keys = std::move(*keys);
    } else {
      return input_error("an issuer of bearer tokens has '" + one_line(name, 64) +
                         "', which is unknown or of a wrong type");
    }
  }
  if (issuer.name.empty() || issuer.keys.size() == 0)
    return input_error("an issuer of bearer tokens needs issuer and jwks");
  state_->issuers.push_back(std::move(issuer));
  return {};
}

std::optional<std::string> BearerTokens::refusal(std::string_view token, std::int64_t now) const {
  if (token.size() > kMostToken) return "the bearer token is too long";
  const auto decoded = attest::decode_token(token);
  if (!decoded) return "the bearer token is no JSON Web Token: " + decoded.error().message;
  const auto claims = attest::read_json(decoded->payload_json);
  if (!claims || !claims->is_object()) return "the bearer token holds no claims";
  const auto named = claims->find("iss");
  if (named == claims->end() || !named->is_string()) return "the bearer token does not say who issued it";
  std::string why = "nobody here trusts the bearer token's issuer";
  for (const State::Issuer& issuer : state_->issuers) {
    if (issuer.name != named->get<std::string>()) continue;
    const auto verified =
        attest::verify_token(token, issuer.keys, {.at = {now}, .leeway_seconds = kLeeway, .issuer = issuer.name});
    if (verified && verified->accepted()) {
      if (is_for(*claims, issuer.audiences)) return std::nullopt;
      why = "the bearer token is for another audience";
    } else if (verified && verified->checks.first_failure() != nullptr) {
      why = "the bearer token is refused: " + std::string(verified->checks.first_failure()->id);
    }
  }
  return why;
}

std::optional<Response> BearerTokens::refuse(const Request& request, std::int64_t now) const {
  constexpr std::string_view kScheme = "bearer ";
  const std::string_view field = request.header("authorization").value_or("");
  std::string scheme(field.substr(0, kScheme.size()));
  std::ranges::transform(scheme, scheme.begin(),
                         [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
  std::optional<std::string> why = "this needs a bearer token";
  if (scheme == kScheme) why = refusal(field.substr(kScheme.size()), now);
  if (!why) return std::nullopt;
  Response response = Response::error(401, "Unauthorized", *why);
  response.headers.emplace_back("WWW-Authenticate", scheme == kScheme ? "Bearer error=\"invalid_token\"" : "Bearer");
  return response;
}

Result<DevelopmentIssuer> make_development_issuer(std::int64_t now, std::int64_t seconds) {
  const SecretBytes key = new_key(KeyType::kP256);
  const auto signer = attest::TokenSigner::from_pem(key.text(), attest::TokenAlgorithm::kEs256);
  if (!signer) return std::unexpected(signer.error());
  const auto payload = attest::token_payload(
      R"({"sub":"developer"})",
      {.issuer = kDevelopmentIssuer, .now = {now}, .lifetime_seconds = seconds, .token_id = random_hex(16)});
  if (!payload) return std::unexpected(payload.error());
  auto token = signer->sign(*payload);
  if (!token) return std::unexpected(token.error());
  DevelopmentIssuer made;
  made.issuer["issuer"] = kDevelopmentIssuer;
  made.issuer["jwks"]["keys"].push_back(nlohmann::json::parse(signer->jwk_json()));
  made.token = std::move(*token);
  return made;
}

}  // namespace coffer::service
