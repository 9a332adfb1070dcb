// Keys of NIST P-256 that are derived from a sealing key.
//
// Seed: HKDF-Expand (SHA-256) of the sealing key with the label below and SHA-256 of the user data. The private key is
// the first HMAC-SHA-256 of the seed over 0, 1, 2 ... (8 bytes, little-endian) that is a number from 1 to the group's
// order less one, big-endian.
#include <openenclave/enclave.h>
#include <openenclave/internal/sgxkeys.h>
#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <openssl/pem.h>

#include <array>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <span>

#include "base/freed.h"
#include "compat/openenclave/enclave/keys.h"
#include "compat/openenclave/enclave/parts.h"
#include "compat/openenclave/protocol.h"
#include "enclave/sdk/crypto.h"

namespace {

using coffer::FreedBy;
using coffer::sdk::Bytes;

constexpr std::string_view kLabel = "coffer openenclave p256 1";
constexpr std::size_t kPointSize = 65;

using Number = std::unique_ptr<BIGNUM, FreedBy<BN_clear_free>>;
using Group = std::unique_ptr<EC_GROUP, FreedBy<EC_GROUP_free>>;
using Point = std::unique_ptr<EC_POINT, FreedBy<EC_POINT_clear_free>>;
using Builder = std::unique_ptr<OSSL_PARAM_BLD, FreedBy<OSSL_PARAM_BLD_free>>;
using Parameters = std::unique_ptr<OSSL_PARAM, FreedBy<OSSL_PARAM_free>>;
using Context = std::unique_ptr<EVP_PKEY_CTX, FreedBy<EVP_PKEY_CTX_free>>;
using Key = std::unique_ptr<EVP_PKEY, FreedBy<EVP_PKEY_free>>;
using Request = std::unique_ptr<sgx_key_request_t, FreedBy<std::free>>;
using Memory = std::unique_ptr<std::uint8_t, FreedBy<std::free>>;
using Bio = std::unique_ptr<BIO, FreedBy<BIO_free>>;

Bytes bytes(const void* memory, std::size_t size) { return {static_cast<const std::byte*>(memory), size}; }

class Seed {
 public:
  Seed() = default;
  Seed(const Seed&) = delete;
  Seed& operator=(const Seed&) = delete;
  ~Seed() { ::explicit_bzero(bytes_.data(), bytes_.size()); }
  [[nodiscard]] std::span<std::byte, 32> get() { return bytes_; }

 private:
  std::array<std::byte, 32> bytes_{};
};

oe_result_t seed_of(const sgx_key_request_t& request, Bytes user_data, Seed& seed) {
  std::array<std::byte, 32> digest{};
  sgx_key_t root = {};
  const oe_result_t got = oe_get_key(&request, &root);
  const bool derived = got == OE_OK && coffer::sdk::sha256({user_data}, digest) &&
                       coffer::sdk::expand_key(bytes(root.buf, sizeof(root.buf)), kLabel, digest, seed.get());
  ::explicit_bzero(&root, sizeof(root));
  if (got != OE_OK) return got;
  return derived ? OE_OK : OE_CRYPTO_ERROR;
}

Number private_number(Seed& seed, const EC_GROUP* group) {
  for (std::uint64_t count = 0; count < UINT8_MAX; ++count) {
    Seed candidate;
    if (!coffer::sdk::hmac_sha256(seed.get(), bytes(&count, sizeof(count)), candidate.get())) return nullptr;
    Number number(BN_bin2bn(reinterpret_cast<const unsigned char*>(candidate.get().data()), 32, nullptr));
    if (number == nullptr) return nullptr;
    if (!BN_is_zero(number.get()) && BN_cmp(number.get(), EC_GROUP_get0_order(group)) < 0) return number;
  }
  return nullptr;
}

Key key_of(Seed& seed) {
  const Group group(EC_GROUP_new_by_curve_name(NID_X9_62_prime256v1));
  if (group == nullptr) return nullptr;
  const Number number = private_number(seed, group.get());
  const Point point(EC_POINT_new(group.get()));
  if (number == nullptr || point == nullptr ||
      EC_POINT_mul(group.get(), point.get(), number.get(), nullptr, nullptr, nullptr) != 1) {
    return nullptr;
  }
  std::array<unsigned char, kPointSize> encoded{};
  if (EC_POINT_point2oct(group.get(), point.get(), POINT_CONVERSION_UNCOMPRESSED, encoded.data(), encoded.size(),
                         nullptr) != encoded.size()) {
    return nullptr;
  }
  const Builder builder(OSSL_PARAM_BLD_new());
  if (builder == nullptr ||
      OSSL_PARAM_BLD_push_utf8_string(builder.get(), OSSL_PKEY_PARAM_GROUP_NAME, "prime256v1", 0) != 1 ||
      OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_PRIV_KEY, number.get()) != 1 ||
      OSSL_PARAM_BLD_push_octet_string(builder.get(), OSSL_PKEY_PARAM_PUB_KEY, encoded.data(), encoded.size()) != 1) {
    return nullptr;
  }
  const Parameters parameters(OSSL_PARAM_BLD_to_param(builder.get()));
  const Context context(EVP_PKEY_CTX_new_from_name(nullptr, "EC", nullptr));
  EVP_PKEY* key = nullptr;
  if (parameters == nullptr || context == nullptr || EVP_PKEY_fromdata_init(context.get()) != 1 ||
      EVP_PKEY_fromdata(context.get(), &key, EVP_PKEY_KEYPAIR, parameters.get()) != 1) {
    return nullptr;
  }
  return Key(key);
}

