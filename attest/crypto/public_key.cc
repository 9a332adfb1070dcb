#include "attest/crypto/public_key.h"

#include <openssl/core_names.h>
#include <openssl/param_build.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

#include <algorithm>
#include <array>
#include <string>
#include <utility>

#include "attest/crypto/openssl.h"
#include "attest/der/reader.h"

namespace coffer::attest::crypto {

struct PublicKey::State {
  KeyHandle key;
  KeyKind kind = KeyKind::kP256;
  std::vector<std::byte> value;
  std::vector<std::byte> exponent;
  Digest id;
};

namespace {

// Object identifiers, as the contents of their DER.
constexpr std::array<std::uint8_t, 7> kIdEcPublicKey{0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01};  // 1.2.840.10045.2.1
constexpr std::array<std::uint8_t, 8> kPrime256v1{0x2a, 0x86, 0x48, 0xce,
                                                  0x3d, 0x03, 0x01, 0x07};       // 1.2.840.10045.3.1.7
constexpr std::array<std::uint8_t, 5> kSecp384r1{0x2b, 0x81, 0x04, 0x00, 0x22};  // 1.3.132.0.34
constexpr std::array<std::uint8_t, 9> kRsaEncryption{0x2a, 0x86, 0x48, 0x86, 0xf7,
                                                     0x0d, 0x01, 0x01, 0x01};  // 1.2.840.113549.1.1.1

template <std::size_t N>
bool is(ByteView oid, const std::array<std::uint8_t, N>& wanted) {
  return der::equal(oid, std::as_bytes(std::span(wanted)));
}

std::vector<std::byte> copy(ByteView bytes) { return {bytes.begin(), bytes.end()}; }

std::size_t field_size(KeyKind curve) { return curve == KeyKind::kP256 ? 32 : 48; }

KeyHandle make_key(const char* type, OSSL_PARAM* parameters) {
  const ErrorsTakenBack errors;
  const KeyContext context(EVP_PKEY_CTX_new_from_name(nullptr, type, nullptr));
  EVP_PKEY* made = nullptr;
  if (!context || EVP_PKEY_fromdata_init(context.get()) != 1 ||
      EVP_PKEY_fromdata(context.get(), &made, EVP_PKEY_PUBLIC_KEY, parameters) != 1) {
    return nullptr;
  }
  return KeyHandle(made);
}

// r || s as the SEQUENCE of two INTEGERs that OpenSSL reads. At most 96 bytes of numbers: every length is a short one.
struct EcdsaDer {
  std::array<unsigned char, 104> bytes{};
  std::size_t size = 0;

