#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/rsa.h>

#include <algorithm>
#include <array>

#include "attest/token/keys.h"

namespace coffer::attest {

namespace {

enum class Family { kNone, kPkcs1, kPss, kEcdsa };

struct Known {
  TokenAlgorithm algorithm;
  std::string_view name;
  Family family;
  const EVP_MD* (*digest)();
  const char* curve;      // of ECDSA (RFC 7518, 3.4)
  std::size_t half_size;  // of an ECDSA signature, in bytes
};
constexpr std::array kKnown{
    Known{TokenAlgorithm::kNone, "none", Family::kNone, nullptr, nullptr, 0},
    Known{TokenAlgorithm::kRs256, "RS256", Family::kPkcs1, EVP_sha256, nullptr, 0},
    Known{TokenAlgorithm::kRs384, "RS384", Family::kPkcs1, EVP_sha384, nullptr, 0},
    Known{TokenAlgorithm::kRs512, "RS512", Family::kPkcs1, EVP_sha512, nullptr, 0},
    Known{TokenAlgorithm::kPs256, "PS256", Family::kPss, EVP_sha256, nullptr, 0},
    Known{TokenAlgorithm::kPs384, "PS384", Family::kPss, EVP_sha384, nullptr, 0},
    Known{TokenAlgorithm::kPs512, "PS512", Family::kPss, EVP_sha512, nullptr, 0},
    Known{TokenAlgorithm::kEs256, "ES256", Family::kEcdsa, EVP_sha256, "prime256v1", 32},
    Known{TokenAlgorithm::kEs384, "ES384", Family::kEcdsa, EVP_sha384, "secp384r1", 48},
    Known{TokenAlgorithm::kEs512, "ES512", Family::kEcdsa, EVP_sha512, "secp521r1", 66},
};
const Known& known(TokenAlgorithm algorithm) { return kKnown.at(static_cast<std::size_t>(algorithm)); }

using ContextPointer = std::unique_ptr<EVP_MD_CTX, FreedBy<EVP_MD_CTX_free>>;
using EcdsaPointer = std::unique_ptr<ECDSA_SIG, FreedBy<ECDSA_SIG_free>>;

const unsigned char* raw(ByteView bytes) { return reinterpret_cast<const unsigned char*>(bytes.data()); }
const unsigned char* raw(std::string_view text) { return reinterpret_cast<const unsigned char*>(text.data()); }

std::string curve_of(EVP_PKEY* key) {
  std::array<char, 64> name{};
  std::size_t length = 0;
  if (EVP_PKEY_get_utf8_string_param(key, OSSL_PKEY_PARAM_GROUP_NAME, name.data(), name.size(), &length) != 1)
    return {};
  return {name.data(), length};
}

// The salt is as long as the digest (RFC 7518, 3.5).
bool set_padding(EVP_PKEY_CTX* context, const Known& algorithm) {
  if (algorithm.family != Family::kPss) return true;
  return EVP_PKEY_CTX_set_rsa_padding(context, RSA_PKCS1_PSS_PADDING) == 1 &&
         EVP_PKEY_CTX_set_rsa_pss_saltlen(context, RSA_PSS_SALTLEN_DIGEST) == 1;
}

// JOSE has both numbers side by side, OpenSSL in DER.
std::vector<std::byte> to_der(ByteView halves) {
  const std::size_t size = halves.size() / 2;
  const EcdsaPointer parts(ECDSA_SIG_new());
  BIGNUM* r = BN_bin2bn(raw(halves), static_cast<int>(size), nullptr);
  BIGNUM* s = BN_bin2bn(raw(halves.subspan(size)), static_cast<int>(size), nullptr);
  if (!parts || r == nullptr || s == nullptr || ECDSA_SIG_set0(parts.get(), r, s) != 1) {
    BN_free(r);
    BN_free(s);
    return {};
  }
  unsigned char* der = nullptr;
  const int length = i2d_ECDSA_SIG(parts.get(), &der);
  if (length <= 0) return {};
  const auto* bytes = reinterpret_cast<const std::byte*>(der);
  std::vector<std::byte> result(bytes, bytes + length);
  OPENSSL_free(der);
  return result;
}

std::vector<std::byte> from_der(ByteView der, std::size_t half_size) {
  const unsigned char* at = raw(der);
  const EcdsaPointer parts(d2i_ECDSA_SIG(nullptr, &at, static_cast<long>(der.size())));
  std::vector<std::byte> halves(2 * half_size);
  auto* out = reinterpret_cast<unsigned char*>(halves.data());
  const int size = static_cast<int>(half_size);
  if (!parts || BN_bn2binpad(ECDSA_SIG_get0_r(parts.get()), out, size) != size ||
      BN_bn2binpad(ECDSA_SIG_get0_s(parts.get()), out + half_size, size) != size) {
    return {};
  }
  return halves;
}

}  // namespace

std::string_view name_of(TokenAlgorithm algorithm) { return known(algorithm).name; }

std::optional<TokenAlgorithm> parse_token_algorithm(std::string_view name) {
  const auto* found = std::ranges::find(kKnown, name, &Known::name);
  if (found == kKnown.end()) return std::nullopt;
  return found->algorithm;
}

bool fits(EVP_PKEY* key, TokenAlgorithm algorithm) {
  const Known& wanted = known(algorithm);
  const int type = EVP_PKEY_get_base_id(key);
  if (wanted.family == Family::kEcdsa) return type == EVP_PKEY_EC && curve_of(key) == wanted.curve;
  return wanted.family != Family::kNone && type == EVP_PKEY_RSA;
}

const char* weakness_of(EVP_PKEY* key, bool legacy_rsa) {
  const int bits = EVP_PKEY_get_bits(key);
  if (EVP_PKEY_get_base_id(key) == EVP_PKEY_RSA) {
    return bits < (legacy_rsa ? 1024 : 2048) ? "an RSA key of less than 2048 bits"
           : bits > 8192                     ? "an RSA key of more than 8192 bits"
                                             : nullptr;
  }
  if (EVP_PKEY_get_base_id(key) != EVP_PKEY_EC) return "a key that is neither RSA nor on a curve of NIST's";
  const std::string curve = curve_of(key);
  const bool good =
      std::ranges::any_of(kKnown, [&curve](const Known& each) { return each.curve != nullptr && curve == each.curve; });
  return good ? nullptr : "a key on a curve that no algorithm names";
}

bool verify_signature(EVP_PKEY* key, TokenAlgorithm algorithm, std::string_view input, ByteView signature) {
  const Known& wanted = known(algorithm);
  if (!fits(key, algorithm)) return false;
  std::vector<std::byte> der;
  if (wanted.family == Family::kEcdsa) {
    if (signature.size() != 2 * wanted.half_size) return false;
    der = to_der(signature);
    signature = der;
  }
  const ContextPointer context(EVP_MD_CTX_new());
  EVP_PKEY_CTX* parameters = nullptr;
  const bool good = context && EVP_DigestVerifyInit(context.get(), &parameters, wanted.digest(), nullptr, key) == 1 &&
                    set_padding(parameters, wanted) &&
                    EVP_DigestVerify(context.get(), raw(signature), signature.size(), raw(input), input.size()) == 1;
  ERR_clear_error();
  return good;
}

Result<std::vector<std::byte>> make_signature(EVP_PKEY* key, TokenAlgorithm algorithm, std::string_view input) {
  const Known& wanted = known(algorithm);
  if (!fits(key, algorithm)) return input_error("the key is not for " + std::string(wanted.name));
  const ContextPointer context(EVP_MD_CTX_new());
  EVP_PKEY_CTX* parameters = nullptr;
  std::size_t size = 0;
  std::vector<std::byte> signature;
  bool good = context && EVP_DigestSignInit(context.get(), &parameters, wanted.digest(), nullptr, key) == 1 &&
              set_padding(parameters, wanted) &&
              EVP_DigestSign(context.get(), nullptr, &size, raw(input), input.size()) == 1;
  if (good) {
    signature.resize(size);
    good = EVP_DigestSign(context.get(), reinterpret_cast<unsigned char*>(signature.data()), &size, raw(input),
                          input.size()) == 1;
    signature.resize(size);
  }
  if (good && wanted.family == Family::kEcdsa) {
    signature = from_der(signature, wanted.half_size);
    good = !signature.empty();
  }
  ERR_clear_error();
  if (!good) return fail(ErrorKind::kSystem, "OpenSSL could not sign");
  return signature;
}

}  // namespace coffer::attest
