// Cryptography for the enclave kernel's own use. Freestanding; no allocation; every function is thread-safe, and
// objects may be used by one thread at a time. In the kernel OpenSSL's assembler members carry it; hosted unit tests
// link enclave/kernel/testing/crypto_hosted.cc instead. Every operation preserves the application's vector registers
// and needs some 5 KiB of stack.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

namespace coffer::kernel {

inline constexpr std::size_t kAesGcmNonceSize = 12;
inline constexpr std::size_t kAesGcmTagSize = 16;
inline constexpr std::size_t kSha256Size = 32;

// To be called once at the kernel's start, before anything else here: checks the processor (panics where it has no
// AES-NI or PCLMULQDQ) and that AES-GCM and SHA-256 compute known answers.
void init_crypto();

// Saves the application's vector registers once for many operations instead of once for each. They hold what belongs to
// the operations while it lives, so the thread that made it does not return to the application before its end.
class CryptoBatch {
 public:
  CryptoBatch();
  ~CryptoBatch();
  CryptoBatch(const CryptoBatch&) = delete;
  CryptoBatch& operator=(const CryptoBatch&) = delete;

 private:
  [[maybe_unused]] alignas(64) std::byte room_[2816];
};

// AES-256-GCM (NIST SP 800-38D) under one key: the expanded key and the hash tables, wiped on destruction.
class AesGcm256 {
 public:
  explicit AesGcm256(std::span<const std::byte, 32> key);
  ~AesGcm256();
  AesGcm256(const AesGcm256&) = delete;
  AesGcm256& operator=(const AesGcm256&) = delete;

  // The caller never uses a nonce twice under one key. `ciphertext` has plaintext's size and is the same memory or
  // disjoint from it.
  void seal(std::span<const std::byte, kAesGcmNonceSize> nonce, std::span<const std::byte> aad,
            std::span<const std::byte> plaintext, std::span<std::byte> ciphertext,
            std::span<std::byte, kAesGcmTagSize> tag);
  // As one of a batch of the same thread.
  void seal(const CryptoBatch& batch, std::span<const std::byte, kAesGcmNonceSize> nonce,
            std::span<const std::byte> aad, std::span<const std::byte> plaintext, std::span<std::byte> ciphertext,
            std::span<std::byte, kAesGcmTagSize> tag);

  // False where the tag does not fit; `plaintext` is zeroed then. Same rules for the memory.
  [[nodiscard]] bool open(std::span<const std::byte, kAesGcmNonceSize> nonce, std::span<const std::byte> aad,
                          std::span<const std::byte> ciphertext, std::span<std::byte> plaintext,
                          std::span<const std::byte, kAesGcmTagSize> tag);
  [[nodiscard]] bool open(const CryptoBatch& batch, std::span<const std::byte, kAesGcmNonceSize> nonce,
                          std::span<const std::byte> aad, std::span<const std::byte> ciphertext,
                          std::span<std::byte> plaintext, std::span<const std::byte, kAesGcmTagSize> tag);

 private:
  // Room for the implementation's context: the expanded AES key and the GHASH tables, or a pointer to them.
  alignas(64) std::byte state_[1024];
};

void sha256(std::span<const std::byte> data, std::span<std::byte, kSha256Size> digest);

// SHA-256 of data that comes in pieces (FIPS 180-4). Wiped on destruction.
class Sha256 {
 public:
  Sha256();
  ~Sha256();
  Sha256(const Sha256&) = delete;
  Sha256& operator=(const Sha256&) = delete;
  void update(std::span<const std::byte> data);
  // Once, and nothing after it.
  void finish(std::span<std::byte, kSha256Size> digest);

 private:
  alignas(8) std::byte state_[112];
};

// AES-128-CMAC (RFC 4493): what SGX authenticates reports with.
void aes128_cmac(std::span<const std::byte, 16> key, std::span<const std::byte> data, std::span<std::byte, 16> mac);

// RFC 2104 with SHA-256.
void hmac_sha256(std::span<const std::byte> key, std::span<const std::byte> data,
                 std::span<std::byte, kSha256Size> mac);

// RFC 5869, extract and expand, with SHA-256; at most 255 * 32 bytes of output.
void hkdf_sha256(std::span<const std::byte> key, std::span<const std::byte> salt, std::span<const std::byte> info,
                 std::span<std::byte> output);

// Bytes of a cryptographically secure generator that the host cannot influence (RDRAND/RDSEED). Never fails: an enclave
// whose processor gives no random numbers panics.
void random_bytes(std::span<std::byte> output);

}  // namespace coffer::kernel
