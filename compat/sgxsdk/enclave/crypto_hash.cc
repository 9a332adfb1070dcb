// SHA, CMAC and HMAC of <sgx_tcrypto.h>.
#include <openssl/core_names.h>
#include <openssl/hmac.h>
#include <openssl/params.h>

#include <cstring>

#include "compat/sgxsdk/enclave/openssl_parts.h"

namespace coffer::sgxsdk {
namespace {

sgx_status_t digest(const EVP_MD* kind, const void* bytes, std::size_t size, std::uint8_t* hash) {
  if (hash == nullptr || !readable(bytes, size)) return SGX_ERROR_INVALID_PARAMETER;
  return done(EVP_Digest(bytes, size, hash, nullptr, kind, nullptr) == 1);
}

sgx_status_t digest_begin(const EVP_MD* kind, sgx_sha_state_handle_t* handle) {
  if (handle == nullptr) return SGX_ERROR_INVALID_PARAMETER;
  DigestContext context(EVP_MD_CTX_new());
  if (context == nullptr) return SGX_ERROR_OUT_OF_MEMORY;
  if (EVP_DigestInit_ex(context.get(), kind, nullptr) != 1) return SGX_ERROR_UNEXPECTED;
  *handle = context.release();
  return SGX_SUCCESS;
}

sgx_status_t digest_update(sgx_sha_state_handle_t handle, const void* bytes, std::size_t size) {
  if (handle == nullptr || (bytes == nullptr && size != 0)) return SGX_ERROR_INVALID_PARAMETER;
  return done(EVP_DigestUpdate(static_cast<EVP_MD_CTX*>(handle), bytes, size) == 1);
}

// Of a copy, so that more can follow.
sgx_status_t digest_value(sgx_sha_state_handle_t handle, std::uint8_t* hash) {
  if (handle == nullptr || hash == nullptr) return SGX_ERROR_INVALID_PARAMETER;
  const DigestContext copy(EVP_MD_CTX_new());
  if (copy == nullptr) return SGX_ERROR_OUT_OF_MEMORY;
  return done(EVP_MD_CTX_copy_ex(copy.get(), static_cast<EVP_MD_CTX*>(handle)) == 1 &&
              EVP_DigestFinal_ex(copy.get(), hash, nullptr) == 1);
}

sgx_status_t digest_close(sgx_sha_state_handle_t handle) {
  if (handle == nullptr) return SGX_ERROR_INVALID_PARAMETER;
  EVP_MD_CTX_free(static_cast<EVP_MD_CTX*>(handle));
  return SGX_SUCCESS;
}

MacContext mac_begin(const char* kind, const char* parameter, const char* of, const void* key, std::size_t key_size) {
  const std::unique_ptr<EVP_MAC, FreedBy<EVP_MAC_free>> mac(EVP_MAC_fetch(nullptr, kind, nullptr));
  MacContext context(mac == nullptr ? nullptr : EVP_MAC_CTX_new(mac.get()));
  const OSSL_PARAM parameters[] = {OSSL_PARAM_construct_utf8_string(parameter, const_cast<char*>(of), 0),
                                   OSSL_PARAM_construct_end()};
  if (context != nullptr &&
      EVP_MAC_init(context.get(), static_cast<const unsigned char*>(key), key_size, parameters) != 1) {
    context.reset();
  }
  return context;
}
MacContext cmac_begin(const void* key) {
  return mac_begin("CMAC", OSSL_MAC_PARAM_CIPHER, "AES-128-CBC", key, SGX_CMAC_KEY_SIZE);
}
MacContext hmac_begin(const void* key, std::size_t size) {
  // HMAC pads keys with zeros, so an empty one is one zero byte; OpenSSL takes a null key for "the key is set already".
  static constexpr unsigned char kEmpty = 0;
  return mac_begin("HMAC", OSSL_MAC_PARAM_DIGEST, "SHA256", size == 0 ? &kEmpty : key, size == 0 ? 1 : size);
}

sgx_status_t mac_update(void* handle, const void* bytes, std::size_t size) {
  return done(EVP_MAC_update(static_cast<EVP_MAC_CTX*>(handle), static_cast<const unsigned char*>(bytes), size) == 1);
}
sgx_status_t mac_final(void* handle, unsigned char* mac, std::size_t room, std::size_t whole) {
  unsigned char value[EVP_MAX_MD_SIZE];
  std::size_t size = 0;
  const bool made = EVP_MAC_final(static_cast<EVP_MAC_CTX*>(handle), value, &size, sizeof(value)) == 1 && size == whole;
  if (made) std::memcpy(mac, value, room);
  return done(made);
}
sgx_status_t mac_close(void* handle) {
  if (handle == nullptr) return SGX_ERROR_INVALID_PARAMETER;
  EVP_MAC_CTX_free(static_cast<EVP_MAC_CTX*>(handle));
  return SGX_SUCCESS;
}

}  // namespace
}  // namespace coffer::sgxsdk

