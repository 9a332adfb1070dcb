// The expected values were computed with `openssl dgst -sign` and Python integers, apart from this code.
#include "sgx/sigstruct.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openssl/evp.h>

#include <algorithm>
#include <cstring>

#include "base/hex.h"
#include "sgx/test_keys.h"

namespace coffer::sgx {
namespace {

using ::testing::HasSubstr;

Sigstruct unsigned_sigstruct() {
  Sigstruct sigstruct;
  set_fixed_fields(sigstruct);
  sigstruct.date = 0x20260102;
  sigstruct.misc_select = 1;
  sigstruct.misc_mask = 0xffffffff;
  for (std::size_t i = 0; i < 16; ++i) {
    sigstruct.isv_family_id[i] = static_cast<std::uint8_t>(i);
    sigstruct.isv_ext_prod_id[i] = static_cast<std::uint8_t>(0x40 + i);
  }
  for (std::size_t i = 0; i < 32; ++i) sigstruct.enclave_hash.bytes[i] = static_cast<std::uint8_t>(0x80 + i);
  sigstruct.attributes = {4, 3};
  sigstruct.attribute_mask = {0xfffffffffffffffd, 0xfffffffffffffffc};
  sigstruct.isv_prod_id = 7;
  sigstruct.isv_svn = 9;
  return sigstruct;
}

Sigstruct signed_sigstruct() {
  Sigstruct sigstruct = unsigned_sigstruct();
  EXPECT_TRUE(sign(sigstruct, *SigningKey::from_pem(testing::kTestKey)));
  return sigstruct;
}

std::string sha256_hex(ByteView bytes) {
  Bytes<32> digest;
  EVP_Digest(bytes.data(), bytes.size(), digest.data(), nullptr, EVP_sha256(), nullptr);
  return to_hex(bytes_of(digest));
}

TEST(Sigstruct, SigningGivesTheWrittenDownBytes) {
  const Sigstruct sigstruct = signed_sigstruct();
  EXPECT_EQ(to_hex(bytes_of(digest_to_sign(sigstruct))),
            "40e0aed95f2b204ba4e857d7255ed5dd72b4513e9bcc2a6035a7bd0e931f5a73");
  EXPECT_EQ(to_hex(bytes_of(mrsigner_of(sigstruct).bytes)),
            "a03fef3ec5555ed57d65c37b4c56b8478944dbd8f8a157db841ee47833dc4cc6");
  EXPECT_EQ(sha256_hex(bytes_of(sigstruct)), "39c9f10261c4e8d6eb4516aabb5e71b84f11c13f9417abebee0e07b186b54d90");
  EXPECT_EQ(verify(sigstruct), LeafError::kSuccess);
}

TEST(Sigstruct, SignedBytesAreTheHeaderAndTheBody) {
  const Sigstruct sigstruct = unsigned_sigstruct();
  const Bytes<256> bytes = signed_bytes(sigstruct);
  EXPECT_EQ(std::memcmp(bytes.data(), &sigstruct, 128), 0);
  EXPECT_EQ(std::memcmp(bytes.data() + 128, &sigstruct.misc_select, 128), 0);
}

// Every byte of the structure is covered: by the signature, by the header rules, or by the quotients.
TEST(Sigstruct, EveryFlippedByteIsRefused) {
  const Sigstruct reference = signed_sigstruct();
  for (std::size_t at = 0; at < sizeof(Sigstruct); ++at) {
    Sigstruct changed = reference;
    writable_bytes_of(changed)[at] ^= std::byte{1};
    EXPECT_NE(verify(changed), LeafError::kSuccess) << "byte " << at;
  }
}

TEST(Sigstruct, ReservedAndFixedFieldsAreRefusedAsSuch) {
  const Sigstruct reference = signed_sigstruct();
  const auto refuses = [&](std::size_t start, std::size_t size) {
    for (std::size_t at = start; at < start + size; ++at) {
      for (int bit = 0; bit < 8; ++bit) {
        Sigstruct changed = reference;
        writable_bytes_of(changed)[at] ^= static_cast<std::byte>(1 << bit);
        EXPECT_EQ(verify(changed), LeafError::kInvalidSigStruct) << "byte " << at << " bit " << bit;
      }
    }
  };
  refuses(0, 15);     // header but its last byte, see below
  refuses(16, 4);     // vendor: one flip never leads from 0 to 0x8086
  refuses(24, 16);    // header2
  refuses(44, 84);    // reserved1
  refuses(512, 4);    // exponent
  refuses(910, 2);    // reserved2
  refuses(992, 16);   // reserved3
  refuses(1028, 12);  // reserved4
}

TEST(Sigstruct, TheDebugBitOfTheHeaderIsFreeAndSigned) {
  const SigningKey key = *SigningKey::from_pem(testing::kTestKey);
  Sigstruct sigstruct = unsigned_sigstruct();
  sigstruct.header[15] = 0x80;
  ASSERT_TRUE(sign(sigstruct, key));
  EXPECT_EQ(verify(sigstruct), LeafError::kSuccess);
  sigstruct.header[15] = 0;
  EXPECT_EQ(verify(sigstruct), LeafError::kInvalidSignature);
  sigstruct.header[15] = 0x40;
  EXPECT_EQ(verify(sigstruct), LeafError::kInvalidSigStruct);
}

TEST(Sigstruct, BothVendorsAreAccepted) {
  const SigningKey key = *SigningKey::from_pem(testing::kTestKey);
  Sigstruct sigstruct = unsigned_sigstruct();
  sigstruct.vendor = 0x8086;
  ASSERT_TRUE(sign(sigstruct, key));
  EXPECT_EQ(verify(sigstruct), LeafError::kSuccess);
  sigstruct.vendor = 0x8087;
  EXPECT_FALSE(sign(sigstruct, key));
}

TEST(Sigstruct, ArithmeticEdgesAreRefused) {
  Sigstruct sigstruct = signed_sigstruct();
  sigstruct.modulus.fill(0);
  EXPECT_EQ(verify(sigstruct), LeafError::kInvalidSignature) << "modulus zero";
  sigstruct = signed_sigstruct();
  sigstruct.signature = sigstruct.modulus;
  EXPECT_EQ(verify(sigstruct), LeafError::kInvalidSignature) << "S = M";
  sigstruct = signed_sigstruct();
  sigstruct.signature.fill(0xff);
  EXPECT_EQ(verify(sigstruct), LeafError::kInvalidSignature) << "S > M";
  sigstruct = signed_sigstruct();
  std::swap(sigstruct.q1, sigstruct.q2);
  EXPECT_EQ(verify(sigstruct), LeafError::kInvalidSignature);
  EXPECT_EQ(verify(Sigstruct{}), LeafError::kInvalidSigStruct);
}

TEST(Sigstruct, TwoStepSigningGivesTheSameStructure) {
  const Sigstruct expected = signed_sigstruct();
  Bytes<kModulusSize> signature = expected.signature;
  std::reverse(signature.begin(), signature.end());
  const SigningKey key = *SigningKey::from_pem(*SigningKey::from_pem(testing::kTestKey)->public_pem());
  EXPECT_FALSE(key.is_private());

  Sigstruct sigstruct = unsigned_sigstruct();
  EXPECT_FALSE(sign(sigstruct, key)) << "a public key cannot sign";
  ASSERT_TRUE(attach_signature(sigstruct, key, bytes_of(signature)));
  EXPECT_EQ(std::memcmp(&sigstruct, &expected, sizeof(Sigstruct)), 0);
}

TEST(Sigstruct, AttachingAWrongSignatureIsRefusedAndLeavesTheStructure) {
  Bytes<kModulusSize> signature = signed_sigstruct().signature;
  std::reverse(signature.begin(), signature.end());
  const SigningKey key = *SigningKey::from_pem(testing::kTestKey);
  Sigstruct sigstruct = unsigned_sigstruct();
  sigstruct.isv_svn = 10;
  const Sigstruct before = sigstruct;
  const auto other = attach_signature(sigstruct, key, bytes_of(signature));
  ASSERT_FALSE(other);
  EXPECT_EQ(other.error().kind, ErrorKind::kRefused);
  const auto other_size = attach_signature(sigstruct, key, bytes_of(signature).first(383));
  ASSERT_FALSE(other_size);
  EXPECT_EQ(other_size.error().kind, ErrorKind::kInput);
  EXPECT_EQ(std::memcmp(&sigstruct, &before, sizeof(Sigstruct)), 0);
}

TEST(SigningKey, GeneratedKeysSignAndSurvivePem) {
  const auto key = SigningKey::generate();
  ASSERT_TRUE(key);
  ASSERT_TRUE(key->is_private());
  const auto again = SigningKey::from_pem(*key->private_pem());
  ASSERT_TRUE(again);
  EXPECT_EQ(again->modulus(), key->modulus());
  Sigstruct sigstruct = unsigned_sigstruct();
  ASSERT_TRUE(sign(sigstruct, *again));
  EXPECT_EQ(verify(sigstruct), LeafError::kSuccess);
  EXPECT_NE(mrsigner_of(sigstruct), mrsigner_of(signed_sigstruct()));
}

TEST(SigningKey, OtherKeysAreRefusedWithWhatWasFound) {
  const auto message = [](std::string_view pem) {
    const auto key = SigningKey::from_pem(pem);
    EXPECT_FALSE(key);
    return key ? "" : key.error().message;
  };
  EXPECT_THAT(message(testing::kPublicKey2048), HasSubstr("2048 bits"));
  EXPECT_THAT(message(testing::kPublicKeyExponent65537), HasSubstr("65537"));
  EXPECT_THAT(message(testing::kPublicKeyEc), HasSubstr("not an RSA key"));
  EXPECT_THAT(message("nonsense"), HasSubstr("PEM"));
  EXPECT_THAT(message(""), HasSubstr("PEM"));
  EXPECT_THAT(message("-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n"), HasSubstr("passphrase"));
  const auto public_key = SigningKey::from_pem(*SigningKey::from_pem(testing::kTestKey)->public_pem());
  EXPECT_FALSE(public_key->private_pem());
}

}  // namespace
}  // namespace coffer::sgx
