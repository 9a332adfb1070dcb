// SIGSTRUCT: making, signing and verifying (Intel SDM volume 3D 34.14, EINIT in chapter 40). No I/O.
//
// RSA-3072, exponent 3, PKCS #1 v1.5 with SHA-256 over bytes [0,128) and [900,1028) of the structure. Q1 and Q2 are the
// quotients floor(S^2 / M) and floor((S^3 - Q1*S*M) / M) that let a processor verify without a division.
#pragma once

#include <memory>
#include <string_view>

#include "base/bytes.h"
#include "base/result.h"
#include "sgx/arch.h"

namespace coffer::sgx {

// An RSA-3072 key with exponent 3, private or public. Movable; the private part is wiped by OpenSSL on destruction.
class SigningKey {
 public:
  [[nodiscard]] static Result<SigningKey> generate();
  // PEM, private ("PRIVATE KEY", "RSA PRIVATE KEY") or public ("PUBLIC KEY"). Refuses any size but 3072 bits and any
  // exponent but 3, and says which it found.
  [[nodiscard]] static Result<SigningKey> from_pem(std::string_view pem);

  SigningKey(SigningKey&&) noexcept;
  SigningKey& operator=(SigningKey&&) noexcept;
  ~SigningKey();

  [[nodiscard]] bool is_private() const;
  [[nodiscard]] Bytes<kModulusSize> modulus() const;  // little-endian, as in SIGSTRUCT
  [[nodiscard]] Result<std::string> private_pem() const;
  [[nodiscard]] Result<std::string> public_pem() const;

 private:
  struct State;
  explicit SigningKey(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
  friend Result<void> sign(Sigstruct& sigstruct, const SigningKey& key);
};

// SHA-256 of the modulus as it stands in SIGSTRUCT.
[[nodiscard]] MrSigner mrsigner_of(const Sigstruct& sigstruct);

// Sets the fixed header fields; everything that describes the enclave is the caller's.
void set_fixed_fields(Sigstruct& sigstruct);

// The 256 bytes that are signed, and their SHA-256 (what `--print-digest` prints and an HSM signs).
[[nodiscard]] Bytes<256> signed_bytes(const Sigstruct& sigstruct);
[[nodiscard]] Bytes<32> digest_to_sign(const Sigstruct& sigstruct);

// Fills modulus, exponent, signature, Q1 and Q2 with a private key.
[[nodiscard]] Result<void> sign(Sigstruct& sigstruct, const SigningKey& key);
// The second step of two-step signing: `signature` is the big-endian PKCS #1 v1.5 signature made elsewhere over
// signed_bytes(), `key` the public key. Refused where it does not verify.
[[nodiscard]] Result<void> attach_signature(Sigstruct& sigstruct, const SigningKey& key, ByteView signature);

// Recomputes everything EINIT does about the structure itself: headers, vendor, reserved bytes, exponent, S < M, Q1,
// Q2, PKCS #1 padding and digest. kSuccess, kInvalidSigStruct or kInvalidSignature.
[[nodiscard]] LeafError verify(const Sigstruct& sigstruct);

}  // namespace coffer::sgx
