// P-256 of <sgx_tcrypto.h>: Diffie-Hellman and ECDSA. Numbers are little-endian outside of OpenSSL.
#include <openssl/core_names.h>
#include <openssl/ecdsa.h>
#include <openssl/param_build.h>
#include <openssl/sha.h>

#include <array>
#include <cstring>
#include <vector>

#include "base/secret.h"
#include "compat/sgxsdk/enclave/openssl_parts.h"

namespace coffer::sgxsdk {
namespace {

using Point = std::unique_ptr<EC_POINT, FreedBy<EC_POINT_clear_free>>;
using Scratch = std::unique_ptr<BN_CTX, FreedBy<BN_CTX_free>>;
using Signature = std::unique_ptr<ECDSA_SIG, FreedBy<ECDSA_SIG_free>>;
using Hash = std::array<unsigned char, SHA256_DIGEST_LENGTH>;

const EC_GROUP* curve() {
  static const EC_GROUP* group = EC_GROUP_new_by_curve_name(NID_X9_62_prime256v1);
  return group;
}

// Empty where the coordinates are no point of the curve (its order is prime, so every other point has it).
Point point_of(const sgx_ec256_public_t& key) {
  const Number x = little_endian(key.gx, sizeof(key.gx)), y = little_endian(key.gy, sizeof(key.gy));
  Point point(EC_POINT_new(curve()));
  if (point == nullptr || x == nullptr || y == nullptr ||
      EC_POINT_set_affine_coordinates(curve(), point.get(), x.get(), y.get(), nullptr) != 1) {
    point.reset();
  }
  return point;
}

bool to_public(const EC_POINT* point, sgx_ec256_public_t& key) {
  const Number x(BN_new()), y(BN_new());
  return x != nullptr && y != nullptr &&
         EC_POINT_get_affine_coordinates(curve(), point, x.get(), y.get(), nullptr) == 1 &&
         to_little_endian(x.get(), key.gx, sizeof(key.gx)) && to_little_endian(y.get(), key.gy, sizeof(key.gy));
}

// Empty where the number is not below the order and above zero.
Number secret_of(const sgx_ec256_private_t& key) {
  Number number(BN_secure_new());
  if (number == nullptr || BN_lebin2bn(key.r, sizeof(key.r), number.get()) == nullptr || BN_is_zero(number.get()) ||
      BN_cmp(number.get(), EC_GROUP_get0_order(curve())) >= 0) {
    return nullptr;
  }
  BN_set_flags(number.get(), BN_FLG_CONSTTIME);
  return number;
}

bool multiply_base(const BIGNUM* secret, sgx_ec256_public_t& key) {
  const Point point(EC_POINT_new(curve()));
  return point != nullptr && EC_POINT_mul(curve(), point.get(), secret, nullptr, nullptr, nullptr) == 1 &&
         to_public(point.get(), key);
}

// A key for OpenSSL: of a point alone, or with its secret.
Key key_of(const EC_POINT* point, const BIGNUM* secret) {
  std::array<unsigned char, 1 + 2 * SGX_ECP256_KEY_SIZE> octets{};
  const std::unique_ptr<OSSL_PARAM_BLD, FreedBy<OSSL_PARAM_BLD_free>> builder(OSSL_PARAM_BLD_new());
  bool good =
      builder != nullptr &&
      EC_POINT_point2oct(curve(), point, POINT_CONVERSION_UNCOMPRESSED, octets.data(), octets.size(), nullptr) ==
          octets.size() &&
      OSSL_PARAM_BLD_push_utf8_string(builder.get(), OSSL_PKEY_PARAM_GROUP_NAME, "P-256", 0) == 1 &&
      OSSL_PARAM_BLD_push_octet_string(builder.get(), OSSL_PKEY_PARAM_PUB_KEY, octets.data(), octets.size()) == 1;
  if (good && secret != nullptr) good = OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_PRIV_KEY, secret) == 1;
  if (!good) return nullptr;
  const std::unique_ptr<OSSL_PARAM, FreedBy<OSSL_PARAM_free>> parameters(OSSL_PARAM_BLD_to_param(builder.get()));
  const KeyContext context(EVP_PKEY_CTX_new_from_name(nullptr, "EC", nullptr));
  EVP_PKEY* key = nullptr;
  if (parameters == nullptr || context == nullptr || EVP_PKEY_fromdata_init(context.get()) != 1 ||
      EVP_PKEY_fromdata(context.get(), &key, secret != nullptr ? EVP_PKEY_KEYPAIR : EVP_PKEY_PUBLIC_KEY,
                        parameters.get()) != 1) {
    return nullptr;
  }
  return Key(key);
}

// The two numbers of a signature in DER.
std::vector<unsigned char> encode(const sgx_ec256_signature_t& given) {
  const Signature signature(ECDSA_SIG_new());
  Number r = little_endian(given.x, sizeof(given.x)), s = little_endian(given.y, sizeof(given.y));
  if (signature == nullptr || r == nullptr || s == nullptr || ECDSA_SIG_set0(signature.get(), r.get(), s.get()) != 1) {
    return {};
  }
  (void)r.release(), (void)s.release();  // the signature's now
  unsigned char* encoded = nullptr;
  const int size = i2d_ECDSA_SIG(signature.get(), &encoded);
  if (size <= 0) return {};
  std::vector<unsigned char> bytes(encoded, encoded + size);
  OPENSSL_free(encoded);
  return bytes;
}

bool decode(const unsigned char* bytes, std::size_t size, sgx_ec256_signature_t& signature) {
  const Signature read(d2i_ECDSA_SIG(nullptr, &bytes, static_cast<long>(size)));
  return read != nullptr && to_little_endian(ECDSA_SIG_get0_r(read.get()), signature.x, sizeof(signature.x)) &&
         to_little_endian(ECDSA_SIG_get0_s(read.get()), signature.y, sizeof(signature.y));
}

sgx_status_t verify(const Hash& hash, const sgx_ec256_public_t& key, const sgx_ec256_signature_t& given,
                    std::uint8_t* result) {
  *result = SGX_EC_INVALID_SIGNATURE;
  const Point point = point_of(key);
  if (point == nullptr) return SGX_ERROR_INVALID_PARAMETER;
  const Key verifier = key_of(point.get(), nullptr);
  const std::vector<unsigned char> signature = encode(given);
  const KeyContext context(verifier == nullptr ? nullptr : EVP_PKEY_CTX_new(verifier.get(), nullptr));
  if (signature.empty() || context == nullptr || EVP_PKEY_verify_init(context.get()) != 1) return SGX_ERROR_UNEXPECTED;
  if (EVP_PKEY_verify(context.get(), signature.data(), signature.size(), hash.data(), hash.size()) == 1) {
    *result = SGX_EC_VALID;
  }
  return SGX_SUCCESS;
}

}  // namespace
}  // namespace coffer::sgxsdk

