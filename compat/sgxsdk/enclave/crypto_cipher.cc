// AES of <sgx_tcrypto.h>: GCM and counter mode.
#include <cstring>

#include "base/secret.h"
#include "compat/sgxsdk/enclave/openssl_parts.h"

namespace coffer::sgxsdk {
namespace {

constexpr int kSeal = 1, kOpen = 0;
constexpr std::size_t kBlock = 16;

struct Text {
  const std::uint8_t* from;
  std::uint32_t size;
  std::uint8_t* to;
};
struct Nonce {
  const std::uint8_t* bytes;
  std::uint32_t size;
};
struct Along {
  const std::uint8_t* bytes;
  std::uint32_t size;
};

const EVP_CIPHER* gcm_of(std::uint32_t key_size) {
  if (key_size == SGX_AESGCM_KEY_SIZE) return EVP_aes_128_gcm();
  return key_size == SGX_AESGCM_KEY256_SIZE ? EVP_aes_256_gcm() : nullptr;
}

bool sensible(const Text& text, const Nonce& nonce, const Along& along) {
  const bool out = text.size == 0 || text.to != nullptr;
  return readable(text.from, text.size) && out && readable(along.bytes, along.size) && nonce.bytes != nullptr &&
         nonce.size == SGX_AESGCM_IV_SIZE && (text.size != 0 || along.size != 0);
}

CipherContext gcm_begin(const EVP_CIPHER* cipher, const std::uint8_t* key, const Nonce& nonce, const Along& along,
                        int direction) {
  CipherContext context(EVP_CIPHER_CTX_new());
  int size = 0;
  bool good = context != nullptr && EVP_CipherInit_ex(context.get(), cipher, nullptr, key, nonce.bytes, direction) == 1;
  if (good && along.size != 0) {
    good = EVP_CipherUpdate(context.get(), nullptr, &size, along.bytes, static_cast<int>(along.size)) == 1;
  }
  if (!good) context.reset();
  return context;
}

bool gcm_text(EVP_CIPHER_CTX* context, const Text& text) {
  int size = 0;
  return text.size == 0 || EVP_CipherUpdate(context, text.to, &size, text.from, static_cast<int>(text.size)) == 1;
}

bool gcm_tag(EVP_CIPHER_CTX* context, std::uint8_t* tag) {
  int size = 0;
  unsigned char none[kBlock];
  return EVP_CipherFinal_ex(context, none, &size) == 1 &&
         EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_GCM_GET_TAG, SGX_AESGCM_MAC_SIZE, tag) == 1;
}

sgx_status_t gcm_seal(const std::uint8_t* key, std::uint32_t key_size, const Text& text, const Nonce& nonce,
                      const Along& along, std::uint8_t* tag) {
  const EVP_CIPHER* cipher = gcm_of(key_size);
  if (key == nullptr || cipher == nullptr || tag == nullptr || !sensible(text, nonce, along)) {
    return SGX_ERROR_INVALID_PARAMETER;
  }
  const CipherContext context = gcm_begin(cipher, key, nonce, along, kSeal);
  return done(context != nullptr && gcm_text(context.get(), text) && gcm_tag(context.get(), tag));
}

sgx_status_t gcm_open(const std::uint8_t* key, std::uint32_t key_size, const Text& text, const Nonce& nonce,
                      const Along& along, const std::uint8_t* tag) {
  const EVP_CIPHER* cipher = gcm_of(key_size);
  if (key == nullptr || cipher == nullptr || tag == nullptr || !sensible(text, nonce, along)) {
    return SGX_ERROR_INVALID_PARAMETER;
  }
  // One copy of the tag: it may stand where others can write.
  std::uint8_t expected[SGX_AESGCM_MAC_SIZE];
  std::memcpy(expected, tag, sizeof(expected));
  const CipherContext context = gcm_begin(cipher, key, nonce, along, kOpen);
  int size = 0;
  unsigned char none[kBlock];
  const bool started = context != nullptr && gcm_text(context.get(), text) &&
                       EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_GCM_SET_TAG, sizeof(expected), expected) == 1;
  if (started && EVP_CipherFinal_ex(context.get(), none, &size) == 1) return SGX_SUCCESS;
  if (text.size != 0) wipe(text.to, text.size);
  return started ? SGX_ERROR_MAC_MISMATCH : SGX_ERROR_UNEXPECTED;
}

void add_blocks(std::uint8_t* counter, std::uint64_t blocks) {
  for (std::size_t i = kBlock; i-- > 0 && blocks != 0;) {
    blocks += counter[i];
    counter[i] = static_cast<std::uint8_t>(blocks);
    blocks >>= 8;
  }
}

sgx_status_t counter_mode(const sgx_aes_ctr_128bit_key_t* key, const Text& text, std::uint8_t* counter,
                          std::uint32_t bits) {
  constexpr std::uint32_t kWholeCounter = 128;
  if (key == nullptr || text.from == nullptr || text.to == nullptr || counter == nullptr || !countable(text.size) ||
      bits != kWholeCounter) {
    return SGX_ERROR_INVALID_PARAMETER;
  }
  const CipherContext context(EVP_CIPHER_CTX_new());
  if (context == nullptr) return SGX_ERROR_OUT_OF_MEMORY;
  int size = 0;
  const bool good = EVP_CipherInit_ex(context.get(), EVP_aes_128_ctr(), nullptr, *key, counter, kSeal) == 1 &&
                    EVP_CipherUpdate(context.get(), text.to, &size, text.from, static_cast<int>(text.size)) == 1;
  if (good) add_blocks(counter, (text.size + std::uint64_t{kBlock} - 1) / kBlock);
  return done(good);
}

}  // namespace
}  // namespace coffer::sgxsdk

