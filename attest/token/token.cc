#include <coffer/attest/token.h>

#include <algorithm>
#include <limits>

#include "attest/core/base64.h"
#include "attest/core/strict_json.h"
#include "attest/token/keys.h"
#include "base/text.h"

namespace coffer::attest {

namespace {

using Json = nlohmann::json;

constexpr std::string_view kJws = "RFC 7515, 5.2";
constexpr std::string_view kJwa = "RFC 7518, 3.1";
constexpr JsonLimits kHeaderLimits{.bytes = std::size_t{64} * 1024, .depth = 8};
constexpr JsonLimits kPayloadLimits{.bytes = kMaxTokenSize, .depth = 32};

std::string shown(std::string_view text) { return "\"" + one_line(text, 200) + "\""; }

// One part of the compact form, decoded as JSON text that is an object.
Result<std::string> object_in(std::string_view part, std::string_view what, const JsonLimits& limits) {
  const auto bytes = from_base64url(part);
  if (!bytes) return input_error("the " + std::string(what) + " is not BASE64URL without padding");
  std::string text = text_of_bytes(*bytes);
  const auto read = read_json(text, limits);
  if (!read) return input_error("the " + std::string(what) + " is " + read.error().message);
  if (!read->is_object()) return input_error("the " + std::string(what) + " is no JSON object");
  return text;
}

const Json* member(const Json& object, const char* name) {
  const auto found = object.find(name);
  return found != object.end() ? &*found : nullptr;
}

// NumericDate (RFC 7519, 2): fractions are allowed, and cut off. Nothing where it is another thing.
std::optional<std::int64_t> date_in(const Json& value) {
  constexpr double kMost = 1e15;
  if (value.is_number_float()) {
    const double seconds = value.get<double>();
    if (!(seconds > -kMost && seconds < kMost)) return std::nullopt;
    return static_cast<std::int64_t>(seconds);
  }
  if (!value.is_number_integer()) return std::nullopt;
  if (value.is_number_unsigned() && value.get<std::uint64_t>() > static_cast<std::uint64_t>(kMost)) return std::nullopt;
  const auto seconds = value.get<std::int64_t>();
  return seconds > -static_cast<std::int64_t>(kMost) ? std::optional(seconds) : std::nullopt;
}

class Verifier {
 public:
  Verifier(TokenVerification& result, const TokenKeys& keys, const TokenExpectations& expectations)
      : result_(result), keys_(keys), expected_(expectations) {
    header_ = Json::parse(result.token.header_json);
    payload_ = result.token.payload_json.empty() ? Json::object() : Json::parse(result.token.payload_json);
  }

  void run() {
    check_critical();
    check_signature();
    check_expiry();
    check_not_before();
    check_text("iss", "token.issuer", "RFC 7519, 4.1.1", expected_.issuer);
    check_audience();
  }

 private:
  Checks& checks() { return result_.checks; }

  // No extension is understood, so none may be critical.
  void check_critical() {
    const bool critical = header_.contains("crit") || header_.contains("b64");
    checks().note("token.critical", "RFC 7515, 4.1.11", !critical, "no extension that has to be understood",
                  critical ? "crit or b64 in the header" : "none");
  }

  void check_signature() {
    const TokenAlgorithm algorithm = result_.token.algorithm;
    if (algorithm == TokenAlgorithm::kNone) {
      const bool good = expected_.accept_unsigned && result_.token.signature.empty();
      checks().note("token.algorithm", kJwa, good, expected_.accept_unsigned ? "none, and no signature" : "a signature",
                    result_.token.signature.empty() ? "none" : "none, and a signature");
      checks().not_done("token.signature", kJws, "the token is not signed");
      return;
    }
    checks().note("token.algorithm", kJwa, true, "a signature", std::string(name_of(algorithm)));
    std::vector<const TokenKeys::Key*> candidates = candidates_for(algorithm);
    if (!checks().note("token.key", "RFC 7515, 6", !candidates.empty(),
                       "a key for " + std::string(name_of(algorithm)) +
                           (result_.token.key_id.empty() ? "" : " with the id " + shown(result_.token.key_id)),
                       std::to_string(candidates.size()) + " of " + std::to_string(keys_.size()) + " keys")) {
      return checks().not_done("token.signature", kJws, "there is no key to verify it with");
    }
    const bool good = std::ranges::any_of(candidates, [&](const TokenKeys::Key* each) {
      return verify_signature(each->key.get(), algorithm, result_.token.signing_input, result_.token.signature);
    });
    checks().note("token.signature", kJws, good, "made by a given key over header and payload",
                  good ? "it is" : "it is not: another key, or an altered token");
  }

