// The functions of libcrypto's members (libcrypto_members.cmake) that the kernel calls. All of them use vector
// registers: hold a VectorStateGuard. Freestanding; for crypto.cc and random.cc only.
#pragma once

#include <cstddef>
#include <cstdint>

namespace coffer::kernel::libcrypto {

struct AesKey {  // AES_KEY: 15 round keys and the number of rounds
  alignas(16) std::uint32_t round_keys[60];
  std::int32_t rounds;
};

// OpenSSL's struct gcm128_context, which its headers keep to themselves: the stitched AES-GCM code works on the fields
// named here, the rest is room. init_crypto() proves with a known answer that the layout is right.
struct GcmContext {
  alignas(16) std::uint64_t counter[2];   // Yi
  std::uint64_t encrypted_counter[4];     // EKi, EK0
  std::uint64_t length[2];                // of the AAD, of the text
  std::uint64_t hash[2];                  // Xi, which H and its powers follow
  std::uint64_t hash_key_and_powers[34];  // H, Htable
  std::byte rest[128];                    // function pointers, positions, the key's address, a buffer
};

using BlockFunction = void (*)(const std::uint8_t in[16], std::uint8_t out[16], const void* key);
using CounterFunction = void (*)(const std::uint8_t* in, std::uint8_t* out, std::size_t blocks, const void* key,
                                 const std::uint8_t counter[16]);

struct Sha256Context {  // SHA256_CTX
  std::uint32_t h[8];
  std::uint32_t length_low, length_high;
  std::uint32_t data[16];
  std::uint32_t filled, digest_size;
};

extern "C" {
int aesni_set_encrypt_key(const std::uint8_t* key, int bits, AesKey* schedule);
void aesni_encrypt(const std::uint8_t in[16], std::uint8_t out[16], const void* key);
void aesni_ctr32_encrypt_blocks(const std::uint8_t* in, std::uint8_t* out, std::size_t blocks, const void* key,
                                const std::uint8_t counter[16]);
// Both return how many bytes they did, a multiple of 96; 0 where the text is too short for them.
std::size_t aesni_gcm_encrypt(const std::uint8_t* in, std::uint8_t* out, std::size_t size, const void* key,
                              std::uint64_t counter[2], std::uint64_t hash[2]);
std::size_t aesni_gcm_decrypt(const std::uint8_t* in, std::uint8_t* out, std::size_t size, const void* key,
                              std::uint64_t counter[2], std::uint64_t hash[2]);

void CRYPTO_gcm128_init(GcmContext* context, void* key, BlockFunction block);
void CRYPTO_gcm128_setiv(GcmContext* context, const std::uint8_t* nonce, std::size_t size);
int CRYPTO_gcm128_aad(GcmContext* context, const std::uint8_t* aad, std::size_t size);
int CRYPTO_gcm128_encrypt(GcmContext* context, const std::uint8_t* in, std::uint8_t* out, std::size_t size);
int CRYPTO_gcm128_decrypt(GcmContext* context, const std::uint8_t* in, std::uint8_t* out, std::size_t size);
int CRYPTO_gcm128_encrypt_ctr32(GcmContext* context, const std::uint8_t* in, std::uint8_t* out, std::size_t size,
                                CounterFunction stream);
int CRYPTO_gcm128_decrypt_ctr32(GcmContext* context, const std::uint8_t* in, std::uint8_t* out, std::size_t size,
                                CounterFunction stream);
void CRYPTO_gcm128_tag(GcmContext* context, std::uint8_t* tag, std::size_t size);

int SHA256_Init(Sha256Context* context);
int SHA256_Update(Sha256Context* context, const void* data, std::size_t size);
int SHA256_Final(std::uint8_t* digest, Sha256Context* context);
}

}  // namespace coffer::kernel::libcrypto