  explicit EcdsaDer(ByteView r_and_s) {
    size = 2;
    append(r_and_s.first(r_and_s.size() / 2));
    append(r_and_s.subspan(r_and_s.size() / 2));
    bytes[0] = der::kSequence;
    bytes[1] = static_cast<unsigned char>(size - 2);
  }
  void append(ByteView number) {
    while (number.size() > 1 && number.front() == std::byte{0}) number = number.subspan(1);
    const bool pad = (number.front() & std::byte{0x80}) != std::byte{0};
    bytes[size++] = der::kInteger;
    bytes[size++] = static_cast<unsigned char>(number.size() + (pad ? 1 : 0));
    if (pad) bytes[size++] = 0;
    for (const std::byte byte : number) bytes[size++] = std::to_integer<unsigned char>(byte);
  }
};

struct SchemeParts {
  bool ecdsa = false;
  Hash hash = Hash::kSha256;
  RsaPadding padding = RsaPadding::kPkcs1;
};

SchemeParts parts_of(SignatureScheme scheme) {
  switch (scheme) {
    case SignatureScheme::kEcdsaSha256:
      return {.ecdsa = true, .hash = Hash::kSha256};
    case SignatureScheme::kEcdsaSha384:
      return {.ecdsa = true, .hash = Hash::kSha384};
    case SignatureScheme::kEcdsaSha512:
      return {.ecdsa = true, .hash = Hash::kSha512};
    case SignatureScheme::kRsaPkcs1Sha256:
      return {.hash = Hash::kSha256};
    case SignatureScheme::kRsaPkcs1Sha384:
      return {.hash = Hash::kSha384};
    case SignatureScheme::kRsaPkcs1Sha512:
      return {.hash = Hash::kSha512};
    case SignatureScheme::kRsaPssSha256:
      return {.hash = Hash::kSha256, .padding = RsaPadding::kPss};
    case SignatureScheme::kRsaPssSha384:
      return {.hash = Hash::kSha384, .padding = RsaPadding::kPss};
    case SignatureScheme::kRsaPssSha512:
      return {.hash = Hash::kSha512, .padding = RsaPadding::kPss};
  }
  std::unreachable();
}

bool verify_ecdsa_der(const PublicKey::State& state, Hash hash, ByteView message, ByteView signature) {
  if (state.kind == KeyKind::kRsa) return false;
  const ErrorsTakenBack errors;
  const Digest hashed = digest(hash, message);
  const KeyContext context(EVP_PKEY_CTX_new(state.key.get(), nullptr));
  return context && EVP_PKEY_verify_init(context.get()) == 1 &&
         EVP_PKEY_verify(context.get(), octets(signature), signature.size(), octets(hashed), hashed.size()) == 1;
}

bool verify_rsa_with(const PublicKey::State& state, Hash hash, RsaPadding padding, int salt, ByteView message,
                     ByteView signature) {
  if (state.kind != KeyKind::kRsa) return false;
  const ErrorsTakenBack errors;
  const Digest hashed = digest(hash, message);
  const KeyContext context(EVP_PKEY_CTX_new(state.key.get(), nullptr));
  const bool pss = padding == RsaPadding::kPss;
  if (!context || EVP_PKEY_verify_init(context.get()) != 1 ||
      EVP_PKEY_CTX_set_rsa_padding(context.get(), pss ? RSA_PKCS1_PSS_PADDING : RSA_PKCS1_PADDING) != 1 ||
      EVP_PKEY_CTX_set_signature_md(context.get(), algorithm_of(hash)) != 1) {
    return false;
  }
  if (pss && (EVP_PKEY_CTX_set_rsa_pss_saltlen(context.get(), salt) != 1 ||
              EVP_PKEY_CTX_set_rsa_mgf1_md(context.get(), algorithm_of(hash)) != 1)) {
    return false;
  }
  return EVP_PKEY_verify(context.get(), octets(signature), signature.size(), octets(hashed), hashed.size()) == 1;
}

Result<PublicKey> rsa_from_der(ByteView bits) {
  const auto outer = der::only(bits, der::kSequence);
  if (!outer) return input_error("RSA public key: not a SEQUENCE of modulus and exponent");
  der::Reader reader(outer->content);
  const auto modulus = reader.read(der::kInteger);
  const auto exponent = reader.read(der::kInteger);
  const auto modulus_value = modulus ? der::magnitude(modulus->content) : std::nullopt;
  const auto exponent_value = exponent ? der::magnitude(exponent->content) : std::nullopt;
  if (!modulus_value || !exponent_value || !reader.empty()) {
    return input_error("RSA public key: not a SEQUENCE of modulus and exponent");
  }
  return PublicKey::from_rsa(*modulus_value, *exponent_value);
}

}  // namespace

std::string_view name_of(SignatureScheme scheme) {
  constexpr std::array<std::string_view, 9> kNames{
      "ecdsa-with-SHA256",       "ecdsa-with-SHA384",       "ecdsa-with-SHA512",
      "sha256WithRSAEncryption", "sha384WithRSAEncryption", "sha512WithRSAEncryption",
      "RSASSA-PSS with SHA256",  "RSASSA-PSS with SHA384",  "RSASSA-PSS with SHA512"};
  return kNames.at(static_cast<std::size_t>(scheme));
}

Result<PublicKey> PublicKey::from_point(KeyKind curve, ByteView xy) {
  if (curve == KeyKind::kRsa || xy.size() != 2 * field_size(curve)) {
    return input_error("public key: the point has " + std::to_string(xy.size()) + " bytes, which fit no curve");
  }
  std::array<unsigned char, 97> point{};
  point[0] = 4;  // uncompressed (SEC 1, 2.3.3)
  std::ranges::transform(xy, point.begin() + 1, [](std::byte byte) { return std::to_integer<unsigned char>(byte); });
  std::string group = curve == KeyKind::kP256 ? "prime256v1" : "secp384r1";
  std::array<OSSL_PARAM, 3> parameters{
      OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, group.data(), 0),
      OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PUB_KEY, point.data(), xy.size() + 1),
      OSSL_PARAM_construct_end()};
  auto state = std::make_shared<State>();
  state->key = make_key("EC", parameters.data());
  if (!state->key) return input_error("public key: the point is not on the curve " + group);
  state->kind = curve;
  state->value = copy(xy);
  const std::byte kind{static_cast<std::uint8_t>(curve)};
  state->id = digest(Hash::kSha256, {ByteView(&kind, 1), xy});
  return PublicKey(std::move(state));
}

