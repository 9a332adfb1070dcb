#include "enclave/kernel/support/crypto.h"

#include <algorithm>
#include <cstring>
#include <new>

#include "base/secret.h"
#include "enclave/kernel/core/kernel.h"
#include "enclave/kernel/support/cpu_features.h"
#include "enclave/kernel/support/crypto_selftest.h"
#include "enclave/kernel/support/libcrypto_members.h"
#include "enclave/kernel/support/libcrypto_shims.h"
#include "enclave/kernel/support/vector_state.h"

namespace coffer::kernel {
namespace {

using Bytes = std::span<const std::byte>;

const std::uint8_t* raw(Bytes bytes) { return reinterpret_cast<const std::uint8_t*>(bytes.data()); }
std::uint8_t* writable(std::span<std::byte> bytes) { return reinterpret_cast<std::uint8_t*>(bytes.data()); }

// The stitched code pays off from some hundred bytes on; below it would do nothing anyway.
constexpr std::size_t kStitchedMinimum = 288;

struct GcmState {
  libcrypto::GcmContext gcm;
  libcrypto::AesKey key;
};
GcmState& gcm_state(std::byte* room) { return *std::launder(reinterpret_cast<GcmState*>(room)); }

void check_sizes(Bytes from, Bytes to) {
  if (from.size() != to.size()) panic("AES-GCM: the texts' sizes differ");
}

// What both directions begin with: nonce, additional data, and the end of the additional data's hash.
void begin(GcmState& state, Bytes nonce, Bytes aad) {
  libcrypto::CRYPTO_gcm128_setiv(&state.gcm, raw(nonce), nonce.size());
  if (!aad.empty() && libcrypto::CRYPTO_gcm128_aad(&state.gcm, raw(aad), aad.size()) != 0) {
    panic("AES-GCM: too much additional data");
  }
}

}  // namespace

void init_crypto() {
  const CpuFeatures& features = cpu_features();
  if (!features.aes_ni || !features.pclmulqdq) panic("this processor has no AES-NI or PCLMULQDQ, which Coffer needs");
  libcrypto::set_capabilities(features.capability);
  if (!crypto_self_test()) panic("the cryptographic self-test failed");
}

CryptoBatch::CryptoBatch() {
  static_assert(sizeof(VectorStateGuard) <= sizeof(room_) && alignof(VectorStateGuard) <= 64);
  new (room_) VectorStateGuard;
}
CryptoBatch::~CryptoBatch() { std::launder(reinterpret_cast<VectorStateGuard*>(room_))->~VectorStateGuard(); }

AesGcm256::AesGcm256(std::span<const std::byte, 32> key) {
  static_assert(sizeof(GcmState) <= sizeof(state_) && alignof(GcmState) <= 64);
  auto* state = new (state_) GcmState{};
  const VectorStateGuard vector_state;
  libcrypto::aesni_set_encrypt_key(raw(key), 256, &state->key);
  libcrypto::CRYPTO_gcm128_init(&state->gcm, &state->key, libcrypto::aesni_encrypt);
}

AesGcm256::~AesGcm256() { wipe(state_, sizeof(state_)); }

void AesGcm256::seal(std::span<const std::byte, kAesGcmNonceSize> nonce, Bytes aad, Bytes plaintext,
                     std::span<std::byte> ciphertext, std::span<std::byte, kAesGcmTagSize> tag) {
  seal(CryptoBatch(), nonce, aad, plaintext, ciphertext, tag);
}

void AesGcm256::seal(const CryptoBatch& /*batch*/, std::span<const std::byte, kAesGcmNonceSize> nonce, Bytes aad,
                     Bytes plaintext, std::span<std::byte> ciphertext, std::span<std::byte, kAesGcmTagSize> tag) {
  check_sizes(plaintext, ciphertext);
  GcmState& state = gcm_state(state_);
  begin(state, nonce, aad);
  std::size_t done = 0;
  if (plaintext.size() >= kStitchedMinimum && libcrypto::stitched_gcm_works()) {
    // With no text this only ends the additional data, which the stitched code knows nothing about.
    libcrypto::CRYPTO_gcm128_encrypt(&state.gcm, raw(plaintext), writable(ciphertext), 0);
    done = libcrypto::aesni_gcm_encrypt(raw(plaintext), writable(ciphertext), plaintext.size(), &state.key,
                                        state.gcm.counter, state.gcm.hash);
    state.gcm.length[1] += done;
  }
  if (libcrypto::CRYPTO_gcm128_encrypt_ctr32(&state.gcm, raw(plaintext) + done, writable(ciphertext) + done,
                                             plaintext.size() - done, libcrypto::aesni_ctr32_encrypt_blocks) != 0) {
    panic("AES-GCM: the text is too long");
  }
  libcrypto::CRYPTO_gcm128_tag(&state.gcm, writable(tag), tag.size());
}

bool AesGcm256::open(std::span<const std::byte, kAesGcmNonceSize> nonce, Bytes aad, Bytes ciphertext,
                     std::span<std::byte> plaintext, std::span<const std::byte, kAesGcmTagSize> tag) {
  return open(CryptoBatch(), nonce, aad, ciphertext, plaintext, tag);
}

bool AesGcm256::open(const CryptoBatch& /*batch*/, std::span<const std::byte, kAesGcmNonceSize> nonce, Bytes aad,
                     Bytes ciphertext, std::span<std::byte> plaintext, std::span<const std::byte, kAesGcmTagSize> tag) {
  check_sizes(ciphertext, plaintext);
  GcmState& state = gcm_state(state_);
  std::array<std::byte, kAesGcmTagSize> computed{};
  begin(state, nonce, aad);
  std::size_t done = 0;
  if (ciphertext.size() >= kStitchedMinimum && libcrypto::stitched_gcm_works()) {
    libcrypto::CRYPTO_gcm128_decrypt(&state.gcm, raw(ciphertext), writable(plaintext), 0);
    done = libcrypto::aesni_gcm_decrypt(raw(ciphertext), writable(plaintext), ciphertext.size(), &state.key,
                                        state.gcm.counter, state.gcm.hash);
    state.gcm.length[1] += done;
  }
  if (libcrypto::CRYPTO_gcm128_decrypt_ctr32(&state.gcm, raw(ciphertext) + done, writable(plaintext) + done,
                                             ciphertext.size() - done, libcrypto::aesni_ctr32_encrypt_blocks) != 0) {
    panic("AES-GCM: the text is too long");
  }
  libcrypto::CRYPTO_gcm128_tag(&state.gcm, writable(computed), computed.size());
  const bool fits = equal_in_constant_time(computed, tag);
  // The right tag of a forged text is a secret too: it would make the next forgery good.
  wipe(computed.data(), computed.size());
  if (!fits && !plaintext.empty()) std::memset(plaintext.data(), 0, plaintext.size());
  return fits;
}

Sha256::Sha256() {
  static_assert(sizeof(libcrypto::Sha256Context) <= sizeof(state_));
  const VectorStateGuard vector_state;
  libcrypto::SHA256_Init(new (state_) libcrypto::Sha256Context);
}
Sha256::~Sha256() { wipe(state_, sizeof(state_)); }

void Sha256::update(Bytes data) {
  if (data.empty()) return;
  const VectorStateGuard vector_state;
  libcrypto::SHA256_Update(std::launder(reinterpret_cast<libcrypto::Sha256Context*>(state_)), data.data(), data.size());
}

void Sha256::finish(std::span<std::byte, kSha256Size> digest) {
  const VectorStateGuard vector_state;
  libcrypto::SHA256_Final(writable(digest), std::launder(reinterpret_cast<libcrypto::Sha256Context*>(state_)));
}

void sha256(Bytes data, std::span<std::byte, kSha256Size> digest) {
  Sha256 hash;
  hash.update(data);
  hash.finish(digest);
}

void aes128_cmac(std::span<const std::byte, 16> key, Bytes data, std::span<std::byte, 16> mac) {
  libcrypto::AesKey schedule{};
  std::array<std::uint8_t, 16> subkey{};
  std::array<std::uint8_t, 16> block{};
  {
    const VectorStateGuard vector_state;
    libcrypto::aesni_set_encrypt_key(raw(key), 128, &schedule);
    libcrypto::aesni_encrypt(subkey.data(), subkey.data(), &schedule);
    while (data.size() > 16) {
      for (std::size_t i = 0; i < 16; ++i) block[i] ^= std::to_integer<std::uint8_t>(data[i]);
      libcrypto::aesni_encrypt(block.data(), block.data(), &schedule);
      data = data.subspan(16);
    }
    // K1 for a whole last block, K2 for a padded one: the subkey doubled in GF(2^128), without branches on it.
    for (int doublings = data.size() == 16 ? 1 : 2; doublings > 0; --doublings) {
      const auto carry = static_cast<std::uint8_t>(0U - (subkey[0] >> 7U));
      for (std::size_t i = 0; i < 15; ++i) {
        subkey[i] = static_cast<std::uint8_t>((subkey[i] << 1U) | (subkey[i + 1] >> 7U));
      }
      subkey[15] = static_cast<std::uint8_t>((subkey[15] << 1U) ^ (carry & 0x87U));
    }
    for (std::size_t i = 0; i < data.size(); ++i) block[i] ^= std::to_integer<std::uint8_t>(data[i]);
    if (data.size() < 16) block[data.size()] ^= 0x80U;
    for (std::size_t i = 0; i < 16; ++i) block[i] ^= subkey[i];
    libcrypto::aesni_encrypt(block.data(), writable(mac), &schedule);
  }
  wipe(&schedule, sizeof(schedule));
  wipe(subkey.data(), subkey.size());
  wipe(block.data(), block.size());
}

namespace {

// HMAC of up to three pieces, so that HKDF needs no buffer.
void hmac_of(Bytes key, Bytes first, Bytes second, Bytes third, std::span<std::byte, kSha256Size> mac) {
  constexpr std::size_t kBlock = 64;
  SecretArray<kBlock> pad;
  if (key.size() > kBlock) {
    sha256(key, pad.bytes().first<kSha256Size>());
  } else {
    std::copy(key.begin(), key.end(), pad.bytes().begin());
  }
  for (std::byte& value : pad.bytes()) value ^= std::byte{0x36};
  Sha256 inner;
  inner.update(pad.bytes());
  inner.update(first);
  inner.update(second);
  inner.update(third);
  SecretArray<kSha256Size> inner_digest;
  inner.finish(inner_digest.bytes());
  for (std::byte& value : pad.bytes()) value ^= std::byte{0x36 ^ 0x5c};
  Sha256 outer;
  outer.update(pad.bytes());
  outer.update(inner_digest.bytes());
  outer.finish(mac);
}

}  // namespace

void hmac_sha256(Bytes key, Bytes data, std::span<std::byte, kSha256Size> mac) { hmac_of(key, data, {}, {}, mac); }

void hkdf_sha256(Bytes key, Bytes salt, Bytes info, std::span<std::byte> output) {
  if (output.size() > 255 * kSha256Size) panic("HKDF: too much output asked for");
  SecretArray<kSha256Size> extracted;
  hmac_sha256(salt, key, extracted.bytes());
  SecretArray<kSha256Size> block;
  Bytes previous;
  for (std::byte counter{1}; !output.empty(); counter = std::byte(std::to_integer<unsigned>(counter) + 1U)) {
    hmac_of(extracted.bytes(), previous, info, {&counter, 1}, block.bytes());
    const std::size_t count = std::min(output.size(), kSha256Size);
    std::copy_n(block.bytes().begin(), count, output.begin());
    output = output.subspan(count);
    previous = block.bytes();
  }
}

}  // namespace coffer::kernel
