// RSA of <sgx_tcrypto.h>. Key numbers are little-endian; signatures and ciphertexts as PKCS #1 has them.
#include <openssl/core_names.h>
#include <openssl/param_build.h>
#include <openssl/rsa.h>

#include <array>
#include <cstring>
#include <initializer_list>

#include "base/secret.h"
#include "compat/sgxsdk/enclave/openssl_parts.h"

namespace coffer::sgxsdk {
namespace {

struct Part {
  const char* name;
  const void* bytes;
  std::size_t size;
};

// Empty where OpenSSL refuses the numbers.
Key key_of(std::initializer_list<Part> parts, int selection) {
  const std::unique_ptr<OSSL_PARAM_BLD, FreedBy<OSSL_PARAM_BLD_free>> builder(OSSL_PARAM_BLD_new());
  if (builder == nullptr) return nullptr;
  std::array<Number, 8> numbers;
  std::size_t count = 0;
  for (const Part& part : parts) {
    Number number = little_endian(part.bytes, part.size);
    if (number == nullptr || OSSL_PARAM_BLD_push_BN(builder.get(), part.name, number.get()) != 1) return nullptr;
    numbers[count++] = std::move(number);
  }
  const std::unique_ptr<OSSL_PARAM, FreedBy<OSSL_PARAM_free>> parameters(OSSL_PARAM_BLD_to_param(builder.get()));
  const KeyContext context(EVP_PKEY_CTX_new_from_name(nullptr, "RSA", nullptr));
  EVP_PKEY* key = nullptr;
  if (parameters == nullptr || context == nullptr || EVP_PKEY_fromdata_init(context.get()) != 1 ||
      EVP_PKEY_fromdata(context.get(), &key, selection, parameters.get()) != 1) {
    return nullptr;
  }
  return Key(key);
}

Key private_key(const sgx_rsa3072_key_t& key) {
  return key_of({{OSSL_PKEY_PARAM_RSA_N, key.mod, sizeof(key.mod)},
                 {OSSL_PKEY_PARAM_RSA_E, key.e, sizeof(key.e)},
                 {OSSL_PKEY_PARAM_RSA_D, key.d, sizeof(key.d)}},
                EVP_PKEY_KEYPAIR);
}
Key public_key(const sgx_rsa3072_public_key_t& key) {
  return key_of({{OSSL_PKEY_PARAM_RSA_N, key.mod, sizeof(key.mod)}, {OSSL_PKEY_PARAM_RSA_E, key.exp, sizeof(key.exp)}},
                EVP_PKEY_PUBLIC_KEY);
}

bool number_of(const EVP_PKEY* key, const char* name, void* bytes, int size) {
  BIGNUM* number = nullptr;
  if (EVP_PKEY_get_bn_param(key, name, &number) != 1) return false;
  const Number owned(number);
  return to_little_endian(number, bytes, static_cast<std::size_t>(size));
}

bool positive(std::initializer_list<int> sizes) {
  for (const int size : sizes) {
    if (size <= 0 || size > 2048) return false;
  }
  return true;
}

sgx_status_t give(Key key, void** place) {
  if (key == nullptr) return SGX_ERROR_UNEXPECTED;
  *place = key.release();
  return SGX_SUCCESS;
}

using Operation = int (*)(EVP_PKEY_CTX*, unsigned char*, std::size_t*, const unsigned char*, std::size_t);

sgx_status_t oaep(int (*begin)(EVP_PKEY_CTX*), Operation operation, const void* key, unsigned char* output,
                  std::size_t* output_size, const unsigned char* input, std::size_t input_size) {
  if (key == nullptr || output_size == nullptr || input == nullptr || !countable(input_size) || input_size == 0) {
    return SGX_ERROR_INVALID_PARAMETER;
  }
  const KeyContext context(EVP_PKEY_CTX_new(const_cast<EVP_PKEY*>(static_cast<const EVP_PKEY*>(key)), nullptr));
  if (context == nullptr) return SGX_ERROR_OUT_OF_MEMORY;
  return done(begin(context.get()) == 1 && EVP_PKEY_CTX_set_rsa_padding(context.get(), RSA_PKCS1_OAEP_PADDING) == 1 &&
              EVP_PKEY_CTX_set_rsa_oaep_md(context.get(), EVP_sha256()) == 1 &&
              operation(context.get(), output, output_size, input, input_size) == 1);
}

}  // namespace
}  // namespace coffer::sgxsdk

