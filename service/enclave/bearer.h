// OAuth 2.0 bearer tokens (RFC 6750) that are JSON Web Tokens, as OIDC issuers give them: whoever configures the
// service names the issuers by their keys. Safe to use from several threads once configured.
#pragma once

#include <cstdint>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "service/enclave/message.h"

namespace coffer::service {

class BearerTokens {
 public:
  BearerTokens();
  BearerTokens(BearerTokens&&) noexcept;
  BearerTokens& operator=(BearerTokens&&) noexcept;
  ~BearerTokens();

  // {"issuer": URL, "audiences": [text...] (left out: any), "jwks": {"keys":[...]}}. Unknown members are errors.
  // kInput.
  [[nodiscard]] Result<void> trust(const nlohmann::json& issuer);

  // Nothing where the token is good; else why it is not, for the client: it has the token anyway.
  [[nodiscard]] std::optional<std::string> refusal(std::string_view token, std::int64_t now) const;
  // Of a request: nothing where its token is good, else the answer 401 (RFC 6750, 3).
  [[nodiscard]] std::optional<Response> refuse(const Request& request, std::int64_t now) const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// An issuer for development: its key is made here and lives as long as the object.
struct DevelopmentIssuer {
  nlohmann::json issuer;  // for trust()
  std::string token;
};
[[nodiscard]] Result<DevelopmentIssuer> make_development_issuer(std::int64_t now, std::int64_t seconds);

}  // namespace coffer::service