using namespace coffer::sgxsdk;

extern "C" {

sgx_status_t sgx_sha1_msg(const uint8_t* p_src, uint32_t src_len, sgx_sha1_hash_t* p_hash) {
  return p_hash == nullptr ? SGX_ERROR_INVALID_PARAMETER : digest(EVP_sha1(), p_src, src_len, *p_hash);
}
sgx_status_t sgx_sha256_msg(const uint8_t* p_src, uint32_t src_len, sgx_sha256_hash_t* p_hash) {
  return p_hash == nullptr ? SGX_ERROR_INVALID_PARAMETER : digest(EVP_sha256(), p_src, src_len, *p_hash);
}
sgx_status_t sgx_sha384_msg(const uint8_t* p_src, uint32_t src_len, sgx_sha384_hash_t* p_hash) {
  return p_hash == nullptr ? SGX_ERROR_INVALID_PARAMETER : digest(EVP_sha384(), p_src, src_len, *p_hash);
}

sgx_status_t sgx_sha1_init(sgx_sha_state_handle_t* handle) { return digest_begin(EVP_sha1(), handle); }
sgx_status_t sgx_sha256_init(sgx_sha_state_handle_t* handle) { return digest_begin(EVP_sha256(), handle); }
sgx_status_t sgx_sha384_init(sgx_sha_state_handle_t* handle) { return digest_begin(EVP_sha384(), handle); }
sgx_status_t sgx_sha1_update(const uint8_t* p_src, size_t src_len, sgx_sha_state_handle_t handle) {
  return digest_update(handle, p_src, src_len);
}
sgx_status_t sgx_sha256_update(const uint8_t* p_src, uint32_t src_len, sgx_sha_state_handle_t handle) {
  return digest_update(handle, p_src, src_len);
}
sgx_status_t sgx_sha384_update(const uint8_t* p_src, uint32_t src_len, sgx_sha_state_handle_t handle) {
  return digest_update(handle, p_src, src_len);
}
sgx_status_t sgx_sha1_get_hash(sgx_sha_state_handle_t handle, sgx_sha1_hash_t* p_hash) {
  return digest_value(handle, p_hash == nullptr ? nullptr : *p_hash);
}
sgx_status_t sgx_sha256_get_hash(sgx_sha_state_handle_t handle, sgx_sha256_hash_t* p_hash) {
  return digest_value(handle, p_hash == nullptr ? nullptr : *p_hash);
}
sgx_status_t sgx_sha384_get_hash(sgx_sha_state_handle_t handle, sgx_sha384_hash_t* p_hash) {
  return digest_value(handle, p_hash == nullptr ? nullptr : *p_hash);
}
sgx_status_t sgx_sha1_close(sgx_sha_state_handle_t handle) { return digest_close(handle); }
sgx_status_t sgx_sha256_close(sgx_sha_state_handle_t handle) { return digest_close(handle); }
sgx_status_t sgx_sha384_close(sgx_sha_state_handle_t handle) { return digest_close(handle); }

sgx_status_t sgx_cmac128_init(const sgx_cmac_128bit_key_t* p_key, sgx_cmac_state_handle_t* handle) {
  if (p_key == nullptr || handle == nullptr) return SGX_ERROR_INVALID_PARAMETER;
  MacContext context = cmac_begin(p_key);
  if (context == nullptr) return SGX_ERROR_UNEXPECTED;
  *handle = context.release();
  return SGX_SUCCESS;
}
sgx_status_t sgx_cmac128_update(const uint8_t* p_src, uint32_t src_len, sgx_cmac_state_handle_t handle) {
  if (handle == nullptr || p_src == nullptr || src_len == 0) return SGX_ERROR_INVALID_PARAMETER;
  return mac_update(handle, p_src, src_len);
}
sgx_status_t sgx_cmac128_final(sgx_cmac_state_handle_t handle, sgx_cmac_128bit_tag_t* p_hash) {
  if (handle == nullptr || p_hash == nullptr) return SGX_ERROR_INVALID_PARAMETER;
  return mac_final(handle, *p_hash, sizeof(*p_hash), sizeof(*p_hash));
}
sgx_status_t sgx_cmac128_close(sgx_cmac_state_handle_t handle) { return mac_close(handle); }

sgx_status_t sgx_rijndael128_cmac_msg(const sgx_cmac_128bit_key_t* p_key, const uint8_t* p_src, uint32_t src_len,
                                      sgx_cmac_128bit_tag_t* p_mac) {
  if (p_key == nullptr || p_mac == nullptr || !readable(p_src, src_len)) return SGX_ERROR_INVALID_PARAMETER;
  const MacContext context = cmac_begin(p_key);
  if (context == nullptr || mac_update(context.get(), p_src, src_len) != SGX_SUCCESS) return SGX_ERROR_UNEXPECTED;
  return mac_final(context.get(), *p_mac, sizeof(*p_mac), sizeof(*p_mac));
}

sgx_status_t sgx_hmac256_init(const unsigned char* p_key, int key_len, sgx_hmac_state_handle_t* handle) {
  if (p_key == nullptr || key_len <= 0 || handle == nullptr) return SGX_ERROR_INVALID_PARAMETER;
  MacContext context = hmac_begin(p_key, static_cast<std::size_t>(key_len));
  if (context == nullptr) return SGX_ERROR_UNEXPECTED;
  *handle = context.release();
  return SGX_SUCCESS;
}
sgx_status_t sgx_hmac256_update(const uint8_t* p_src, int src_len, sgx_hmac_state_handle_t handle) {
  if (p_src == nullptr || src_len <= 0 || handle == nullptr) return SGX_ERROR_INVALID_PARAMETER;
  return mac_update(handle, p_src, static_cast<std::size_t>(src_len));
}
sgx_status_t sgx_hmac256_final(unsigned char* p_hash, int hash_len, sgx_hmac_state_handle_t handle) {
  if (p_hash == nullptr || hash_len <= 0 || hash_len > SGX_HMAC256_MAC_SIZE || handle == nullptr) {
    return SGX_ERROR_INVALID_PARAMETER;
  }
  return mac_final(handle, p_hash, static_cast<std::size_t>(hash_len), SGX_HMAC256_MAC_SIZE);
}
sgx_status_t sgx_hmac256_close(sgx_hmac_state_handle_t handle) { return mac_close(handle); }

sgx_status_t sgx_hmac_sha256_msg(const unsigned char* p_src, int src_len, const unsigned char* p_key, int key_len,
                                 unsigned char* p_mac, int mac_len) {
  if (p_src == nullptr || p_key == nullptr || p_mac == nullptr || src_len <= 0 || key_len <= 0 || mac_len <= 0 ||
      mac_len > SGX_HMAC256_MAC_SIZE) {
    return SGX_ERROR_INVALID_PARAMETER;
  }
  const MacContext context = hmac_begin(p_key, static_cast<std::size_t>(key_len));
  if (context == nullptr || mac_update(context.get(), p_src, static_cast<std::size_t>(src_len)) != SGX_SUCCESS) {
    return SGX_ERROR_UNEXPECTED;
  }
  return mac_final(context.get(), p_mac, static_cast<std::size_t>(mac_len), SGX_HMAC256_MAC_SIZE);
}

}  // extern "C"
