#include <openssl/err.h>
#include <openssl/pem.h>

#include "attest/core/base64.h"
#include "attest/core/strict_json.h"
#include "attest/token/keys.h"

namespace coffer::attest {

namespace {

using Json = nlohmann::json;
using BioPointer = std::unique_ptr<BIO, FreedBy<BIO_free>>;

BioPointer bio_of(std::string_view text) {
  return BioPointer(BIO_new_mem_buf(text.data(), static_cast<int>(std::min(text.size(), kMaxTokenSize))));
}

// Never asks for a pass phrase at a terminal.
int no_pass_phrase(char*, int, int, void*) { return -1; }

Result<std::vector<std::vector<std::byte>>> read_certificates(std::string_view pem) {
  std::vector<std::vector<std::byte>> certificates;
  const BioPointer bio = bio_of(pem);
  while (bio) {
    const CertificatePointer each(PEM_read_bio_X509(bio.get(), nullptr, no_pass_phrase, nullptr));
    if (!each) break;
    unsigned char* der = nullptr;
    const int length = i2d_X509(each.get(), &der);
    if (length <= 0) break;
    const auto* bytes = reinterpret_cast<const std::byte*>(der);
    certificates.emplace_back(bytes, bytes + length);
    OPENSSL_free(der);
  }
  ERR_clear_error();
  if (certificates.empty() && !pem.empty()) return input_error("no certificate in PEM");
  return certificates;
}

std::string compact_form(const Json& header, std::string_view payload) {
  return to_base64url(bytes_of_text(header.dump())) + "." + to_base64url(bytes_of_text(payload));
}

}  // namespace

struct TokenSigner::State {
  KeyPointer key;  // OpenSSL wipes it
  TokenAlgorithm algorithm;
  std::string key_id;
  std::vector<std::vector<std::byte>> certificates;
};

Result<TokenSigner> TokenSigner::from_pem(std::string_view private_key_pem, TokenAlgorithm algorithm,
                                          std::string_view certificates_pem) {
  auto state = std::make_shared<State>();
  const BioPointer bio = bio_of(private_key_pem);
  state->key.reset(bio ? PEM_read_bio_PrivateKey(bio.get(), nullptr, no_pass_phrase, nullptr) : nullptr);
  ERR_clear_error();
  if (!state->key) return input_error("no private key in PEM without a pass phrase");
  if (!fits(state->key.get(), algorithm)) {
    return input_error("the private key is not for " + std::string(name_of(algorithm)));
  }
  if (const char* weakness = weakness_of(state->key.get(), false)) return input_error("it is " + std::string(weakness));
  auto certificates = read_certificates(certificates_pem);
  if (!certificates) return std::unexpected(certificates.error());
  if (!certificates->empty()) {
    const CertificatePointer first = certificate_from(certificates->front());
    if (!first || X509_check_private_key(first.get(), state->key.get()) != 1) {
      ERR_clear_error();
      return input_error("the first certificate is not the private key's");
    }
  }
  state->certificates = std::move(*certificates);
  state->algorithm = algorithm;
  state->key_id = thumbprint_of(state->key.get());
  return TokenSigner(std::move(state));
}

const std::string& TokenSigner::key_id() const { return state_->key_id; }
TokenAlgorithm TokenSigner::algorithm() const { return state_->algorithm; }

std::string TokenSigner::jwk_json() const {
  Json jwk = jwk_of(state_->key.get());
  jwk["kid"] = state_->key_id;
  jwk["alg"] = name_of(state_->algorithm);
  jwk["use"] = "sig";
  for (const auto& der : state_->certificates) jwk["x5c"].push_back(to_base64(der));
  return jwk.dump();
}

Result<std::string> TokenSigner::sign(std::string_view payload_json, std::string_view jku,
                                      std::string_view type) const {
  Json header{{"alg", name_of(state_->algorithm)}, {"kid", state_->key_id}, {"typ", type}};
  if (!jku.empty()) header["jku"] = jku;
  std::string token = compact_form(header, payload_json);
  const auto signature = make_signature(state_->key.get(), state_->algorithm, token);
  if (!signature) return std::unexpected(signature.error());
  return token + "." + to_base64url(*signature);
}

Result<std::string> TokenSigner::sign_with_certificates(std::string_view payload_json) const {
  if (state_->certificates.empty()) return input_error("there is no certificate to go with the signature");
  Json header{{"alg", name_of(state_->algorithm)}};
  for (const auto& der : state_->certificates) header["x5c"].push_back(to_base64(der));
  std::string token = compact_form(header, payload_json);
  const auto signature = make_signature(state_->key.get(), state_->algorithm, token);
  if (!signature) return std::unexpected(signature.error());
  return token + "." + to_base64url(*signature);
}

std::string unsigned_token(std::string_view payload_json, std::string_view jku, std::string_view key_id) {
  Json header{{"alg", "none"}};
  if (!jku.empty()) header["jku"] = jku;
  if (!key_id.empty()) header["kid"] = key_id;
  header["typ"] = "JWT";
  return compact_form(header, payload_json) + ".";
}

Result<std::string> token_payload(std::string_view claims_json, const TokenTimes& times) {
  auto claims = read_json(claims_json);
  if (!claims || !claims->is_object()) return input_error("the claims of a token are a JSON object");
  Json& payload = *claims;
  payload["iss"] = times.issuer;
  payload["iat"] = times.now.seconds;
  payload["nbf"] = times.now.seconds;
  payload["exp"] = times.now.seconds + times.lifetime_seconds;
  if (!times.token_id.empty()) payload["jti"] = times.token_id;
  return payload.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace coffer::attest