using namespace coffer::sgxsdk;

extern "C" {

sgx_status_t sgx_ecc256_open_context(sgx_ecc_state_handle_t* p_ecc_handle) {
  if (p_ecc_handle == nullptr) return SGX_ERROR_INVALID_PARAMETER;
  *p_ecc_handle = const_cast<EC_GROUP*>(curve());
  return *p_ecc_handle == nullptr ? SGX_ERROR_OUT_OF_MEMORY : SGX_SUCCESS;
}
sgx_status_t sgx_ecc256_close_context(sgx_ecc_state_handle_t ecc_handle) {
  return ecc_handle == nullptr ? SGX_ERROR_INVALID_PARAMETER : SGX_SUCCESS;
}

sgx_status_t sgx_ecc256_create_key_pair(sgx_ec256_private_t* p_private, sgx_ec256_public_t* p_public,
                                        sgx_ecc_state_handle_t ecc_handle) {
  if (p_private == nullptr || p_public == nullptr || ecc_handle == nullptr) return SGX_ERROR_INVALID_PARAMETER;
  const Key pair(EVP_EC_gen("P-256"));
  BIGNUM *secret = nullptr, *x = nullptr, *y = nullptr;
  if (pair == nullptr) return SGX_ERROR_UNEXPECTED;
  const bool read = EVP_PKEY_get_bn_param(pair.get(), OSSL_PKEY_PARAM_PRIV_KEY, &secret) == 1 &&
                    EVP_PKEY_get_bn_param(pair.get(), OSSL_PKEY_PARAM_EC_PUB_X, &x) == 1 &&
                    EVP_PKEY_get_bn_param(pair.get(), OSSL_PKEY_PARAM_EC_PUB_Y, &y) == 1;
  const Number owned_secret(secret), owned_x(x), owned_y(y);
  const bool given = read && to_little_endian(secret, p_private->r, sizeof(p_private->r)) &&
                     to_little_endian(x, p_public->gx, sizeof(p_public->gx)) &&
                     to_little_endian(y, p_public->gy, sizeof(p_public->gy));
  if (!given) coffer::wipe(p_private, sizeof(*p_private));
  return done(given);
}

sgx_status_t sgx_ecc256_check_point(const sgx_ec256_public_t* p_point, const sgx_ecc_state_handle_t ecc_handle,
                                    int* p_valid) {
  if (p_point == nullptr || ecc_handle == nullptr || p_valid == nullptr) return SGX_ERROR_INVALID_PARAMETER;
  *p_valid = point_of(*p_point) != nullptr ? 1 : 0;
  return SGX_SUCCESS;
}

sgx_status_t sgx_ecc256_compute_shared_dhkey(const sgx_ec256_private_t* p_private_b,
                                             const sgx_ec256_public_t* p_public_ga, sgx_ec256_dh_shared_t* p_shared_key,
                                             sgx_ecc_state_handle_t ecc_handle) {
  if (p_private_b == nullptr || p_public_ga == nullptr || p_shared_key == nullptr || ecc_handle == nullptr) {
    return SGX_ERROR_INVALID_PARAMETER;
  }
  const Point peer = point_of(*p_public_ga);
  const Number secret = secret_of(*p_private_b);
  if (peer == nullptr || secret == nullptr) return SGX_ERROR_INVALID_PARAMETER;
  const Point product(EC_POINT_new(curve()));
  const Scratch scratch(BN_CTX_secure_new());
  const Number x(BN_secure_new());
  if (product == nullptr || scratch == nullptr || x == nullptr) return SGX_ERROR_OUT_OF_MEMORY;
  return done(EC_POINT_mul(curve(), product.get(), nullptr, peer.get(), secret.get(), scratch.get()) == 1 &&
              EC_POINT_is_at_infinity(curve(), product.get()) == 0 &&
              EC_POINT_get_affine_coordinates(curve(), product.get(), x.get(), nullptr, scratch.get()) == 1 &&
              to_little_endian(x.get(), p_shared_key->s, sizeof(p_shared_key->s)));
}

sgx_status_t sgx_ecc256_calculate_pub_from_priv(const sgx_ec256_private_t* p_private, sgx_ec256_public_t* p_public) {
  if (p_private == nullptr || p_public == nullptr) return SGX_ERROR_INVALID_PARAMETER;
  const Number secret = secret_of(*p_private);
  if (secret == nullptr) return SGX_ERROR_INVALID_PARAMETER;
  return done(multiply_base(secret.get(), *p_public));
}

sgx_status_t sgx_ecdsa_sign(const uint8_t* p_data, uint32_t data_size, const sgx_ec256_private_t* p_private,
                            sgx_ec256_signature_t* p_signature, sgx_ecc_state_handle_t ecc_handle) {
  if (p_data == nullptr || data_size == 0 || p_private == nullptr || p_signature == nullptr || ecc_handle == nullptr) {
    return SGX_ERROR_INVALID_PARAMETER;
  }
  const Number secret = secret_of(*p_private);
  if (secret == nullptr) return SGX_ERROR_INVALID_PARAMETER;
  const Point point(EC_POINT_new(curve()));
  if (point == nullptr || EC_POINT_mul(curve(), point.get(), secret.get(), nullptr, nullptr, nullptr) != 1) {
    return SGX_ERROR_UNEXPECTED;
  }
  const Key key = key_of(point.get(), secret.get());
  const KeyContext context(key == nullptr ? nullptr : EVP_PKEY_CTX_new(key.get(), nullptr));
  Hash hash;
  std::array<unsigned char, 128> signature;
  std::size_t size = signature.size();
  return done(context != nullptr && EVP_PKEY_sign_init(context.get()) == 1 &&
              SHA256(p_data, data_size, hash.data()) != nullptr &&
              EVP_PKEY_sign(context.get(), signature.data(), &size, hash.data(), hash.size()) == 1 &&
              decode(signature.data(), size, *p_signature));
}

sgx_status_t sgx_ecdsa_verify(const uint8_t* p_data, uint32_t data_size, const sgx_ec256_public_t* p_public,
                              const sgx_ec256_signature_t* p_signature, uint8_t* p_result,
                              sgx_ecc_state_handle_t ecc_handle) {
  if (p_data == nullptr || data_size == 0 || p_public == nullptr || p_signature == nullptr || p_result == nullptr ||
      ecc_handle == nullptr) {
    return SGX_ERROR_INVALID_PARAMETER;
  }
  Hash hash;
  if (SHA256(p_data, data_size, hash.data()) == nullptr) return SGX_ERROR_UNEXPECTED;
  return verify(hash, *p_public, *p_signature, p_result);
}

sgx_status_t sgx_ecdsa_verify_hash(const uint8_t* hash, const sgx_ec256_public_t* p_public,
                                   const sgx_ec256_signature_t* p_signature, uint8_t* p_result,
                                   sgx_ecc_state_handle_t ecc_handle) {
  if (hash == nullptr || p_public == nullptr || p_signature == nullptr || p_result == nullptr ||
      ecc_handle == nullptr) {
    return SGX_ERROR_INVALID_PARAMETER;
  }
  Hash copy;
  std::memcpy(copy.data(), hash, copy.size());
  return verify(copy, *p_public, *p_signature, p_result);
}

sgx_status_t sgx_calculate_ecdsa_priv_key(const unsigned char* hash_drg, int hash_drg_len,
                                          const unsigned char* order_less_one, int order_less_one_len,
                                          unsigned char* out_key, int out_key_len) {
  if (hash_drg == nullptr || hash_drg_len <= 0 || order_less_one == nullptr || order_less_one_len <= 0 ||
      out_key == nullptr || out_key_len <= 0) {
    return SGX_ERROR_INVALID_PARAMETER;
  }
  const Number drawn = little_endian(hash_drg, static_cast<std::size_t>(hash_drg_len));
  const Number modulus = little_endian(order_less_one, static_cast<std::size_t>(order_less_one_len));
  const Number key(BN_secure_new());
  const Scratch scratch(BN_CTX_secure_new());
  if (drawn == nullptr || modulus == nullptr || key == nullptr || scratch == nullptr) return SGX_ERROR_OUT_OF_MEMORY;
  return done(BN_mod(key.get(), drawn.get(), modulus.get(), scratch.get()) == 1 && BN_add_word(key.get(), 1) == 1 &&
              BN_bn2binpad(key.get(), out_key, out_key_len) == out_key_len);
}

}  // extern "C"
