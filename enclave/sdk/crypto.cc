#include "enclave/sdk/crypto.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <algorithm>
#include <array>
#include <memory>
#include <vector>

#include "base/secret.h"

namespace coffer::sdk {
namespace {

using CipherContext = std::unique_ptr<EVP_CIPHER_CTX, decltype(&EVP_CIPHER_CTX_free)>;
using DigestContext = std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)>;

constexpr std::size_t kMostAtOnce = std::size_t{1} << 30;  // OpenSSL counts in int

const unsigned char* in(Bytes bytes) { return reinterpret_cast<const unsigned char*>(bytes.data()); }
unsigned char* out(std::span<std::byte> bytes) { return reinterpret_cast<unsigned char*>(bytes.data()); }

enum class Direction : int { kOpen = 0, kSeal = 1 };

bool pass_associated(EVP_CIPHER_CTX* context, Pieces associated) {
  int size = 0;
  for (Bytes piece : associated) {
    while (!piece.empty()) {
      const Bytes now = piece.first(std::min(piece.size(), kMostAtOnce));
      if (EVP_CipherUpdate(context, nullptr, &size, in(now), static_cast<int>(now.size())) != 1) return false;
      piece = piece.subspan(now.size());
    }
  }
  return true;
}

bool pass_text(EVP_CIPHER_CTX* context, Bytes from, std::span<std::byte> to) {
  int size = 0;
  while (!from.empty()) {
    const Bytes now = from.first(std::min(from.size(), kMostAtOnce));
    if (EVP_CipherUpdate(context, out(to), &size, in(now), static_cast<int>(now.size())) != 1) return false;
    from = from.subspan(now.size());
    to = to.subspan(now.size());
  }
  return true;
}

CipherContext start(std::span<const std::byte, 32> key, std::span<const std::byte, kGcmNonce> nonce, Direction way) {
  CipherContext context(EVP_CIPHER_CTX_new(), EVP_CIPHER_CTX_free);
  if (context != nullptr &&
      EVP_CipherInit_ex(context.get(), EVP_aes_256_gcm(), nullptr, in(key), in(nonce), static_cast<int>(way)) != 1) {
    context.reset();
  }
  return context;
}

}  // namespace

bool gcm_seal(std::span<const std::byte, 32> key, std::span<const std::byte, kGcmNonce> nonce, Pieces associated,
              Bytes plaintext, std::span<std::byte> ciphertext, std::span<std::byte, kGcmTag> tag) {
  const CipherContext context = start(key, nonce, Direction::kSeal);
  std::array<unsigned char, 16> nothing{};
  int size = 0;
  return ciphertext.size() == plaintext.size() && context != nullptr && pass_associated(context.get(), associated) &&
         pass_text(context.get(), plaintext, ciphertext) &&
         EVP_CipherFinal_ex(context.get(), nothing.data(), &size) == 1 &&
         EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_GCM_GET_TAG, kGcmTag, tag.data()) == 1;
}

bool gcm_open(std::span<const std::byte, 32> key, std::span<const std::byte, kGcmNonce> nonce, Pieces associated,
              Bytes ciphertext, std::span<std::byte> plaintext, std::span<const std::byte, kGcmTag> tag) {
  const CipherContext context = start(key, nonce, Direction::kOpen);
  std::array<std::byte, kGcmTag> expected{};
  std::ranges::copy(tag, expected.begin());
  std::array<unsigned char, 16> nothing{};
  int size = 0;
  const bool opened = ciphertext.size() == plaintext.size() && context != nullptr &&
                      pass_associated(context.get(), associated) && pass_text(context.get(), ciphertext, plaintext) &&
                      EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_GCM_SET_TAG, kGcmTag, expected.data()) == 1 &&
                      EVP_CipherFinal_ex(context.get(), nothing.data(), &size) == 1;
  if (!opened) wipe(plaintext.data(), plaintext.size());
  return opened;
}

bool hmac_sha256(Bytes key, Bytes data, std::span<std::byte, 32> mac) {
  unsigned size = 0;
  return HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()), in(data), data.size(), out(mac), &size) !=
             nullptr &&
         size == mac.size();
}

bool expand_key(Bytes key, std::string_view label, Bytes context, std::span<std::byte, 32> output) {
  std::vector<std::byte> info;
  info.reserve(label.size() + context.size() + 1);
  const Bytes text = bytes_of_text(label);
  info.insert(info.end(), text.begin(), text.end());
  info.insert(info.end(), context.begin(), context.end());
  info.push_back(std::byte{1});
  return hmac_sha256(key, info, output);
}

bool extract_key(Bytes salt, Bytes material, std::span<std::byte, 32> output) {
  return hmac_sha256(salt, material, output);
}

bool sha256(Pieces pieces, std::span<std::byte, 32> digest) {
  const DigestContext context(EVP_MD_CTX_new(), EVP_MD_CTX_free);
  if (context == nullptr || EVP_DigestInit_ex(context.get(), EVP_sha256(), nullptr) != 1) return false;
  for (const Bytes piece : pieces) {
    if (EVP_DigestUpdate(context.get(), piece.data(), piece.size()) != 1) return false;
  }
  unsigned size = 0;
  return EVP_DigestFinal_ex(context.get(), out(digest), &size) == 1 && size == digest.size();
}

}  // namespace coffer::sdk
