#include <openssl/evp.h>

#include <array>
#include <cstddef>
#include <memory>
#include <random>
#include <stdexcept>
#include <vector>

#include "bench/inside/clock.h"
#include "bench/inside/workloads.h"

namespace coffer::bench {

namespace {

using Page = std::array<std::uint64_t, 512>;

// Touched once, kept, and never smaller.
std::vector<Page>& memory(std::uint64_t pages) {
  static std::vector<Page> kept;
  if (kept.size() < pages) {
    kept.resize(pages);
    for (std::size_t i = 0; i < kept.size(); ++i) kept[i][i % 512] = i;
  }
  return kept;
}

using Context = std::unique_ptr<EVP_CIPHER_CTX, decltype(&EVP_CIPHER_CTX_free)>;

void require(bool good) {
  if (!good) throw std::runtime_error("AES-GCM failed");
}

}  // namespace

Ticks walk_pages(std::uint64_t count) {
  auto& pages = memory(count);
  bool good = true;
  const Ticks start = ticks_now();
  for (std::size_t i = 0; i < count; ++i) {
    good &= pages[i][i % 512] == i;
    pages[i][(i + 1) % 512] = i;
  }
  const Ticks end = ticks_now();
  if (!good) throw std::runtime_error("a page holds what was not written");
  return end - start;
}

Ticks jump_in_pages(std::uint64_t count) {
  auto& pages = memory(1);
  std::mt19937_64 random(count);
  bool good = true;
  const Ticks start = ticks_now();
  for (std::uint64_t n = 0; n < count; ++n) {
    const std::size_t i = random() % pages.size();
    good &= pages[i][i % 512] == i;
  }
  const Ticks end = ticks_now();
  if (!good) throw std::runtime_error("a page holds what was not written");
  return end - start;
}

Ticks seal_pages(std::uint64_t count) {
  constexpr std::array<unsigned char, 32> kKey = {1, 2, 3};
  static std::vector<std::array<unsigned char, 4096>> plain(count);
  static std::vector<std::array<unsigned char, 4096>> sealed(count);
  std::array<unsigned char, 12> nonce{};
  std::array<unsigned char, 16> tag{};
  const Context encrypt(EVP_CIPHER_CTX_new(), EVP_CIPHER_CTX_free);
  const Context decrypt(EVP_CIPHER_CTX_new(), EVP_CIPHER_CTX_free);
  require(plain.size() == count &&
          EVP_EncryptInit_ex(encrypt.get(), EVP_aes_256_gcm(), nullptr, kKey.data(), nullptr) == 1 &&
          EVP_DecryptInit_ex(decrypt.get(), EVP_aes_256_gcm(), nullptr, kKey.data(), nullptr) == 1);
  bool good = true;
  int size = 0;
  const Ticks start = ticks_now();
  for (std::size_t i = 0; i < count; ++i) {
    nonce[i % nonce.size()]++;
    good &= EVP_EncryptInit_ex(encrypt.get(), nullptr, nullptr, nullptr, nonce.data()) == 1 &&
            EVP_EncryptUpdate(encrypt.get(), sealed[i].data(), &size, plain[i].data(), 4096) == 1 &&
            EVP_EncryptFinal_ex(encrypt.get(), sealed[i].data(), &size) == 1 &&
            EVP_CIPHER_CTX_ctrl(encrypt.get(), EVP_CTRL_GCM_GET_TAG, 16, tag.data()) == 1 &&
            EVP_DecryptInit_ex(decrypt.get(), nullptr, nullptr, nullptr, nonce.data()) == 1 &&
            EVP_DecryptUpdate(decrypt.get(), plain[i].data(), &size, sealed[i].data(), 4096) == 1 &&
            EVP_CIPHER_CTX_ctrl(decrypt.get(), EVP_CTRL_GCM_SET_TAG, 16, tag.data()) == 1 &&
            EVP_DecryptFinal_ex(decrypt.get(), plain[i].data(), &size) == 1;
  }
  const Ticks end = ticks_now();
  require(good);
  return end - start;
}

}  // namespace coffer::bench
