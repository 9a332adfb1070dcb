#include "service/enclave/box.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>

#include <algorithm>
#include <memory>
#include <new>

#include "base/hex.h"

namespace coffer::service {
namespace {

constexpr std::size_t kNonce = 12, kTag = 16;

using Cipher = std::unique_ptr<EVP_CIPHER_CTX, decltype(&EVP_CIPHER_CTX_free)>;

const unsigned char* raw(ByteView bytes) { return reinterpret_cast<const unsigned char*>(bytes.data()); }
unsigned char* raw(ByteSpan bytes) { return reinterpret_cast<unsigned char*>(bytes.data()); }

Cipher begin(std::span<const std::byte, 32> key, ByteView nonce, std::string_view name, bool encrypt) {
  Cipher cipher(EVP_CIPHER_CTX_new(), &EVP_CIPHER_CTX_free);
  int done = 0;
  const ByteView along = std::as_bytes(std::span(name));
  if (cipher == nullptr ||
      EVP_CipherInit_ex(cipher.get(), EVP_aes_256_gcm(), nullptr, raw(key), raw(nonce), encrypt ? 1 : 0) != 1 ||
      EVP_CipherUpdate(cipher.get(), nullptr, &done, raw(along), static_cast<int>(along.size())) != 1) {
    throw std::bad_alloc();
  }
  return cipher;
}

}  // namespace

std::vector<std::byte> close_box(std::span<const std::byte, 32> key, std::string_view name, ByteView plain) {
  std::vector<std::byte> box(kNonce + plain.size() + kTag);
  const ByteSpan all(box);
  // Random, not counted: a host that puts an older store back must not get a nonce used twice.
  if (RAND_bytes(raw(all), kNonce) != 1) throw std::bad_alloc();
  const Cipher cipher = begin(key, all.first(kNonce), name, true);
  int done = 0;
  if (EVP_CipherUpdate(cipher.get(), raw(all.subspan(kNonce)), &done, raw(plain), static_cast<int>(plain.size())) !=
          1 ||
      EVP_CipherFinal_ex(cipher.get(), raw(all.subspan(kNonce + plain.size())), &done) != 1 ||
      EVP_CIPHER_CTX_ctrl(cipher.get(), EVP_CTRL_GCM_GET_TAG, kTag, raw(all.last(kTag))) != 1) {
    throw std::bad_alloc();
  }
  return box;
}

std::optional<SecretBytes> open_box(std::span<const std::byte, 32> key, std::string_view name, ByteView box) {
  if (box.size() < kNonce + kTag) return std::nullopt;
  const ByteView inner = box.subspan(kNonce, box.size() - kNonce - kTag);
  SecretBytes plain(inner.size());
  std::array<std::byte, kTag> tag{};
  std::ranges::copy(box.last(kTag), tag.begin());
  const Cipher cipher = begin(key, box.first(kNonce), name, false);
  int done = 0;
  std::array<unsigned char, 1> none{};
  unsigned char* into = plain.empty() ? none.data() : raw(plain.bytes());
  if (EVP_CipherUpdate(cipher.get(), into, &done, raw(inner), static_cast<int>(inner.size())) != 1 ||
      EVP_CIPHER_CTX_ctrl(cipher.get(), EVP_CTRL_GCM_SET_TAG, kTag, tag.data()) != 1 ||
      EVP_CipherFinal_ex(cipher.get(), none.data(), &done) != 1) {
    return std::nullopt;
  }
  return plain;
}

std::optional<BoxTag> tag_of(ByteView box) {
  if (box.size() < kNonce + kTag) return std::nullopt;
  BoxTag tag{};
  std::ranges::copy(box.last(kTag), tag.begin());
  return tag;
}

std::string hidden_name(std::span<const std::byte, 32> key, std::string_view name) {
  std::array<std::byte, 32> digest{};
  const ByteView bytes = std::as_bytes(std::span(name));
  if (HMAC(EVP_sha256(), key.data(), 32, raw(bytes), bytes.size(), raw(ByteSpan(digest)), nullptr) == nullptr)
    throw std::bad_alloc();
  return to_hex(ByteView(digest).first(16));
}

}  // namespace coffer::service