  // By id where there are keys with ids; a key without an id may be anybody's.
  std::vector<const TokenKeys::Key*> candidates_for(TokenAlgorithm algorithm) {
    std::vector<const TokenKeys::Key*> candidates;
    for (const TokenKeys::Key& each : keys_.list()) {
      const bool named = each.id.empty() || result_.token.key_id.empty() || each.id == result_.token.key_id;
      if (named && fits(each.key.get(), algorithm) && each.algorithm.value_or(algorithm) == algorithm) {
        candidates.push_back(&each);
      }
    }
    return candidates;
  }

  void check_expiry() {
    const Json* value = member(payload_, "exp");
    if (value == nullptr && !expected_.needs_expiry) {
      return checks().not_done("token.expiry", "RFC 7519, 4.1.4", "the token has no end");
    }
    const auto end = value != nullptr ? date_in(*value) : std::nullopt;
    checks().note("token.expiry", "RFC 7519, 4.1.4", end && expected_.at.seconds < *end + expected_.leeway_seconds,
                  "after " + to_iso8601(expected_.at),
                  end                ? to_iso8601({*end})
                  : value != nullptr ? "exp is no time"
                                     : "there is no exp");
  }

  void check_not_before() {
    const Json* value = member(payload_, "nbf");
    if (value == nullptr) return checks().not_done("token.not_before", "RFC 7519, 4.1.5", "the token has no beginning");
    const auto start = date_in(*value);
    checks().note("token.not_before", "RFC 7519, 4.1.5",
                  start && expected_.at.seconds + expected_.leeway_seconds >= *start,
                  "not after " + to_iso8601(expected_.at), start ? to_iso8601({*start}) : "nbf is no time");
  }

  void check_text(const char* name, std::string_view id, std::string_view section,
                  const std::optional<std::string>& expected) {
    const Json* value = member(payload_, name);
    if (!expected) return checks().not_done(id, section, "nobody asked");
    checks().note(id, section, value != nullptr && value->is_string() && *value == *expected, shown(*expected),
                  value == nullptr     ? "there is none"
                  : value->is_string() ? shown(value->get<std::string>())
                                       : "no string");
  }

  void check_audience() {
    constexpr std::string_view kSection = "RFC 7519, 4.1.3";
    const Json* value = member(payload_, "aud");
    if (!expected_.audience) return checks().not_done("token.audience", kSection, "nobody asked");
    const bool listed = value != nullptr && value->is_array() && std::ranges::any_of(*value, [this](const Json& each) {
                          return each.is_string() && each == *expected_.audience;
                        });
    const bool alone = value != nullptr && value->is_string() && *value == *expected_.audience;
    checks().note("token.audience", kSection, listed || alone, shown(*expected_.audience),
                  value != nullptr ? one_line(value->dump(-1, ' ', false, Json::error_handler_t::replace), 200)
                                   : "there is none");
  }

  TokenVerification& result_;
  const TokenKeys& keys_;
  const TokenExpectations& expected_;
  Json header_, payload_;
};

}  // namespace

Result<DecodedToken> decode_token(std::string_view token) {
  if (token.size() > kMaxTokenSize) {
    return input_error("a token of more than " + std::to_string(kMaxTokenSize) + " bytes");
  }
  if (std::ranges::count(token, '.') != 2) {
    return input_error("no token: it has to be three parts of BASE64URL with dots between them");
  }
  const std::size_t first = token.find('.'), second = token.find('.', first + 1);
  DecodedToken decoded;
  auto header = object_in(token.substr(0, first), "header", kHeaderLimits);
  if (!header) return std::unexpected(header.error());
  decoded.header_json = std::move(*header);
  const Json members = Json::parse(decoded.header_json);
  const Json* name = member(members, "alg");
  if (name == nullptr || !name->is_string()) return input_error("the header has no alg");
  const auto algorithm = parse_token_algorithm(name->get<std::string>());
  if (!algorithm) {
    return input_error("the header's alg is " + shown(name->get<std::string>()) +
                       ": RS, PS and ES with 256, 384 or 512 are understood, and none");
  }
  decoded.algorithm = *algorithm;
  if (const Json* id = member(members, "kid")) {
    if (!id->is_string()) return input_error("the header's kid is no string");
    decoded.key_id = id->get<std::string>();
  }
  const std::string_view body = token.substr(first + 1, second - first - 1);
  if (!body.empty()) {
    auto payload = object_in(body, "payload", kPayloadLimits);
    if (!payload) return std::unexpected(payload.error());
    decoded.payload_json = std::move(*payload);
  }
  auto signature = from_base64url(token.substr(second + 1));
  if (!signature) return input_error("the signature is not BASE64URL without padding");
  decoded.signature = std::move(*signature);
  decoded.signing_input = token.substr(0, second);
  return decoded;
}

Result<TokenVerification> verify_token(std::string_view token, const TokenKeys& keys,
                                       const TokenExpectations& expectations) {
  auto decoded = decode_token(token);
  if (!decoded) return std::unexpected(decoded.error());
  TokenVerification verification;
  verification.token = std::move(*decoded);
  Verifier(verification, keys, expectations).run();
  return verification;
}

}  // namespace coffer::attest