using namespace coffer::sgxsdk;

extern "C" {

sgx_status_t sgx_rsa3072_sign_ex(const uint8_t* p_data, uint32_t data_size, const sgx_rsa3072_key_t* p_key,
                                 const sgx_rsa3072_public_key_t* p_public, sgx_rsa3072_signature_t* p_signature) {
  if (p_data == nullptr || data_size == 0 || p_key == nullptr || p_signature == nullptr) {
    return SGX_ERROR_INVALID_PARAMETER;
  }
  const Key key = private_key(*p_key);
  const DigestContext context(EVP_MD_CTX_new());
  std::size_t size = sizeof(*p_signature);
  if (key == nullptr || context == nullptr ||
      EVP_DigestSignInit(context.get(), nullptr, EVP_sha256(), nullptr, key.get()) != 1 ||
      EVP_DigestSign(context.get(), *p_signature, &size, p_data, data_size) != 1 || size != sizeof(*p_signature)) {
    return SGX_ERROR_UNEXPECTED;
  }
  if (p_public == nullptr) return SGX_SUCCESS;
  sgx_rsa_result_t result = SGX_RSA_INVALID_SIGNATURE;
  const sgx_status_t verified = sgx_rsa3072_verify(p_data, data_size, p_public, p_signature, &result);
  if (verified == SGX_SUCCESS && result == SGX_RSA_VALID) return SGX_SUCCESS;
  coffer::wipe(p_signature, sizeof(*p_signature));
  return SGX_ERROR_UNEXPECTED;
}

sgx_status_t sgx_rsa3072_sign(const uint8_t* p_data, uint32_t data_size, const sgx_rsa3072_key_t* p_key,
                              sgx_rsa3072_signature_t* p_signature) {
  return sgx_rsa3072_sign_ex(p_data, data_size, p_key, nullptr, p_signature);
}

sgx_status_t sgx_rsa3072_verify(const uint8_t* p_data, uint32_t data_size, const sgx_rsa3072_public_key_t* p_public,
                                const sgx_rsa3072_signature_t* p_signature, sgx_rsa_result_t* p_result) {
  if (p_data == nullptr || data_size == 0 || p_public == nullptr || p_signature == nullptr || p_result == nullptr) {
    return SGX_ERROR_INVALID_PARAMETER;
  }
  *p_result = SGX_RSA_INVALID_SIGNATURE;
  const Key key = public_key(*p_public);
  const DigestContext context(EVP_MD_CTX_new());
  if (key == nullptr || context == nullptr ||
      EVP_DigestVerifyInit(context.get(), nullptr, EVP_sha256(), nullptr, key.get()) != 1) {
    return SGX_ERROR_UNEXPECTED;
  }
  if (EVP_DigestVerify(context.get(), *p_signature, sizeof(*p_signature), p_data, data_size) == 1) {
    *p_result = SGX_RSA_VALID;
  }
  return SGX_SUCCESS;
}

sgx_status_t sgx_create_rsa_key_pair(int n_byte_size, int e_byte_size, unsigned char* p_n, unsigned char* p_d,
                                     unsigned char* p_e, unsigned char* p_p, unsigned char* p_q, unsigned char* p_dmp1,
                                     unsigned char* p_dmq1, unsigned char* p_iqmp) {
  if (!positive({n_byte_size, e_byte_size}) || n_byte_size % 2 != 0 || p_n == nullptr || p_d == nullptr ||
      p_e == nullptr || p_p == nullptr || p_q == nullptr || p_dmp1 == nullptr || p_dmq1 == nullptr ||
      p_iqmp == nullptr) {
    return SGX_ERROR_INVALID_PARAMETER;
  }
  const Number exponent = little_endian(p_e, static_cast<std::size_t>(e_byte_size));
  const KeyContext context(EVP_PKEY_CTX_new_id(EVP_PKEY_RSA, nullptr));
  EVP_PKEY* made = nullptr;
  if (exponent == nullptr || context == nullptr || EVP_PKEY_keygen_init(context.get()) != 1 ||
      EVP_PKEY_CTX_set_rsa_keygen_bits(context.get(), n_byte_size * 8) != 1 ||
      EVP_PKEY_CTX_set1_rsa_keygen_pubexp(context.get(), exponent.get()) != 1 ||
      EVP_PKEY_keygen(context.get(), &made) != 1) {
    return SGX_ERROR_UNEXPECTED;
  }
  const Key key(made);
  const int half = n_byte_size / 2;
  return done(number_of(made, OSSL_PKEY_PARAM_RSA_N, p_n, n_byte_size) &&
              number_of(made, OSSL_PKEY_PARAM_RSA_D, p_d, n_byte_size) &&
              number_of(made, OSSL_PKEY_PARAM_RSA_FACTOR1, p_p, half) &&
              number_of(made, OSSL_PKEY_PARAM_RSA_FACTOR2, p_q, half) &&
              number_of(made, OSSL_PKEY_PARAM_RSA_EXPONENT1, p_dmp1, half) &&
              number_of(made, OSSL_PKEY_PARAM_RSA_EXPONENT2, p_dmq1, half) &&
              number_of(made, OSSL_PKEY_PARAM_RSA_COEFFICIENT1, p_iqmp, half));
}

sgx_status_t sgx_create_rsa_priv1_key(int n_byte_size, int e_byte_size, int d_byte_size, const unsigned char* le_n,
                                      const unsigned char* le_e, const unsigned char* le_d, void** new_pri_key1) {
  if (!positive({n_byte_size, e_byte_size, d_byte_size}) || le_n == nullptr || le_e == nullptr || le_d == nullptr ||
      new_pri_key1 == nullptr) {
    return SGX_ERROR_INVALID_PARAMETER;
  }
  return give(key_of({{OSSL_PKEY_PARAM_RSA_N, le_n, static_cast<std::size_t>(n_byte_size)},
                      {OSSL_PKEY_PARAM_RSA_E, le_e, static_cast<std::size_t>(e_byte_size)},
                      {OSSL_PKEY_PARAM_RSA_D, le_d, static_cast<std::size_t>(d_byte_size)}},
                     EVP_PKEY_KEYPAIR),
              new_pri_key1);
}

sgx_status_t sgx_create_rsa_priv2_key(int mod_size, int exp_size, const unsigned char* e, const unsigned char* p,
                                      const unsigned char* q, const unsigned char* dmp1, const unsigned char* dmq1,
                                      const unsigned char* iqmp, void** new_pri_key2) {
  if (!positive({mod_size, exp_size}) || mod_size % 2 != 0 || e == nullptr || p == nullptr || q == nullptr ||
      dmp1 == nullptr || dmq1 == nullptr || iqmp == nullptr || new_pri_key2 == nullptr) {
    return SGX_ERROR_INVALID_PARAMETER;
  }
  // What OpenSSL wants besides: n = pq, and d, the inverse of e modulo (p-1)(q-1).
  const auto half = static_cast<std::size_t>(mod_size) / 2;
  const Number first = little_endian(p, half), second = little_endian(q, half);
  const Number exponent = little_endian(e, static_cast<std::size_t>(exp_size));
  const Number product(BN_secure_new()), totient(BN_secure_new()), inverse(BN_secure_new());
  const std::unique_ptr<BN_CTX, coffer::FreedBy<BN_CTX_free>> scratch(BN_CTX_secure_new());
  if (first == nullptr || second == nullptr || exponent == nullptr || product == nullptr || totient == nullptr ||
      inverse == nullptr || scratch == nullptr) {
    return SGX_ERROR_OUT_OF_MEMORY;
  }
  std::array<std::uint8_t, 2048> modulus{}, secret{};
  const bool computed = BN_mul(product.get(), first.get(), second.get(), scratch.get()) == 1 &&
                        BN_sub_word(first.get(), 1) == 1 && BN_sub_word(second.get(), 1) == 1 &&
                        BN_mul(totient.get(), first.get(), second.get(), scratch.get()) == 1 &&
                        BN_mod_inverse(inverse.get(), exponent.get(), totient.get(), scratch.get()) != nullptr &&
                        to_little_endian(product.get(), modulus.data(), modulus.size()) &&
                        to_little_endian(inverse.get(), secret.data(), secret.size());
  Key key = !computed ? nullptr
                      : key_of({{OSSL_PKEY_PARAM_RSA_N, modulus.data(), modulus.size()},
                                {OSSL_PKEY_PARAM_RSA_E, e, static_cast<std::size_t>(exp_size)},
                                {OSSL_PKEY_PARAM_RSA_D, secret.data(), secret.size()},
                                {OSSL_PKEY_PARAM_RSA_FACTOR1, p, half},
                                {OSSL_PKEY_PARAM_RSA_FACTOR2, q, half},
                                {OSSL_PKEY_PARAM_RSA_EXPONENT1, dmp1, half},
                                {OSSL_PKEY_PARAM_RSA_EXPONENT2, dmq1, half},
                                {OSSL_PKEY_PARAM_RSA_COEFFICIENT1, iqmp, half}},
                               EVP_PKEY_KEYPAIR);
  coffer::wipe(secret.data(), secret.size());
  return give(std::move(key), new_pri_key2);
}

sgx_status_t sgx_create_rsa_pub1_key(int mod_size, int exp_size, const unsigned char* le_n, const unsigned char* le_e,
                                     void** new_pub_key1) {
  if (!positive({mod_size, exp_size}) || le_n == nullptr || le_e == nullptr || new_pub_key1 == nullptr) {
    return SGX_ERROR_INVALID_PARAMETER;
  }
  return give(key_of({{OSSL_PKEY_PARAM_RSA_N, le_n, static_cast<std::size_t>(mod_size)},
                      {OSSL_PKEY_PARAM_RSA_E, le_e, static_cast<std::size_t>(exp_size)}},
                     EVP_PKEY_PUBLIC_KEY),
              new_pub_key1);
}

sgx_status_t sgx_free_rsa_key(void* p_rsa_key, sgx_rsa_key_type_t, int, int) {
  EVP_PKEY_free(static_cast<EVP_PKEY*>(p_rsa_key));
  return SGX_SUCCESS;
}

sgx_status_t sgx_rsa_pub_encrypt_sha256(const void* rsa_key, unsigned char* pout_data, size_t* pout_len,
                                        const unsigned char* pin_data, const size_t pin_len) {
  return oaep(EVP_PKEY_encrypt_init, EVP_PKEY_encrypt, rsa_key, pout_data, pout_len, pin_data, pin_len);
}
sgx_status_t sgx_rsa_priv_decrypt_sha256(const void* rsa_key, unsigned char* pout_data, size_t* pout_len,
                                         const unsigned char* pin_data, const size_t pin_len) {
  return oaep(EVP_PKEY_decrypt_init, EVP_PKEY_decrypt, rsa_key, pout_data, pout_len, pin_data, pin_len);
}

}  // extern "C"
