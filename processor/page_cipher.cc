#include "processor/page_cipher.h"

#include <openssl/evp.h>
#include <sys/random.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include "base/secret.h"
#include "processor/secret_heap.h"

namespace coffer::processor {

namespace {

using Nonce = std::array<unsigned char, 12>;

Nonce nonce_of(std::uint64_t version) {
  Nonce nonce{};
  std::memcpy(nonce.data(), &version, sizeof(version));
  return nonce;
}

const unsigned char* in(const void* bytes) { return static_cast<const unsigned char*>(bytes); }
unsigned char* out(void* bytes) { return static_cast<unsigned char*>(bytes); }

bool add_identity(EVP_CIPHER_CTX* context, const PageIdentity& identity) {
  int size = 0;
  return EVP_CipherUpdate(context, nullptr, &size, in(&identity), sizeof(identity)) == 1;
}

Error library_failed() { return {ErrorKind::kSystem, "AES-GCM, which paging needs, is not to be had from OpenSSL"}; }

}  // namespace

static_assert(sizeof(PageIdentity) == 80, "what is authenticated has no padding");

void PageCipher::FreeContext::operator()(evp_cipher_ctx_st* context) const { EVP_CIPHER_CTX_free(context); }

Result<std::unique_ptr<PageCipher>> PageCipher::make() {
  const std::unique_ptr<EVP_CIPHER, decltype(&EVP_CIPHER_free)> cipher(
      EVP_CIPHER_fetch(nullptr, "AES-256-GCM", nullptr), EVP_CIPHER_free);
  if (!cipher) return std::unexpected(library_failed());
  // The contexts hold the expanded key.
  const SecretScope secret;
  Key256 key;
  if (::getrandom(key.bytes().data(), key.bytes().size(), 0) != static_cast<ssize_t>(key.bytes().size())) {
    return system_error("no random numbers for the paging key", errno);
  }
  Context encrypting(EVP_CIPHER_CTX_new());
  Context decrypting(EVP_CIPHER_CTX_new());
  if (!encrypting || !decrypting ||
      EVP_EncryptInit_ex2(encrypting.get(), cipher.get(), in(key.bytes().data()), nullptr, nullptr) != 1 ||
      EVP_DecryptInit_ex2(decrypting.get(), cipher.get(), in(key.bytes().data()), nullptr, nullptr) != 1) {
    return std::unexpected(library_failed());
  }
  return std::unique_ptr<PageCipher>(new PageCipher(std::move(encrypting), std::move(decrypting)));
}

bool PageCipher::encrypt(const PageIdentity& identity, std::uint64_t version,
                         std::span<const std::byte, sgx::kPageSize> page, std::span<std::byte, sgx::kPageSize> sealed,
                         sgx::Bytes<16>& mac) {
  EVP_CIPHER_CTX* context = encrypting_.get();
  const Nonce nonce = nonce_of(version);
  int size = 0;
  return EVP_EncryptInit_ex2(context, nullptr, nullptr, nonce.data(), nullptr) == 1 &&
         add_identity(context, identity) &&
         EVP_EncryptUpdate(context, out(sealed.data()), &size, in(page.data()), static_cast<int>(page.size())) == 1 &&
         EVP_EncryptFinal_ex(context, out(sealed.data()) + size, &size) == 1 &&
         EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_GCM_GET_TAG, static_cast<int>(mac.size()), mac.data()) == 1;
}

bool PageCipher::decrypt(const PageIdentity& identity, std::uint64_t version,
                         std::span<const std::byte, sgx::kPageSize> sealed, const sgx::Bytes<16>& mac,
                         std::span<std::byte, sgx::kPageSize> page) {
  EVP_CIPHER_CTX* context = decrypting_.get();
  const Nonce nonce = nonce_of(version);
  sgx::Bytes<16> tag = mac;
  int size = 0;
  // OpenSSL compares the tag in constant time. What it decrypted before it could know is taken back.
  const bool good =
      EVP_DecryptInit_ex2(context, nullptr, nullptr, nonce.data(), nullptr) == 1 && add_identity(context, identity) &&
      EVP_DecryptUpdate(context, out(page.data()), &size, in(sealed.data()), static_cast<int>(sealed.size())) == 1 &&
      EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_GCM_SET_TAG, static_cast<int>(tag.size()), tag.data()) == 1 &&
      EVP_DecryptFinal_ex(context, out(page.data()) + size, &size) == 1;
  if (!good) std::ranges::fill(page, std::byte{0});
  return good;
}

}  // namespace coffer::processor