enum class Half { kPublic, kPrivate };

// PEM with its terminator, for the caller to free.
oe_result_t write_pem(EVP_PKEY* key, Half half, std::uint8_t** buffer, std::size_t* size) {
  const Bio text(BIO_new(BIO_s_secmem()));
  if (text == nullptr) return OE_OUT_OF_MEMORY;
  const int written = half == Half::kPublic
                          ? PEM_write_bio_PUBKEY(text.get(), key)
                          : PEM_write_bio_PrivateKey(text.get(), key, nullptr, nullptr, 0, nullptr, nullptr);
  char* begin = nullptr;
  const long length = written == 1 ? BIO_get_mem_data(text.get(), &begin) : 0;
  if (length <= 0) return OE_CRYPTO_ERROR;
  auto* copy = static_cast<std::uint8_t*>(std::calloc(static_cast<std::size_t>(length) + 1, 1));
  if (copy == nullptr) return OE_OUT_OF_MEMORY;
  std::memcpy(copy, begin, static_cast<std::size_t>(length));
  *buffer = copy;
  *size = static_cast<std::size_t>(length) + 1;
  return OE_OK;
}

struct Place {
  std::uint8_t** key;
  std::size_t* key_size;
};

oe_result_t make(const sgx_key_request_t& request, const oe_asymmetric_key_params_t* parameters, Half half,
                 Place place) {
  if (parameters == nullptr || place.key == nullptr || place.key_size == nullptr ||
      (parameters->user_data == nullptr && parameters->user_data_size != 0) ||
      parameters->user_data_size > coffer::openenclave::kMostUserData) {
    return OE_INVALID_PARAMETER;
  }
  if (parameters->type != OE_ASYMMETRIC_KEY_EC_SECP256P1 || parameters->format != OE_ASYMMETRIC_KEY_PEM) {
    return OE_INVALID_PARAMETER;
  }
  Seed seed;
  const oe_result_t derived = seed_of(request, bytes(parameters->user_data, parameters->user_data_size), seed);
  if (derived != OE_OK) return derived;
  const Key key = key_of(seed);
  return key == nullptr ? OE_CRYPTO_ERROR : write_pem(key.get(), half, place.key, place.key_size);
}

oe_result_t by_info(const oe_asymmetric_key_params_t* parameters, const uint8_t* info, size_t info_size, Half half,
                    Place place) {
  sgx_key_request_t request;
  if (info == nullptr || info_size != sizeof(request)) return OE_INVALID_PARAMETER;
  std::memcpy(&request, info, sizeof(request));
  if (request.key_name != SGX_KEYSELECT_SEAL) return OE_INVALID_KEYNAME;
  return make(request, parameters, half, place);
}

