#include <coffer/sealing.h>
#include <openssl/evp.h>

#include <array>
#include <memory>
#include <stdexcept>

#include "bench/inside/clock.h"
#include "bench/inside/workloads.h"

namespace coffer::bench {

namespace {

constexpr std::size_t kSecretSize = 1024;
using Secret = std::array<std::byte, kSecretSize>;
using CipherContext = std::unique_ptr<EVP_CIPHER_CTX, decltype(&EVP_CIPHER_CTX_free)>;

void require(bool good, const char* what) {
  if (!good) throw std::runtime_error(what);
}

const unsigned char* in(const Secret& secret) { return reinterpret_cast<const unsigned char*>(secret.data()); }

// AES-256-GCM of the secret, there and back.
bool there_and_back(const std::array<unsigned char, 32>& key, const Secret& secret) {
  constexpr unsigned char kNonce[12] = {};
  std::array<unsigned char, kSecretSize> sealed;
  std::array<unsigned char, kSecretSize> opened;
  std::array<unsigned char, 16> tag;
  int size = 0;
  const CipherContext seal(EVP_CIPHER_CTX_new(), EVP_CIPHER_CTX_free);
  const CipherContext open(EVP_CIPHER_CTX_new(), EVP_CIPHER_CTX_free);
  return EVP_EncryptInit_ex(seal.get(), EVP_aes_256_gcm(), nullptr, key.data(), kNonce) == 1 &&
         EVP_EncryptUpdate(seal.get(), sealed.data(), &size, in(secret), kSecretSize) == 1 &&
         EVP_EncryptFinal_ex(seal.get(), sealed.data() + size, &size) == 1 &&
         EVP_CIPHER_CTX_ctrl(seal.get(), EVP_CTRL_GCM_GET_TAG, tag.size(), tag.data()) == 1 &&
         EVP_DecryptInit_ex(open.get(), EVP_aes_256_gcm(), nullptr, key.data(), kNonce) == 1 &&
         EVP_DecryptUpdate(open.get(), opened.data(), &size, sealed.data(), kSecretSize) == 1 &&
         EVP_CIPHER_CTX_ctrl(open.get(), EVP_CTRL_GCM_SET_TAG, tag.size(), tag.data()) == 1 &&
         EVP_DecryptFinal_ex(open.get(), opened.data() + size, &size) == 1;
}

}  // namespace

Ticks gcm_and_egetkey(std::uint64_t count) {
  const Secret secret{};
  std::array<std::byte, 32> id{};
  bool good = true;
  const Ticks start = ticks_now();
  for (std::uint64_t i = 0; i < count; ++i) {
    id[0] = static_cast<std::byte>(i);
    const auto key = seal_key(SealPolicy::kMrSigner, id);
    std::array<unsigned char, 32> wide{};
    if (key) std::copy(key->begin(), key->end(), reinterpret_cast<std::byte*>(wide.data()));
    good &= key.has_value() && there_and_back(wide, secret);
  }
  const Ticks end = ticks_now();
  require(good, "AES-GCM or EGETKEY failed");
  return end - start;
}

Ticks seal_with_sealer(std::uint64_t count) {
  const Secret secret{};
  bool good = true;
  const Ticks start = ticks_now();
  for (std::uint64_t i = 0; i < count; ++i) {
    const auto sealer = Sealer::create({.policy = SealPolicy::kMrSigner});
    const auto blob = sealer ? sealer->seal(secret) : sealer.error();
    good &= blob && sealer->unseal(*blob);
  }
  const Ticks end = ticks_now();
  require(good, "sealing failed");
  return end - start;
}

Ticks seal_by_functions(std::uint64_t count) {
  const Secret secret{};
  bool good = true;
  const Ticks start = ticks_now();
  for (std::uint64_t i = 0; i < count; ++i) {
    const auto blob = seal(secret, {.policy = SealPolicy::kMrSigner});
    good &= blob && unseal(*blob);
  }
  const Ticks end = ticks_now();
  require(good, "sealing failed");
  return end - start;
}

}  // namespace coffer::bench
