// JSON Web Tokens (RFC 7519, 7515, 7518) that carry claims about evidence: reading, verifying and making them, and the
// signed policies that a service is given (docs/design/policy.md).
//
// Reading is strict: one encoding for one value, every name once, unknown critical headers refused. Verifying asks
// nothing of the token itself: neither keys nor algorithms nor places to fetch them from (jwk, jku, x5c, x5u) are taken
// from it. Nothing here looks at a clock, a file or a network. Keys and signers are immutable and may be shared by
// threads.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <coffer/attest/appraisal.h>
#include <coffer/attest/time.h>
#include <coffer/attest/verification.h>
#include <coffer/result.h>

namespace coffer::attest {

inline constexpr std::size_t kMaxTokenSize = std::size_t{1} << 20;

enum class TokenAlgorithm { kNone, kRs256, kRs384, kRs512, kPs256, kPs384, kPs512, kEs256, kEs384, kEs512 };
// "none", "RS256", ...
[[nodiscard]] std::string_view name_of(TokenAlgorithm algorithm);
[[nodiscard]] std::optional<TokenAlgorithm> parse_token_algorithm(std::string_view name);

// What a token says; nobody has verified it.
struct DecodedToken {
  std::string header_json, payload_json;  // as they came
  TokenAlgorithm algorithm = TokenAlgorithm::kNone;
  std::string key_id;         // `kid`, or empty
  std::string signing_input;  // what the signature is over
  std::vector<std::byte> signature;
};
// The error (kInput) says which part is not what it should be. The payload may be empty, or a JSON object.
[[nodiscard]] Result<DecodedToken> decode_token(std::string_view token);

// Public keys to verify with.
class TokenKeys {
 public:
  TokenKeys();
  // A JWKS ({"keys":[...]}) or one JWK: keys by x5c (the first certificate), n and e, or crv, x and y. Keys of other
  // types are left out; it is an error where none is left, or one is malformed. RSA of 2048 to 8192 bits, P-256, P-384,
  // P-521; with `legacy_rsa` 1024 bits too, which are for looking at old tokens.
  [[nodiscard]] static Result<TokenKeys> from_jwks(std::string_view json, bool legacy_rsa = false);
  // Certificates and public keys in PEM. The validity of certificates is not looked at: a key was given, not a name.
  [[nodiscard]] static Result<TokenKeys> from_pem(std::string_view pem, bool legacy_rsa = false);
  // Whichever of both `text` is.
  [[nodiscard]] static Result<TokenKeys> from_text(std::string_view text, bool legacy_rsa = false);
  [[nodiscard]] static Result<TokenKeys> from_certificate(std::span<const std::byte> der);

  [[nodiscard]] std::size_t size() const;
  struct Key;  // token room only
  [[nodiscard]] const std::vector<Key>& list() const { return *keys_; }

 private:
  explicit TokenKeys(std::vector<Key> keys);
  std::shared_ptr<const std::vector<Key>> keys_;
};

struct TokenExpectations {
  UnixTime at;
  std::int64_t leeway_seconds = 0;  // by how much clocks may differ
  std::optional<std::string> issuer, audience;
  bool accept_unsigned = false;  // alg none: drafts of policies are answered with such tokens
  bool needs_expiry = true;      // a token without `exp` is refused
};

struct TokenVerification {
  DecodedToken token;
  Checks checks;  // token.critical, token.algorithm, token.key, token.signature, token.expiry, token.not_before, ...
  [[nodiscard]] bool accepted() const { return checks.all_passed(); }
};
// An error where it is no token; else every check, whatever came of the one before.
[[nodiscard]] Result<TokenVerification> verify_token(std::string_view token, const TokenKeys& keys,
                                                     const TokenExpectations& expectations);

// Makes tokens. Holds a private key, which it wipes.
class TokenSigner {
 public:
  // A private key in PEM, RSA of at least 2048 bits for RS and PS, the curve of the name for ES; with certificates in
  // PEM, the first of them the key's own.
  [[nodiscard]] static Result<TokenSigner> from_pem(std::string_view private_key_pem, TokenAlgorithm algorithm,
                                                    std::string_view certificates_pem = {});
  // A compact JWS. The header has alg, kid and typ, and jku where it is not empty.
  [[nodiscard]] Result<std::string> sign(std::string_view payload_json, std::string_view jku = {},
                                         std::string_view type = "JWT") const;
  // The same with the certificates in the header (x5c) instead of kid and jku: the form of signed policies.
  [[nodiscard]] Result<std::string> sign_with_certificates(std::string_view payload_json) const;
  [[nodiscard]] const std::string& key_id() const;  // the key's thumbprint (RFC 7638)
  [[nodiscard]] std::string jwk_json() const;       // the public key, for /certs
  [[nodiscard]] TokenAlgorithm algorithm() const;

