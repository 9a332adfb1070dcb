#include "attest/crypto/public_key.h"

#include <gtest/gtest.h>
#include <openssl/err.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

#include <string>

#include "attest/crypto/openssl.h"
#include "base/hex.h"

namespace coffer::attest::crypto {
namespace {

ByteView bytes(std::string_view text) { return std::as_bytes(std::span(text)); }

std::vector<std::byte> spki_of(EVP_PKEY* key) {
  unsigned char* der = nullptr;
  const int size = i2d_PUBKEY(key, &der);
  const auto view = std::as_bytes(std::span(der, static_cast<std::size_t>(size)));
  std::vector<std::byte> copy(view.begin(), view.end());
  OPENSSL_free(der);
  return copy;
}

std::vector<std::byte> sign(EVP_PKEY* key, const char* hash, std::string_view message, int padding = 0) {
  const DigestContext context(EVP_MD_CTX_new());
  EVP_PKEY_CTX* options = nullptr;
  EXPECT_EQ(EVP_DigestSignInit_ex(context.get(), &options, hash, nullptr, nullptr, key, nullptr), 1);
  if (padding != 0) {
    EXPECT_EQ(EVP_PKEY_CTX_set_rsa_padding(options, padding), 1);
  }
  if (padding == RSA_PKCS1_PSS_PADDING) EVP_PKEY_CTX_set_rsa_pss_saltlen(options, RSA_PSS_SALTLEN_DIGEST);
  std::size_t size = 0;
  const auto* data = reinterpret_cast<const unsigned char*>(message.data());
  EVP_DigestSign(context.get(), nullptr, &size, data, message.size());
  std::vector<std::byte> signature(size);
  EVP_DigestSign(context.get(), reinterpret_cast<unsigned char*>(signature.data()), &size, data, message.size());
  signature.resize(size);
  return signature;
}

// Every scheme against OpenSSL's own signing, and nothing else than the signature of the message with that scheme.
TEST(PublicKeys, VerifyWhatOpenSslSigns) {
  const KeyHandle p256(EVP_EC_gen("P-256"));
  const KeyHandle p384(EVP_EC_gen("P-384"));
  const KeyHandle rsa(EVP_RSA_gen(2048));
  struct Case {
    EVP_PKEY* key;
    SignatureScheme scheme;
    const char* hash;
    int padding;
  };
  const Case cases[] = {{p256.get(), SignatureScheme::kEcdsaSha256, "SHA256", 0},
                        {p384.get(), SignatureScheme::kEcdsaSha384, "SHA384", 0},
                        {p384.get(), SignatureScheme::kEcdsaSha512, "SHA512", 0},
                        {rsa.get(), SignatureScheme::kRsaPkcs1Sha256, "SHA256", RSA_PKCS1_PADDING},
                        {rsa.get(), SignatureScheme::kRsaPkcs1Sha384, "SHA384", RSA_PKCS1_PADDING},
                        {rsa.get(), SignatureScheme::kRsaPkcs1Sha512, "SHA512", RSA_PKCS1_PADDING},
                        {rsa.get(), SignatureScheme::kRsaPssSha256, "SHA256", RSA_PKCS1_PSS_PADDING},
                        {rsa.get(), SignatureScheme::kRsaPssSha384, "SHA384", RSA_PKCS1_PSS_PADDING},
                        {rsa.get(), SignatureScheme::kRsaPssSha512, "SHA512", RSA_PKCS1_PSS_PADDING}};
  for (const Case& test : cases) {
    const auto key = PublicKey::from_spki(spki_of(test.key));
    ASSERT_TRUE(key) << key.error().message;
    EXPECT_EQ(key->spki(), spki_of(test.key));
    auto signature = sign(test.key, test.hash, "a message", test.padding);
    EXPECT_TRUE(key->verify(test.scheme, bytes("a message"), signature)) << name_of(test.scheme);
    EXPECT_FALSE(key->verify(test.scheme, bytes("b message"), signature)) << name_of(test.scheme);
    for (const Case& other : cases) {
      if (other.scheme == test.scheme) continue;
      EXPECT_FALSE(key->verify(other.scheme, bytes("a message"), signature)) << name_of(other.scheme);
    }
    signature.back() ^= std::byte{1};
    EXPECT_FALSE(key->verify(test.scheme, bytes("a message"), signature)) << name_of(test.scheme);
    signature.push_back(std::byte{0});
    EXPECT_FALSE(key->verify(test.scheme, bytes("a message"), signature)) << name_of(test.scheme);
    EXPECT_FALSE(key->verify(test.scheme, bytes("a message"), {})) << name_of(test.scheme);
  }
  EXPECT_EQ(ERR_peek_error(), 0U) << "refusals leave OpenSSL's error queue as it was";
}

TEST(PublicKeys, TakeSignaturesAsPairsOfNumbers) {
  const KeyHandle made(EVP_EC_gen("P-256"));
  const auto key = PublicKey::from_spki(spki_of(made.get()));
  ASSERT_TRUE(key);
  // Enough signatures that some have numbers with a leading zero byte, or a high bit.
  for (int i = 0; i < 200; ++i) {
    const std::string message = "message " + std::to_string(i);
    const auto der = sign(made.get(), "SHA256", message);
    std::vector<std::byte> raw(64);
    std::size_t at = 2;
    for (const std::size_t end : {32U, 64U}) {
      const auto size = std::to_integer<std::size_t>(der[at + 1]);
      auto number = ByteView(der).subspan(at + 2, size);
      at += 2 + size;
      if (number.size() == 33) number = number.subspan(1);
      std::ranges::copy(number, raw.begin() + static_cast<std::ptrdiff_t>(end - number.size()));
    }
    EXPECT_TRUE(key->verify_ecdsa(Hash::kSha256, bytes(message), raw)) << i;
    raw[static_cast<std::size_t>(i) % 64] ^= std::byte{4};
    EXPECT_FALSE(key->verify_ecdsa(Hash::kSha256, bytes(message), raw)) << i;
  }
  EXPECT_FALSE(key->verify_ecdsa(Hash::kSha256, bytes("x"), std::vector<std::byte>(64)));
  EXPECT_FALSE(key->verify_ecdsa(Hash::kSha256, bytes("x"), std::vector<std::byte>(63)));
  EXPECT_FALSE(key->verify_ecdsa(Hash::kSha256, bytes("x"), {}));
}

TEST(PublicKeys, RefuseWhatIsNoKey) {
  EXPECT_FALSE(PublicKey::from_spki({}));
  EXPECT_FALSE(PublicKey::from_point(KeyKind::kP256, std::vector<std::byte>(64))) << "not on the curve";
  EXPECT_FALSE(PublicKey::from_point(KeyKind::kP256, std::vector<std::byte>(96)));
  EXPECT_FALSE(PublicKey::from_point(KeyKind::kRsa, std::vector<std::byte>(64)));
  EXPECT_FALSE(PublicKey::from_rsa(std::vector<std::byte>(256, std::byte{2}), std::vector<std::byte>(1, std::byte{3})));
  EXPECT_FALSE(PublicKey::from_rsa(std::vector<std::byte>(64, std::byte{3}), std::vector<std::byte>(1, std::byte{3})));
  EXPECT_FALSE(PublicKey::from_rsa(std::vector<std::byte>(256, std::byte{3}), std::vector<std::byte>(1, std::byte{1})));
  const KeyHandle other(EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519"));
  EXPECT_FALSE(PublicKey::from_spki(spki_of(other.get())));
  const KeyHandle curve(EVP_EC_gen("secp256k1"));
  EXPECT_FALSE(PublicKey::from_spki(spki_of(curve.get())));
}

TEST(PublicKeys, AreEqualByTheirNumbers) {
  const KeyHandle made(EVP_EC_gen("P-256"));
  const auto a = PublicKey::from_spki(spki_of(made.get()));
  const auto b = PublicKey::from_point(KeyKind::kP256, a->value());
  EXPECT_EQ(*a, *b);
  const KeyHandle another(EVP_EC_gen("P-256"));
  EXPECT_FALSE(*a == *PublicKey::from_spki(spki_of(another.get())));
}

TEST(Digests, AreThoseOfTheStandard) {
  EXPECT_EQ(to_hex(digest(Hash::kSha1, bytes("abc"))), "a9993e364706816aba3e25717850c26c9cd0d89d");
  EXPECT_EQ(to_hex(digest(Hash::kSha256, {bytes("a"), bytes(""), bytes("bc")})),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  Hasher hasher(Hash::kSha384);
  EXPECT_EQ(to_hex(hasher.finish()),
            "38b060a751ac96384cd9327eb1b1e36a21fdb71114be07434c0cc7bf63f6e1da274edebfe76f65fbd51ad2f14898b95b");
  hasher.update(bytes("abc"));
  EXPECT_EQ(hasher.finish(), digest(Hash::kSha384, bytes("abc")));
  EXPECT_EQ(digest(Hash::kSha512, bytes("")).size(), 64U);
}

}  // namespace
}  // namespace coffer::attest::crypto
