#include "enclave/quoting/p256.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/obj_mac.h>
#include <openssl/param_build.h>

#include <cstring>
#include <memory>

#include "base/freed.h"
#include "enclave/sdk/platform.h"

namespace coffer::quoting {
namespace {

using Number = std::unique_ptr<BIGNUM, FreedBy<BN_clear_free>>;
using Context = std::unique_ptr<BN_CTX, FreedBy<BN_CTX_free>>;
using Group = std::unique_ptr<EC_GROUP, FreedBy<EC_GROUP_free>>;
using GroupPoint = std::unique_ptr<EC_POINT, FreedBy<EC_POINT_free>>;
using Key = std::unique_ptr<EVP_PKEY, FreedBy<EVP_PKEY_free>>;
using KeyContext = std::unique_ptr<EVP_PKEY_CTX, FreedBy<EVP_PKEY_CTX_free>>;
using DigestContext = std::unique_ptr<EVP_MD_CTX, FreedBy<EVP_MD_CTX_free>>;
using ParameterBuilder = std::unique_ptr<OSSL_PARAM_BLD, FreedBy<OSSL_PARAM_BLD_free>>;
using Parameters = std::unique_ptr<OSSL_PARAM, FreedBy<OSSL_PARAM_free>>;
using RawSignature = std::unique_ptr<ECDSA_SIG, FreedBy<ECDSA_SIG_free>>;

constexpr std::size_t kEncodedPoint = 65;  // 4, x, y

const unsigned char* octets(const std::byte* bytes) { return reinterpret_cast<const unsigned char*>(bytes); }
unsigned char* octets(std::byte* bytes) { return reinterpret_cast<unsigned char*>(bytes); }

Number secret_number(ByteView bytes) {
  Number number(BN_secure_new());
  if (number == nullptr || BN_bin2bn(octets(bytes.data()), static_cast<int>(bytes.size()), number.get()) == nullptr) {
    return nullptr;
  }
  BN_set_flags(number.get(), BN_FLG_CONSTTIME);
  return number;
}

// The public point of a scalar in [1, n - 1].
bool public_point(const EC_GROUP* group, const BIGNUM* scalar, unsigned char (&encoded)[kEncodedPoint]) {
  const GroupPoint point(EC_POINT_new(group));
  const Context context(BN_CTX_secure_new());
  return point != nullptr && context != nullptr &&
         EC_POINT_mul(group, point.get(), scalar, nullptr, nullptr, context.get()) == 1 &&
         EC_POINT_point2oct(group, point.get(), POINT_CONVERSION_UNCOMPRESSED, encoded, kEncodedPoint, context.get()) ==
             kEncodedPoint;
}

Key private_key(std::span<const std::byte, 32> scalar, const Point& point) {
  unsigned char encoded[kEncodedPoint] = {4};
  std::memcpy(encoded + 1, point.data(), point.size());
  const Number number = secret_number(scalar);
  const ParameterBuilder builder(OSSL_PARAM_BLD_new());
  if (number == nullptr || builder == nullptr ||
      OSSL_PARAM_BLD_push_utf8_string(builder.get(), OSSL_PKEY_PARAM_GROUP_NAME, "P-256", 0) != 1 ||
      OSSL_PARAM_BLD_push_octet_string(builder.get(), OSSL_PKEY_PARAM_PUB_KEY, encoded, sizeof(encoded)) != 1 ||
      OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_PRIV_KEY, number.get()) != 1) {
    return nullptr;
  }
  const Parameters parameters(OSSL_PARAM_BLD_to_param(builder.get()));
  const KeyContext context(EVP_PKEY_CTX_new_from_name(nullptr, "EC", nullptr));
  EVP_PKEY* key = nullptr;
  if (parameters == nullptr || context == nullptr || EVP_PKEY_fromdata_init(context.get()) != 1 ||
      EVP_PKEY_fromdata(context.get(), &key, EVP_PKEY_KEYPAIR, parameters.get()) != 1) {
    return nullptr;
  }
  return Key(key);
}

}  // namespace

Outcome<KeyPair> KeyPair::from_scalar(std::span<const std::byte, 32> scalar) {
  const Group group(EC_GROUP_new_by_curve_name(NID_X9_62_prime256v1));
  const Number number = secret_number(scalar);
  if (group == nullptr || number == nullptr) return EnclaveError::kSystem;
  if (BN_is_zero(number.get()) || BN_cmp(number.get(), EC_GROUP_get0_order(group.get())) >= 0) {
    return EnclaveError::kMalformed;
  }
  unsigned char encoded[kEncodedPoint];
  if (!public_point(group.get(), number.get(), encoded)) return EnclaveError::kSystem;
  KeyPair pair;
  std::memcpy(pair.scalar_.bytes().data(), scalar.data(), scalar.size());
  std::memcpy(pair.public_key_.data(), encoded + 1, pair.public_key_.size());
  return pair;
}

Outcome<KeyPair> KeyPair::derive(std::span<const std::byte, 40> material) {
  const Group group(EC_GROUP_new_by_curve_name(NID_X9_62_prime256v1));
  const Number number = secret_number(material);
  const Number range(group == nullptr ? nullptr : BN_dup(EC_GROUP_get0_order(group.get())));
  const Context context(BN_CTX_secure_new());
  Key256 scalar;
  if (number == nullptr || range == nullptr || context == nullptr || BN_sub_word(range.get(), 1) != 1 ||
      BN_nnmod(number.get(), number.get(), range.get(), context.get()) != 1 || BN_add_word(number.get(), 1) != 1 ||
      BN_bn2binpad(number.get(), octets(scalar.bytes().data()), 32) != 32) {
    return EnclaveError::kSystem;
  }
  return from_scalar(scalar.bytes());
}

Outcome<KeyPair> KeyPair::generate() {
  SecretArray<40> material;
  if (!sdk::platform::random(material.bytes())) return EnclaveError::kSystem;
  return derive(material.bytes());
}

Outcome<Signature> KeyPair::sign(ByteView message) const {
  const Key key = private_key(scalar(), public_key_);
  const DigestContext context(EVP_MD_CTX_new());
  unsigned char encoded[80];
  std::size_t size = sizeof(encoded);
  if (key == nullptr || context == nullptr ||
      EVP_DigestSignInit_ex(context.get(), nullptr, "SHA256", nullptr, nullptr, key.get(), nullptr) != 1 ||
      EVP_DigestSign(context.get(), encoded, &size, octets(message.data()), message.size()) != 1) {
    return EnclaveError::kSystem;
  }
  const unsigned char* position = encoded;
  const RawSignature raw(d2i_ECDSA_SIG(nullptr, &position, static_cast<long>(size)));
  Signature signature{};
  if (raw == nullptr || BN_bn2binpad(ECDSA_SIG_get0_r(raw.get()), signature.data(), 32) != 32 ||
      BN_bn2binpad(ECDSA_SIG_get0_s(raw.get()), signature.data() + 32, 32) != 32) {
    return EnclaveError::kSystem;
  }
  return signature;
}

}  // namespace coffer::quoting