using namespace coffer::sgxsdk;

extern "C" {

sgx_status_t sgx_rijndael128GCM_encrypt(const sgx_aes_gcm_128bit_key_t* p_key, const uint8_t* p_src, uint32_t src_len,
                                        uint8_t* p_dst, const uint8_t* p_iv, uint32_t iv_len, const uint8_t* p_aad,
                                        uint32_t aad_len, sgx_aes_gcm_128bit_tag_t* p_out_mac) {
  return gcm_seal(p_key == nullptr ? nullptr : *p_key, sizeof(*p_key), {p_src, src_len, p_dst}, {p_iv, iv_len},
                  {p_aad, aad_len}, p_out_mac == nullptr ? nullptr : *p_out_mac);
}
sgx_status_t sgx_rijndael128GCM_decrypt(const sgx_aes_gcm_128bit_key_t* p_key, const uint8_t* p_src, uint32_t src_len,
                                        uint8_t* p_dst, const uint8_t* p_iv, uint32_t iv_len, const uint8_t* p_aad,
                                        uint32_t aad_len, const sgx_aes_gcm_128bit_tag_t* p_in_mac) {
  return gcm_open(p_key == nullptr ? nullptr : *p_key, sizeof(*p_key), {p_src, src_len, p_dst}, {p_iv, iv_len},
                  {p_aad, aad_len}, p_in_mac == nullptr ? nullptr : *p_in_mac);
}
sgx_status_t sgx_aes_gcm_encrypt(const uint8_t* p_key, uint32_t key_len, const uint8_t* p_src, uint32_t src_len,
                                 uint8_t* p_dst, uint8_t* p_iv, uint32_t iv_len, const uint8_t* p_aad, uint32_t aad_len,
                                 sgx_aes_gcm_128bit_tag_t* p_out_mac) {
  return gcm_seal(p_key, key_len, {p_src, src_len, p_dst}, {p_iv, iv_len}, {p_aad, aad_len},
                  p_out_mac == nullptr ? nullptr : *p_out_mac);
}
sgx_status_t sgx_aes_gcm_decrypt(const uint8_t* p_key, uint32_t key_len, const uint8_t* p_src, uint32_t src_len,
                                 uint8_t* p_dst, const uint8_t* p_iv, uint32_t iv_len, const uint8_t* p_aad,
                                 uint32_t aad_len, const sgx_aes_gcm_128bit_tag_t* p_in_mac) {
  return gcm_open(p_key, key_len, {p_src, src_len, p_dst}, {p_iv, iv_len}, {p_aad, aad_len},
                  p_in_mac == nullptr ? nullptr : *p_in_mac);
}

sgx_status_t sgx_aes_gcm128_enc_init(const uint8_t* p_key, const uint8_t* p_iv, uint32_t iv_len, const uint8_t* p_aad,
                                     uint32_t aad_len, sgx_aes_state_handle_t* state) {
  if (p_key == nullptr || p_iv == nullptr || iv_len != SGX_AESGCM_IV_SIZE || !readable(p_aad, aad_len) ||
      state == nullptr) {
    return SGX_ERROR_INVALID_PARAMETER;
  }
  CipherContext context = gcm_begin(EVP_aes_128_gcm(), p_key, {p_iv, iv_len}, {p_aad, aad_len}, kSeal);
  if (context == nullptr) return SGX_ERROR_UNEXPECTED;
  *state = context.release();
  return SGX_SUCCESS;
}
sgx_status_t sgx_aes_gcm128_enc_update(uint8_t* p_src, uint32_t src_len, uint8_t* p_dst, sgx_aes_state_handle_t state) {
  if (p_src == nullptr || src_len == 0 || !countable(src_len) || p_dst == nullptr || state == nullptr) {
    return SGX_ERROR_INVALID_PARAMETER;
  }
  return done(gcm_text(static_cast<EVP_CIPHER_CTX*>(state), {p_src, src_len, p_dst}));
}
sgx_status_t sgx_aes_gcm128_enc_get_mac(uint8_t* mac, sgx_aes_state_handle_t state) {
  if (mac == nullptr || state == nullptr) return SGX_ERROR_INVALID_PARAMETER;
  return done(gcm_tag(static_cast<EVP_CIPHER_CTX*>(state), mac));
}
sgx_status_t sgx_aes_gcm_close(sgx_aes_state_handle_t state) {
  if (state == nullptr) return SGX_ERROR_INVALID_PARAMETER;
  EVP_CIPHER_CTX_free(static_cast<EVP_CIPHER_CTX*>(state));
  return SGX_SUCCESS;
}

sgx_status_t sgx_aes_ctr_encrypt(const sgx_aes_ctr_128bit_key_t* p_key, const uint8_t* p_src, const uint32_t src_len,
                                 uint8_t* p_ctr, const uint32_t ctr_inc_bits, uint8_t* p_dst) {
  return counter_mode(p_key, {p_src, src_len, p_dst}, p_ctr, ctr_inc_bits);
}
sgx_status_t sgx_aes_ctr_decrypt(const sgx_aes_ctr_128bit_key_t* p_key, const uint8_t* p_src, const uint32_t src_len,
                                 uint8_t* p_ctr, const uint32_t ctr_inc_bits, uint8_t* p_dst) {
  return counter_mode(p_key, {p_src, src_len, p_dst}, p_ctr, ctr_inc_bits);
}

}  // extern "C"