Result<PublicKey> PublicKey::from_rsa(ByteView modulus, ByteView exponent) {
  while (!modulus.empty() && modulus.front() == std::byte{0}) modulus = modulus.subspan(1);
  while (!exponent.empty() && exponent.front() == std::byte{0}) exponent = exponent.subspan(1);
  const bool odd = !modulus.empty() && (modulus.back() & std::byte{1}) == std::byte{1};
  if (!odd || modulus.size() < 256 || modulus.size() > 1024) {
    return input_error("RSA public key: the modulus has " + std::to_string(modulus.size() * 8) +
                       " bits; 2048 to 8192 are taken");
  }
  const bool usable = !exponent.empty() && exponent.size() <= 8 && (exponent.back() & std::byte{1}) == std::byte{1} &&
                      (exponent.size() > 1 || exponent.front() != std::byte{1});
  if (!usable) return input_error("RSA public key: the exponent is not an odd number of 3 to 2^64");
  using Number = std::unique_ptr<BIGNUM, FreedBy<BN_free>>;
  const Number n(BN_bin2bn(octets(modulus), static_cast<int>(modulus.size()), nullptr));
  const Number e(BN_bin2bn(octets(exponent), static_cast<int>(exponent.size()), nullptr));
  const std::unique_ptr<OSSL_PARAM_BLD, FreedBy<OSSL_PARAM_BLD_free>> builder(OSSL_PARAM_BLD_new());
  if (!n || !e || !builder || OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_N, n.get()) != 1 ||
      OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_E, e.get()) != 1) {
    return fail(ErrorKind::kSystem, "RSA public key: out of memory");
  }
  const std::unique_ptr<OSSL_PARAM, FreedBy<OSSL_PARAM_free>> parameters(OSSL_PARAM_BLD_to_param(builder.get()));
  auto state = std::make_shared<State>();
  state->key = parameters ? make_key("RSA", parameters.get()) : nullptr;
  if (!state->key) return input_error("RSA public key: OpenSSL does not take it");
  state->kind = KeyKind::kRsa;
  state->value = copy(modulus);
  state->exponent = copy(exponent);
  const std::byte kind{static_cast<std::uint8_t>(KeyKind::kRsa)};
  state->id = digest(Hash::kSha256, {ByteView(&kind, 1), modulus, exponent});
  return PublicKey(std::move(state));
}

Result<PublicKey> PublicKey::from_spki(ByteView bytes) {
  const auto outer = der::only(bytes, der::kSequence);
  if (!outer) return input_error("public key: not a SubjectPublicKeyInfo");
  der::Reader reader(outer->content);
  auto algorithm = reader.enter(der::kSequence);
  const auto bit_string = reader.read(der::kBitString);
  const auto bits = bit_string ? der::whole_bits(bit_string->content) : std::nullopt;
  const auto type = algorithm ? algorithm->read(der::kObjectIdentifier) : std::nullopt;
  if (!type || !bits || !reader.empty()) return input_error("public key: not a SubjectPublicKeyInfo");
  if (is(type->content, kRsaEncryption)) {
    const auto null = algorithm->read(der::kNull);
    if (!null || !null->content.empty() || !algorithm->empty()) {
      return input_error("RSA public key: its algorithm has parameters; it must have NULL");
    }
    return rsa_from_der(*bits);
  }
  if (!is(type->content, kIdEcPublicKey)) return input_error("public key: neither RSA nor of an elliptic curve");
  const auto curve = algorithm->read(der::kObjectIdentifier);
  const bool p256 = curve && is(curve->content, kPrime256v1);
  const bool p384 = curve && is(curve->content, kSecp384r1);
  if ((!p256 && !p384) || !algorithm->empty()) return input_error("public key: a curve other than P-256 and P-384");
  if (bits->empty() || bits->front() != std::byte{4}) return input_error("public key: the point is not uncompressed");
  return from_point(p256 ? KeyKind::kP256 : KeyKind::kP384, bits->subspan(1));
}

KeyKind PublicKey::kind() const { return state_->kind; }

unsigned PublicKey::bits() const {
  if (state_->kind != KeyKind::kRsa) return static_cast<unsigned>(field_size(state_->kind) * 8);
  return static_cast<unsigned>(EVP_PKEY_get_bits(state_->key.get()));
}

ByteView PublicKey::value() const { return state_->value; }
ByteView PublicKey::exponent() const { return state_->exponent; }
const Digest& PublicKey::id() const { return state_->id; }

std::vector<std::byte> PublicKey::spki() const {
  const int size = i2d_PUBKEY(state_->key.get(), nullptr);
  std::vector<std::byte> bytes(static_cast<std::size_t>(std::max(size, 0)));
  auto* out = reinterpret_cast<unsigned char*>(bytes.data());
  if (size > 0) i2d_PUBKEY(state_->key.get(), &out);
  return bytes;
}

bool PublicKey::verify(SignatureScheme scheme, ByteView message, ByteView signature) const {
  const SchemeParts parts = parts_of(scheme);
  if (parts.ecdsa) return verify_ecdsa_der(*state_, parts.hash, message, signature);
  return verify_rsa_with(*state_, parts.hash, parts.padding, RSA_PSS_SALTLEN_DIGEST, message, signature);
}

bool PublicKey::verify_ecdsa(Hash hash, ByteView message, ByteView r_and_s) const {
  if (state_->kind == KeyKind::kRsa || r_and_s.size() != 2 * field_size(state_->kind)) return false;
  const EcdsaDer signature(r_and_s);
  return verify_ecdsa_der(*state_, hash, message, std::as_bytes(std::span(signature.bytes).first(signature.size)));
}

bool PublicKey::verify_rsa(Hash hash, RsaPadding padding, ByteView message, ByteView signature) const {
  return verify_rsa_with(*state_, hash, padding, RSA_PSS_SALTLEN_AUTO, message, signature);
}

}  // namespace coffer::attest::crypto
