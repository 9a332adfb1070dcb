// The kernel's cryptography (enclave/kernel/support/crypto.h) for hosted unit tests, over OpenSSL's EVP interface.
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/kdf.h>
#include <openssl/rand.h>
#include <openssl/sha.h>

#include <cstdlib>
#include <cstring>
#include <new>

#include "base/secret.h"
#include "enclave/kernel/support/crypto.h"

namespace coffer::kernel {

namespace {

struct GcmState {
  EVP_CIPHER_CTX* sealing;
  EVP_CIPHER_CTX* opening;
};

void require(bool condition) {
  if (!condition) std::abort();
}

int size_of(std::span<const std::byte> bytes) { return static_cast<int>(bytes.size()); }
const unsigned char* data_of(std::span<const std::byte> bytes) {
  return reinterpret_cast<const unsigned char*>(bytes.data());
}
unsigned char* data_of(std::span<std::byte> bytes) { return reinterpret_cast<unsigned char*>(bytes.data()); }

}  // namespace

CryptoBatch::CryptoBatch() = default;
CryptoBatch::~CryptoBatch() {}  // not defaulted: the kernel's does something

AesGcm256::AesGcm256(std::span<const std::byte, 32> key) {
  static_assert(sizeof(GcmState) <= sizeof(state_));
  auto* state = new (state_) GcmState{EVP_CIPHER_CTX_new(), EVP_CIPHER_CTX_new()};
  require(EVP_EncryptInit_ex(state->sealing, EVP_aes_256_gcm(), nullptr, data_of(key), nullptr) == 1);
  require(EVP_DecryptInit_ex(state->opening, EVP_aes_256_gcm(), nullptr, data_of(key), nullptr) == 1);
}

AesGcm256::~AesGcm256() {
  auto* state = std::launder(reinterpret_cast<GcmState*>(state_));
  EVP_CIPHER_CTX_free(state->sealing);
  EVP_CIPHER_CTX_free(state->opening);
}

void AesGcm256::seal(std::span<const std::byte, kAesGcmNonceSize> nonce, std::span<const std::byte> aad,
                     std::span<const std::byte> plaintext, std::span<std::byte> ciphertext,
                     std::span<std::byte, kAesGcmTagSize> tag) {
  EVP_CIPHER_CTX* context = std::launder(reinterpret_cast<GcmState*>(state_))->sealing;
  int length = 0;
  require(ciphertext.size() == plaintext.size());
  require(EVP_EncryptInit_ex(context, nullptr, nullptr, nullptr, data_of(nonce)) == 1);
  require(EVP_EncryptUpdate(context, nullptr, &length, data_of(aad), size_of(aad)) == 1);
  require(EVP_EncryptUpdate(context, data_of(ciphertext), &length, data_of(plaintext), size_of(plaintext)) == 1);
  unsigned char rest[16];
  require(EVP_EncryptFinal_ex(context, rest, &length) == 1);
  require(EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_GCM_GET_TAG, kAesGcmTagSize, tag.data()) == 1);
}

void AesGcm256::seal(const CryptoBatch& /*batch*/, std::span<const std::byte, kAesGcmNonceSize> nonce,
                     std::span<const std::byte> aad, std::span<const std::byte> plaintext,
                     std::span<std::byte> ciphertext, std::span<std::byte, kAesGcmTagSize> tag) {
  seal(nonce, aad, plaintext, ciphertext, tag);
}

bool AesGcm256::open(const CryptoBatch& /*batch*/, std::span<const std::byte, kAesGcmNonceSize> nonce,
                     std::span<const std::byte> aad, std::span<const std::byte> ciphertext,
                     std::span<std::byte> plaintext, std::span<const std::byte, kAesGcmTagSize> tag) {
  return open(nonce, aad, ciphertext, plaintext, tag);
}

bool AesGcm256::open(std::span<const std::byte, kAesGcmNonceSize> nonce, std::span<const std::byte> aad,
                     std::span<const std::byte> ciphertext, std::span<std::byte> plaintext,
                     std::span<const std::byte, kAesGcmTagSize> tag) {
  EVP_CIPHER_CTX* context = std::launder(reinterpret_cast<GcmState*>(state_))->opening;
  int length = 0;
  std::byte expected[kAesGcmTagSize];
  std::memcpy(expected, tag.data(), sizeof(expected));
  require(ciphertext.size() == plaintext.size());
  require(EVP_DecryptInit_ex(context, nullptr, nullptr, nullptr, data_of(nonce)) == 1);
  require(EVP_DecryptUpdate(context, nullptr, &length, data_of(aad), size_of(aad)) == 1);
  require(EVP_DecryptUpdate(context, data_of(plaintext), &length, data_of(ciphertext), size_of(ciphertext)) == 1);
  require(EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_GCM_SET_TAG, kAesGcmTagSize, expected) == 1);
  unsigned char rest[16];
  if (EVP_DecryptFinal_ex(context, rest, &length) == 1) return true;
  wipe(plaintext.data(), plaintext.size());
  return false;
}

namespace {
EVP_MD_CTX*& digest_context(std::byte* state) { return *std::launder(reinterpret_cast<EVP_MD_CTX**>(state)); }
}  // namespace

Sha256::Sha256() {
  auto** context = new (state_) EVP_MD_CTX*(EVP_MD_CTX_new());
  require(*context != nullptr && EVP_DigestInit_ex(*context, EVP_sha256(), nullptr) == 1);
}
Sha256::~Sha256() { EVP_MD_CTX_free(digest_context(state_)); }
void Sha256::update(std::span<const std::byte> data) {
  require(EVP_DigestUpdate(digest_context(state_), data.data(), data.size()) == 1);
}
void Sha256::finish(std::span<std::byte, kSha256Size> digest) {
  require(EVP_DigestFinal_ex(digest_context(state_), data_of(std::span<std::byte>(digest)), nullptr) == 1);
}

void sha256(std::span<const std::byte> data, std::span<std::byte, kSha256Size> digest) {
  SHA256(data_of(data), data.size(), reinterpret_cast<unsigned char*>(digest.data()));
}

void hmac_sha256(std::span<const std::byte> key, std::span<const std::byte> data,
                 std::span<std::byte, kSha256Size> mac) {
  unsigned size = 0;
  require(HMAC(EVP_sha256(), key.data(), size_of(key), data_of(data), data.size(),
               reinterpret_cast<unsigned char*>(mac.data()), &size) != nullptr);
}

void hkdf_sha256(std::span<const std::byte> key, std::span<const std::byte> salt, std::span<const std::byte> info,
                 std::span<std::byte> output) {
  EVP_PKEY_CTX* context = EVP_PKEY_CTX_new_id(EVP_PKEY_HKDF, nullptr);
  std::size_t size = output.size();
  require(EVP_PKEY_derive_init(context) == 1 && EVP_PKEY_CTX_set_hkdf_md(context, EVP_sha256()) == 1 &&
          EVP_PKEY_CTX_set1_hkdf_salt(context, data_of(salt), size_of(salt)) == 1 &&
          EVP_PKEY_CTX_set1_hkdf_key(context, data_of(key), size_of(key)) == 1 &&
          EVP_PKEY_CTX_add1_hkdf_info(context, data_of(info), size_of(info)) == 1 &&
          EVP_PKEY_derive(context, data_of(output), &size) == 1);
  EVP_PKEY_CTX_free(context);
}

void random_bytes(std::span<std::byte> output) { require(RAND_bytes(data_of(output), size_of(output)) == 1); }

}  // namespace coffer::kernel