oe_result_t by_policy(oe_seal_policy_t policy, const oe_asymmetric_key_params_t* parameters, Half half, Place place,
                      uint8_t** info, size_t* info_size) {
  sgx_key_request_t request;
  if ((info == nullptr) != (info_size == nullptr)) return OE_INVALID_PARAMETER;
  oe_result_t result = coffer::openenclave::seal_key_request(policy, request);
  if (result != OE_OK) return result;
  if (info == nullptr) return make(request, parameters, half, place);
  Request copy(static_cast<sgx_key_request_t*>(std::malloc(sizeof(sgx_key_request_t))));
  if (copy == nullptr) return OE_OUT_OF_MEMORY;
  *copy = request;
  result = make(request, parameters, half, place);
  if (result != OE_OK) return result;
  *info = reinterpret_cast<uint8_t*>(copy.release());
  *info_size = sizeof(request);
  return OE_OK;
}

}  // namespace

namespace coffer::openenclave {

oe_result_t public_key_for_host(calls::IncomingCall& call) {
  PublicKeyQuestion question;
  if (call.input.size() < sizeof(question)) return OE_INVALID_PARAMETER;
  std::memcpy(&question, call.input.data(), sizeof(question));
  const auto rest = call.input.subspan(sizeof(question));
  if (question.user_data_size > rest.size() || question.key_info_size != rest.size() - question.user_data_size) {
    return OE_INVALID_PARAMETER;
  }
  const auto user_data = rest.first(question.user_data_size), info = rest.subspan(question.user_data_size);
  const oe_asymmetric_key_params_t parameters = {static_cast<oe_asymmetric_key_type_t>(question.type),
                                                 static_cast<oe_asymmetric_key_format_t>(question.format),
                                                 const_cast<std::byte*>(user_data.data()), user_data.size()};
  std::uint8_t *made = nullptr, *made_info = nullptr;
  PublicKeyAnswer answer{};
  oe_result_t result = OE_OK;
  if (question.policy == 0) {
    result = by_info(&parameters, reinterpret_cast<const std::uint8_t*>(info.data()), info.size(), Half::kPublic,
                     {&made, &answer.key_size});
  } else {
    result = by_policy(static_cast<oe_seal_policy_t>(question.policy), &parameters, Half::kPublic,
                       {&made, &answer.key_size}, &made_info, &answer.key_info_size);
  }
  const Memory key(made), key_info(made_info);
  if (result != OE_OK) return result;
  const std::size_t size = sizeof(answer) + answer.key_size + answer.key_info_size;
  if (size > call.output.size()) return OE_BUFFER_TOO_SMALL;
  std::byte* next = call.output.data();
  std::memcpy(next, &answer, sizeof(answer));
  std::memcpy(next + sizeof(answer), key.get(), answer.key_size);
  if (key_info != nullptr) std::memcpy(next + sizeof(answer) + answer.key_size, key_info.get(), answer.key_info_size);
  call.written = size;
  return OE_OK;
}

}  // namespace coffer::openenclave

extern "C" {

oe_result_t oe_get_public_key_by_policy(oe_seal_policy_t seal_policy, const oe_asymmetric_key_params_t* key_params,
                                        uint8_t** key_buffer, size_t* key_buffer_size, uint8_t** key_info,
                                        size_t* key_info_size) {
  return by_policy(seal_policy, key_params, Half::kPublic, {key_buffer, key_buffer_size}, key_info, key_info_size);
}

oe_result_t oe_get_private_key_by_policy(oe_seal_policy_t seal_policy, const oe_asymmetric_key_params_t* key_params,
                                         uint8_t** key_buffer, size_t* key_buffer_size, uint8_t** key_info,
                                         size_t* key_info_size) {
  return by_policy(seal_policy, key_params, Half::kPrivate, {key_buffer, key_buffer_size}, key_info, key_info_size);
}

oe_result_t oe_get_public_key(const oe_asymmetric_key_params_t* key_params, const uint8_t* key_info,
                              size_t key_info_size, uint8_t** key_buffer, size_t* key_buffer_size) {
  return by_info(key_params, key_info, key_info_size, Half::kPublic, {key_buffer, key_buffer_size});
}

oe_result_t oe_get_private_key(const oe_asymmetric_key_params_t* key_params, const uint8_t* key_info,
                               size_t key_info_size, uint8_t** key_buffer, size_t* key_buffer_size) {
  return by_info(key_params, key_info, key_info_size, Half::kPrivate, {key_buffer, key_buffer_size});
}

}  // extern "C"
