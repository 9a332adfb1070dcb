#include <openssl/err.h>
#include <openssl/sha.h>
#include <openssl/x509_vfy.h>

#include <array>

#include "attest/core/base64.h"
#include "attest/core/strict_json.h"
#include "attest/token/keys.h"

namespace coffer::attest {

namespace {

using Json = nlohmann::json;
using StorePointer = std::unique_ptr<X509_STORE, FreedBy<X509_STORE_free>>;
using StoreContextPointer = std::unique_ptr<X509_STORE_CTX, FreedBy<X509_STORE_CTX_free>>;
struct FreedStack {
  void operator()(STACK_OF(X509) * stack) const { sk_X509_pop_free(stack, X509_free); }
};
using StackPointer = std::unique_ptr<STACK_OF(X509), FreedStack>;

// A JWS that brings its own key: what it proves is that its maker has that key, no more.
struct SelfSigned {
  DecodedToken token;
  std::vector<std::vector<std::byte>> signers;
  SharedKey key;
};

Result<SelfSigned> open_jws(std::string_view jws) {
  auto token = decode_token(jws);
  if (!token) return std::unexpected(token.error());
  SelfSigned result{.token = std::move(*token), .signers = {}, .key = {}};
  const Json header = Json::parse(result.token.header_json);
  if (header.contains("crit") || header.contains("b64"))
    return refused("the header names an extension that is critical");
  if (result.token.algorithm == TokenAlgorithm::kNone) {
    if (!result.token.signature.empty()) return refused("alg is none, and there is a signature");
    return result;
  }
  auto certificates = certificates_of(header);
  if (!certificates)
    return input_error("the header of a signed document has its certificates: " + certificates.error().message);
  result.signers = std::move(*certificates);
  const CertificatePointer first = certificate_from(result.signers.front());
  result.key = SharedKey(X509_get_pubkey(first.get()), EVP_PKEY_free);
  if (const char* weakness = weakness_of(result.key.get(), false))
    return refused(std::string("it is signed with ") + weakness);
  if (!verify_signature(result.key.get(), result.token.algorithm, result.token.signing_input, result.token.signature)) {
    return refused("the signature is not of the header's first certificate: another key, or an altered document");
  }
  return result;
}

std::string payload_of(std::string_view text) {
  return Json{{"AttestationPolicy", to_base64url(bytes_of_text(text))}}.dump();
}

}  // namespace

Result<PolicyDocument> parse_policy_jws(std::string_view jws) {
  auto opened = open_jws(jws);
  if (!opened) return std::unexpected(opened.error());
  PolicyDocument document;
  document.token_hash = policy_token_hash(jws);
  document.is_signed = !opened->signers.empty();
  document.signers = std::move(opened->signers);
  if (document.is_signed) {
    // As the service answers: the certificates, and none of the key's numbers.
    Json jwk{{"alg", name_of(opened->token.algorithm)},
             {"kty", EVP_PKEY_get_base_id(opened->key.get()) == EVP_PKEY_RSA ? "RSA" : "EC"},
             {"use", "sig"}};
    for (const auto& der : document.signers) jwk["x5c"].push_back(to_base64(der));
    document.signer_jwk_json = jwk.dump();
  }
  if (opened->token.payload_json.empty()) {
    document.is_reset = true;
    return document;
  }
  const Json payload = Json::parse(opened->token.payload_json);
  const auto found = payload.find("AttestationPolicy");
  if (found == payload.end() || !found->is_string()) {
    return input_error("the payload has no AttestationPolicy, which is BASE64URL of the policy's text");
  }
  const auto text = from_base64url(found->get<std::string>());
  if (!text) return input_error("AttestationPolicy is not BASE64URL without padding");
  document.text = text_of_bytes(*text);
  return document;
}

std::string policy_jws(std::string_view text) {
  return to_base64url(bytes_of_text(R"({"alg":"none"})")) + "." + to_base64url(bytes_of_text(payload_of(text))) + ".";
}

Result<std::string> policy_jws(std::string_view text, const TokenSigner& signer) {
  return signer.sign_with_certificates(payload_of(text));
}

std::string policy_token_hash(std::string_view jws) {
  std::array<unsigned char, SHA256_DIGEST_LENGTH> digest{};
  ::SHA256(reinterpret_cast<const unsigned char*>(jws.data()), jws.size(), digest.data());
  return to_base64url(std::as_bytes(std::span(digest)));
}

Result<PolicyCertificateDocument> parse_policy_certificate_jws(std::string_view jws) {
  auto opened = open_jws(jws);
  if (!opened) return std::unexpected(opened.error());
  if (opened->signers.empty()) return refused("a document about policy certificates has to be signed");
  const Json payload = opened->token.payload_json.empty() ? Json::object() : Json::parse(opened->token.payload_json);
  for (const char* name :
       {"policyCertificate", "maa-policyCertificate", "x-ms-policyCertificate", "aas-policyCertificate"}) {
    const auto found = payload.find(name);
    if (found == payload.end()) continue;
    if (!found->is_object()) return input_error(std::string(name) + " is no JWK");
    auto certificates = certificates_of(*found);
    if (!certificates) return input_error(std::string(name) + ": " + certificates.error().message);
    return PolicyCertificateDocument{.certificates = std::move(*certificates), .signers = std::move(opened->signers)};
  }
  return input_error("the payload has no policyCertificate");
}

Result<void> is_signed_by(const std::vector<std::vector<std::byte>>& signers,
                          const std::vector<std::vector<std::byte>>& trusted, UnixTime at) {
  if (signers.empty()) return refused("it is not signed, and has to be by a policy certificate");
  const StorePointer store(X509_STORE_new());
  const StackPointer between(sk_X509_new_null());
  const StoreContextPointer context(X509_STORE_CTX_new());
  if (!store || !between || !context) return fail(ErrorKind::kSystem, "no memory");
  for (const auto& der : trusted) {
    const CertificatePointer certificate = certificate_from(der);
    if (certificate) X509_STORE_add_cert(store.get(), certificate.get());
  }
  const CertificatePointer leaf = certificate_from(signers.front());
  for (std::size_t i = 1; i < signers.size(); ++i) {
    CertificatePointer certificate = certificate_from(signers[i]);
    if (certificate && sk_X509_push(between.get(), certificate.get()) > 0) {
      (void)certificate.release();  // the stack's now
    }
  }
  bool good = false;
  std::string why = "its certificate cannot be read";
  if (leaf && X509_STORE_CTX_init(context.get(), store.get(), leaf.get(), between.get()) == 1) {
    // A policy certificate is trusted itself, whoever issued it.
    X509_STORE_CTX_set_flags(context.get(), X509_V_FLAG_PARTIAL_CHAIN);
    X509_STORE_CTX_set_time(context.get(), 0, at.seconds);
    good = X509_verify_cert(context.get()) == 1;
    why = X509_verify_cert_error_string(X509_STORE_CTX_get_error(context.get()));
  }
  ERR_clear_error();
  if (good) return {};
  return refused("it is not signed by a policy certificate: " + why);
}

std::string certificate_thumbprint(std::span<const std::byte> der) {
  constexpr std::string_view kDigits = "0123456789ABCDEF";
  std::array<unsigned char, SHA_DIGEST_LENGTH> digest{};
  ::SHA1(reinterpret_cast<const unsigned char*>(der.data()), der.size(), digest.data());
  std::string text;
  for (const unsigned char byte : digest) {
    text += kDigits[byte >> 4];
    text += kDigits[byte & 15];
  }
  return text;
}

}  // namespace coffer::attest