 private:
  struct State;
  explicit TokenSigner(std::shared_ptr<const State> state) : state_(std::move(state)) {}
  std::shared_ptr<const State> state_;
};

// With an empty signature: for answers to draft policies alone.
[[nodiscard]] std::string unsigned_token(std::string_view payload_json, std::string_view jku, std::string_view key_id);

struct TokenTimes {
  std::string issuer;
  UnixTime now;
  std::int64_t lifetime_seconds = 28'800;
  std::string token_id;  // jti; left out where it is empty
};
// The claims with iss, iat, nbf, exp and jti. An error where they are no JSON object.
[[nodiscard]] Result<std::string> token_payload(std::string_view claims_json, const TokenTimes& times);

// A policy as it is given to a service: a JWS with {"AttestationPolicy": BASE64URL(text)}.
struct PolicyDocument {
  std::string text;  // empty: back to the default policy
  bool is_reset = false;
  bool is_signed = false;
  std::vector<std::vector<std::byte>> signers;  // the certificates of x5c, DER, the signer's first
  std::string signer_jwk_json;                  // for x-ms-policy-signer; empty where it is not signed
  std::string token_hash;                       // x-ms-policy-token-hash
};
// Where it is signed, the signature is verified with the key of x5c's first certificate; whose certificate that is, is
// for is_signed_by() to say. Errors: kInput of form, kRefused where the signature is wrong.
[[nodiscard]] Result<PolicyDocument> parse_policy_jws(std::string_view jws);
[[nodiscard]] std::string policy_jws(std::string_view text);  // unsigned
[[nodiscard]] Result<std::string> policy_jws(std::string_view text, const TokenSigner& signer);
// BASE64URL(SHA-256(jws)).
[[nodiscard]] std::string policy_token_hash(std::string_view jws);

// A certificate to be added or removed: a JWS with {"policyCertificate": JWK}, or by its older names.
struct PolicyCertificateDocument {
  std::vector<std::vector<std::byte>> certificates;  // of the JWK's x5c, the one that is meant first
  std::vector<std::vector<std::byte>> signers;
};
[[nodiscard]] Result<PolicyCertificateDocument> parse_policy_certificate_jws(std::string_view jws);

// Whether the first of `signers` is one of `trusted`, or a chain leads there (the others may stand in it) at that time.
// A trusted certificate that others are to hang on needs CA:TRUE.
[[nodiscard]] Result<void> is_signed_by(const std::vector<std::vector<std::byte>>& signers,
                                        const std::vector<std::vector<std::byte>>& trusted, UnixTime at);
// SHA-1 in upper-case hexadecimal: x-ms-certificate-thumbprint.
[[nodiscard]] std::string certificate_thumbprint(std::span<const std::byte> der);

// What goes into an EAT Attestation Result (draft-ietf-rats-ear; the names with dots of its revisions up to 2025, which
// is what relying parties read).
struct EarInputs {
  std::string developer, build;  // ear.verifier-id
  UnixTime issued;
  std::optional<std::int64_t> lifetime_seconds;
  std::string nonce;      // eat_nonce; left out where it is empty
  std::string submodule;  // the name of the attester; empty: name_of(tee)
};
// The claims-set, to be signed with the type "eat+jwt".
[[nodiscard]] std::string ear_payload(const Verification& verification, const Appraisal& appraisal,
                                      const EarInputs& inputs);

}  // namespace coffer::attest
