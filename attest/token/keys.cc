#include "attest/token/keys.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/param_build.h>
#include <openssl/pem.h>
#include <openssl/sha.h>

#include <algorithm>
#include <array>

#include "attest/core/base64.h"
#include "attest/core/strict_json.h"

namespace coffer::attest {

namespace {

using Json = nlohmann::json;
using NumberPointer = std::unique_ptr<BIGNUM, FreedBy<BN_free>>;
using BuildPointer = std::unique_ptr<OSSL_PARAM_BLD, FreedBy<OSSL_PARAM_BLD_free>>;
using ParametersPointer = std::unique_ptr<OSSL_PARAM, FreedBy<OSSL_PARAM_free>>;
using KeyContextPointer = std::unique_ptr<EVP_PKEY_CTX, FreedBy<EVP_PKEY_CTX_free>>;
using BioPointer = std::unique_ptr<BIO, FreedBy<BIO_free>>;

constexpr std::size_t kMaxKeys = 100;
constexpr std::size_t kMaxCertificates = 8;
constexpr std::size_t kMaxNumber = 2048;  // bytes

struct Curve {
  std::string_view name;  // in JOSE
  const char* group;      // in OpenSSL
  std::size_t size;
};
constexpr std::array kCurves{Curve{"P-256", "prime256v1", 32}, Curve{"P-384", "secp384r1", 48},
                             Curve{"P-521", "secp521r1", 66}};

std::string string_in(const Json& object, const char* name) {
  const auto found = object.find(name);
  return found != object.end() && found->is_string() ? found->get<std::string>() : std::string();
}

std::vector<std::byte> bytes_in(const Json& object, const char* name) {
  return from_base64url(string_in(object, name)).value_or(std::vector<std::byte>{});
}

SharedKey key_from(const char* type, OSSL_PARAM_BLD* build) {
  const ParametersPointer parameters(OSSL_PARAM_BLD_to_param(build));
  const KeyContextPointer context(EVP_PKEY_CTX_new_from_name(nullptr, type, nullptr));
  EVP_PKEY* key = nullptr;
  if (!parameters || !context || EVP_PKEY_fromdata_init(context.get()) != 1 ||
      EVP_PKEY_fromdata(context.get(), &key, EVP_PKEY_PUBLIC_KEY, parameters.get()) != 1) {
    return nullptr;
  }
  SharedKey shared(key, EVP_PKEY_free);
  const KeyContextPointer check(EVP_PKEY_CTX_new_from_pkey(nullptr, key, nullptr));
  return check && EVP_PKEY_public_check(check.get()) == 1 ? shared : nullptr;
}

SharedKey rsa_from(const Json& jwk) {
  const auto n = bytes_in(jwk, "n"), e = bytes_in(jwk, "e");
  if (n.empty() || e.empty() || n.size() > kMaxNumber || e.size() > 8) return nullptr;
  const auto number = [](const std::vector<std::byte>& bytes) {
    return NumberPointer(
        BN_bin2bn(reinterpret_cast<const unsigned char*>(bytes.data()), static_cast<int>(bytes.size()), nullptr));
  };
  const NumberPointer modulus = number(n), exponent = number(e);
  const BuildPointer build(OSSL_PARAM_BLD_new());
  if (!build || OSSL_PARAM_BLD_push_BN(build.get(), OSSL_PKEY_PARAM_RSA_N, modulus.get()) != 1 ||
      OSSL_PARAM_BLD_push_BN(build.get(), OSSL_PKEY_PARAM_RSA_E, exponent.get()) != 1) {
    return nullptr;
  }
  return key_from("RSA", build.get());
}

SharedKey ec_from(const Json& jwk, const Curve& curve) {
  const auto x = bytes_in(jwk, "x"), y = bytes_in(jwk, "y");
  if (x.size() != curve.size || y.size() != curve.size) return nullptr;
  std::vector<std::byte> point{std::byte{4}};
  point.insert(point.end(), x.begin(), x.end());
  point.insert(point.end(), y.begin(), y.end());
  const BuildPointer build(OSSL_PARAM_BLD_new());
  if (!build || OSSL_PARAM_BLD_push_utf8_string(build.get(), OSSL_PKEY_PARAM_GROUP_NAME, curve.group, 0) != 1 ||
      OSSL_PARAM_BLD_push_octet_string(build.get(), OSSL_PKEY_PARAM_PUB_KEY, point.data(), point.size()) != 1) {
    return nullptr;
  }
  return key_from("EC", build.get());
}

SharedKey key_of(X509* certificate) { return {X509_get_pubkey(certificate), EVP_PKEY_free}; }

// Null without an error: a key of a type that is not for these tokens.
Result<SharedKey> key_from(const Json& jwk) {
  if (jwk.contains("x5c")) {
    const auto certificates = certificates_of(jwk);
    if (!certificates) return std::unexpected(certificates.error());
    return key_of(certificate_from(certificates->front()).get());
  }
  const std::string type = string_in(jwk, "kty");
  SharedKey key;
  if (type == "RSA") {
    key = rsa_from(jwk);
  } else if (type == "EC") {
    const std::string name = string_in(jwk, "crv");
    const auto* curve = std::ranges::find(kCurves, name, &Curve::name);
    if (curve == kCurves.end()) return key;
    key = ec_from(jwk, *curve);
  } else {
    return key;
  }
  ERR_clear_error();
  if (!key) return input_error("its numbers make no key");
  return key;
}

}  // namespace

CertificatePointer certificate_from(ByteView der) {
  const auto* at = reinterpret_cast<const unsigned char*>(der.data());
  const auto* end = at + der.size();
  CertificatePointer certificate(d2i_X509(nullptr, &at, static_cast<long>(der.size())));
  ERR_clear_error();
  if (certificate && (at != end || X509_get0_pubkey(certificate.get()) == nullptr)) certificate.reset();
  return certificate;
}

Result<std::vector<std::vector<std::byte>>> certificates_of(const Json& object) {
  const auto found = object.find("x5c");
  if (found == object.end() || !found->is_array() || found->empty() || found->size() > kMaxCertificates) {
    return input_error("x5c is no list of 1 to " + std::to_string(kMaxCertificates) + " certificates");
  }
  std::vector<std::vector<std::byte>> certificates;
  for (const Json& each : *found) {
    auto der = each.is_string() ? from_base64(each.get<std::string>()) : std::nullopt;
    if (!der || !certificate_from(*der)) return input_error("x5c holds something else than certificates");
    certificates.push_back(std::move(*der));
  }
  return certificates;
}

TokenKeys::TokenKeys() : keys_(std::make_shared<const std::vector<Key>>()) {}
TokenKeys::TokenKeys(std::vector<Key> keys) : keys_(std::make_shared<const std::vector<Key>>(std::move(keys))) {}
std::size_t TokenKeys::size() const { return keys_->size(); }

Result<TokenKeys> TokenKeys::from_jwks(std::string_view json, bool legacy_rsa) {
  const auto read = read_json(json);
  if (!read) return input_error("no JWKS: " + read.error().message);
  const bool single = read->is_object() && !read->contains("keys") && read->contains("kty");
  const Json list = single ? Json::array({*read}) : read->is_object() ? read->value("keys", Json()) : Json();
  if (!list.is_array()) return input_error("no JWKS: there is no list \"keys\"");
  if (list.size() > kMaxKeys) return input_error("a JWKS with more than " + std::to_string(kMaxKeys) + " keys");
  std::vector<Key> keys;
  std::string left_out;
  for (std::size_t i = 0; i < list.size(); ++i) {
    const std::string which = "key " + std::to_string(i + 1) + " of the JWKS";
    if (!list[i].is_object()) return input_error(which + " is no object");
    const auto key = key_from(list[i]);
    if (!key) return input_error(which + ": " + key.error().message);
    if (!*key) continue;
    if (const char* weakness = weakness_of(key->get(), legacy_rsa)) {
      left_out = which + " is " + weakness;
      continue;
    }
    const std::string use = string_in(list[i], "use");
    if (!use.empty() && use != "sig") continue;
    const std::string algorithm = string_in(list[i], "alg");
    const auto only = parse_token_algorithm(algorithm);
    if (!algorithm.empty() && !only) continue;
    keys.push_back({.key = *key, .id = string_in(list[i], "kid"), .algorithm = only});
  }
  if (keys.empty())
    return input_error("a JWKS without a key to verify with" + (left_out.empty() ? "" : ": " + left_out));
  return TokenKeys(std::move(keys));
}

Result<TokenKeys> TokenKeys::from_pem(std::string_view pem, bool legacy_rsa) {
  const BioPointer bio(BIO_new_mem_buf(pem.data(), static_cast<int>(std::min(pem.size(), kMaxTokenSize))));
  std::vector<Key> keys;
  std::string left_out;
  char* name = nullptr;
  char* header = nullptr;
  unsigned char* data = nullptr;
  long length = 0;
  while (bio && keys.size() < kMaxKeys && PEM_read_bio(bio.get(), &name, &header, &data, &length) == 1) {
    const ByteView der(reinterpret_cast<const std::byte*>(data), static_cast<std::size_t>(length));
    const std::string type = name;
    SharedKey key;
    if (type == "CERTIFICATE") {
      if (const CertificatePointer certificate = certificate_from(der)) key = key_of(certificate.get());
    } else if (type == "PUBLIC KEY") {
      const unsigned char* at = data;
      key = SharedKey(d2i_PUBKEY(nullptr, &at, length), EVP_PKEY_free);
    }
    OPENSSL_free(name);
    OPENSSL_free(header);
    OPENSSL_clear_free(data, static_cast<std::size_t>(length));  // it may be a private key that is here by mistake
    if (!key) continue;
    if (const char* weakness = weakness_of(key.get(), legacy_rsa)) {
      left_out = std::string(": it is ") + weakness;
    } else {
      keys.push_back({.key = std::move(key), .id = {}, .algorithm = std::nullopt});
    }
  }
  ERR_clear_error();
  if (keys.empty()) return input_error("no certificate and no public key in PEM that can verify" + left_out);
  return TokenKeys(std::move(keys));
}

Result<TokenKeys> TokenKeys::from_text(std::string_view text, bool legacy_rsa) {
  const std::size_t first = text.find_first_not_of(" \t\r\n");
  return first != std::string_view::npos && text[first] == '{' ? from_jwks(text, legacy_rsa)
                                                               : from_pem(text, legacy_rsa);
}

Result<TokenKeys> TokenKeys::from_certificate(std::span<const std::byte> der) {
  const CertificatePointer certificate = certificate_from(der);
  if (!certificate) return input_error("no certificate");
  SharedKey key = key_of(certificate.get());
  if (const char* weakness = weakness_of(key.get(), false)) return refused(std::string("its key is ") + weakness);
  return TokenKeys(std::vector<Key>{{.key = std::move(key), .id = {}, .algorithm = std::nullopt}});
}

nlohmann::json jwk_of(EVP_PKEY* key) {
  const auto number = [key](const char* name, std::size_t size) {
    BIGNUM* value = nullptr;
    if (EVP_PKEY_get_bn_param(key, name, &value) != 1) return std::string();
    const NumberPointer held(value);
    std::vector<std::byte> bytes(size != 0 ? size : static_cast<std::size_t>(BN_num_bytes(value)));
    if (BN_bn2binpad(value, reinterpret_cast<unsigned char*>(bytes.data()), static_cast<int>(bytes.size())) < 0) {
      return std::string();
    }
    return to_base64url(bytes);
  };
  if (EVP_PKEY_get_base_id(key) == EVP_PKEY_RSA) {
    return {{"kty", "RSA"}, {"n", number(OSSL_PKEY_PARAM_RSA_N, 0)}, {"e", number(OSSL_PKEY_PARAM_RSA_E, 0)}};
  }
  for (const auto& [algorithm, curve] :
       {std::pair{TokenAlgorithm::kEs256, 0}, {TokenAlgorithm::kEs384, 1}, {TokenAlgorithm::kEs512, 2}}) {
    if (!fits(key, algorithm)) continue;
    const Curve& known = kCurves.at(static_cast<std::size_t>(curve));
    return {{"kty", "EC"},
            {"crv", known.name},
            {"x", number(OSSL_PKEY_PARAM_EC_PUB_X, known.size)},
            {"y", number(OSSL_PKEY_PARAM_EC_PUB_Y, known.size)}};
  }
  return Json::object();
}

std::string thumbprint_of(EVP_PKEY* key) {
  const std::string canonical = jwk_of(key).dump();  // its names are sorted, and there are no others
  std::array<unsigned char, SHA256_DIGEST_LENGTH> digest{};
  ::SHA256(reinterpret_cast<const unsigned char*>(canonical.data()), canonical.size(), digest.data());
  return to_base64url(std::as_bytes(std::span(digest)));
}

}  // namespace coffer::attest
