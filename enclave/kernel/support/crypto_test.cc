#include "enclave/kernel/support/crypto.h"

#include <gtest/gtest.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/kdf.h>
#include <openssl/params.h>
#include <openssl/sha.h>

#include <algorithm>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "base/hex.h"
#include "enclave/kernel/support/crypto_selftest.h"
#include "enclave/kernel/support/libcrypto_shims.h"

namespace coffer::kernel {
namespace {

using Buffer = std::vector<std::byte>;

Buffer hex(std::string_view text) { return from_hex(text).value(); }
const unsigned char* raw(const Buffer& buffer) { return reinterpret_cast<const unsigned char*>(buffer.data()); }
unsigned char* raw(Buffer& buffer) { return reinterpret_cast<unsigned char*>(buffer.data()); }
Buffer text_bytes(std::string_view text) {
  const auto view = std::as_bytes(std::span(text));
  return {view.begin(), view.end()};
}

class CryptoTest : public testing::Test {
 protected:
  static void SetUpTestSuite() { init_crypto(); }
  CryptoTest() : seed_(std::random_device{}()), random_(seed_) {}
  Buffer random_buffer(std::size_t size) {
    Buffer buffer(size);
    for (std::byte& value : buffer) value = static_cast<std::byte>(random_());
    return buffer;
  }
  unsigned seed_;
  std::mt19937 random_;
};

struct Sealed {
  Buffer ciphertext;
  Buffer tag = Buffer(kAesGcmTagSize);
};

Sealed seal(const Buffer& key, const Buffer& nonce, const Buffer& aad, const Buffer& plaintext) {
  AesGcm256 cipher(std::span<const std::byte, 32>(key.data(), 32));
  Sealed sealed;
  sealed.ciphertext.resize(plaintext.size());
  cipher.seal(std::span<const std::byte, 12>(nonce.data(), 12), aad, plaintext, sealed.ciphertext,
              std::span<std::byte, 16>(sealed.tag.data(), 16));
  return sealed;
}

Sealed seal_by_evp(const Buffer& key, const Buffer& nonce, const Buffer& aad, const Buffer& plaintext) {
  const std::unique_ptr<EVP_CIPHER_CTX, void (*)(EVP_CIPHER_CTX*)> context(EVP_CIPHER_CTX_new(), EVP_CIPHER_CTX_free);
  Sealed sealed;
  sealed.ciphertext.resize(plaintext.size());
  int size = 0;
  EXPECT_EQ(EVP_EncryptInit_ex(context.get(), EVP_aes_256_gcm(), nullptr, raw(key), raw(nonce)), 1);
  EXPECT_EQ(EVP_EncryptUpdate(context.get(), nullptr, &size, raw(aad), static_cast<int>(aad.size())), 1);
  unsigned char none[16];
  EXPECT_EQ(EVP_EncryptUpdate(context.get(), plaintext.empty() ? none : raw(sealed.ciphertext), &size, raw(plaintext),
                              static_cast<int>(plaintext.size())),
            1);
  EXPECT_EQ(EVP_EncryptFinal_ex(context.get(), none, &size), 1);
  EXPECT_EQ(EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_GCM_GET_TAG, 16, sealed.tag.data()), 1);
  return sealed;
}

// McGrew and Viega's test cases 13 to 16, which NIST took over.
TEST_F(CryptoTest, AesGcmAgreesWithNist) {
  const Buffer zero_key(32);
  const Buffer zero_nonce(12);
  EXPECT_EQ(to_hex(seal(zero_key, zero_nonce, {}, {}).tag), "530f8afbc74536b9a963b4f1c4cb738b");
  const Sealed one = seal(zero_key, zero_nonce, {}, Buffer(16));
  EXPECT_EQ(to_hex(one.ciphertext), "cea7403d4d606b6e074ec5d3baf39d18");
  EXPECT_EQ(to_hex(one.tag), "d0d1c8a799996bf0265b98b5d48ab919");
  const Buffer key = hex("feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308");
  const Buffer nonce = hex("cafebabefacedbaddecaf888");
  const Buffer aad = hex("feedfacedeadbeeffeedfacedeadbeefabaddad2");
  const Buffer text = hex(
      "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de65"
      "7ba637b39");
  const Sealed sealed = seal(key, nonce, aad, text);
  EXPECT_EQ(
      to_hex(sealed.ciphertext),
      "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa8cb08e48590dbb3da7b08b1056828838c5f61e6393ba"
      "7a0abcc9f662");
  EXPECT_EQ(to_hex(sealed.tag), "76fc6ece0f4e1768cddf8853bb2d551b");
}

TEST_F(CryptoTest, AesGcmAgreesWithEvpForAllSizes) {
  SCOPED_TRACE(testing::Message() << "seed " << seed_);
  std::vector<std::size_t> sizes;
  for (std::size_t size = 0; size <= 700; ++size) sizes.push_back(size);
  sizes.insert(sizes.end(), {4096, 65536 + 13, 1 << 20});
  for (const std::size_t size : sizes) {
    const Buffer key = random_buffer(32);
    const Buffer nonce = random_buffer(12);
    const Buffer aad = random_buffer(size % 47);
    const Buffer text = random_buffer(size);
    const Sealed expected = seal_by_evp(key, nonce, aad, text);
    Sealed sealed = seal(key, nonce, aad, text);
    ASSERT_EQ(sealed.tag, expected.tag) << size;
    ASSERT_EQ(sealed.ciphertext, expected.ciphertext) << size;

    AesGcm256 cipher(std::span<const std::byte, 32>(key.data(), 32));
    const std::span<const std::byte, 12> nonce_view(nonce.data(), 12);
    const std::span<const std::byte, 16> tag_view(sealed.tag.data(), 16);
    Buffer opened(size);
    ASSERT_TRUE(cipher.open(nonce_view, aad, sealed.ciphertext, opened, tag_view)) << size;
    ASSERT_EQ(opened, text);
    // In place, and again with the same object.
    ASSERT_TRUE(cipher.open(nonce_view, aad, sealed.ciphertext, sealed.ciphertext, tag_view)) << size;
    ASSERT_EQ(sealed.ciphertext, text);
    Buffer tag(16);
    cipher.seal(nonce_view, aad, sealed.ciphertext, sealed.ciphertext, std::span<std::byte, 16>(tag.data(), 16));
    ASSERT_EQ(sealed.ciphertext, expected.ciphertext);
    ASSERT_EQ(tag, expected.tag);
  }
}

TEST_F(CryptoTest, AesGcmRefusesEveryFlippedBit) {
  for (const std::size_t size : {std::size_t{0}, std::size_t{33}, std::size_t{600}}) {
    const Buffer key = random_buffer(32);
    const Buffer nonce = random_buffer(12);
    const Buffer aad = random_buffer(9);
    Sealed sealed = seal(key, nonce, aad, random_buffer(size));
    AesGcm256 cipher(std::span<const std::byte, 32>(key.data(), 32));
    const auto refused = [&](const Buffer& with_nonce, const Buffer& with_aad) {
      Buffer opened(size, std::byte{0xff});
      const bool good = cipher.open(std::span<const std::byte, 12>(with_nonce.data(), 12), with_aad, sealed.ciphertext,
                                    opened, std::span<const std::byte, 16>(sealed.tag.data(), 16));
      return !good && std::all_of(opened.begin(), opened.end(), [](std::byte value) { return value == std::byte{0}; });
    };
    const auto flip = [](Buffer& buffer, std::size_t bit) { buffer[bit / 8] ^= std::byte(1U << (bit % 8)); };
    for (std::size_t bit = 0; bit < 128; ++bit) {
      flip(sealed.tag, bit);
      ASSERT_TRUE(refused(nonce, aad));
      flip(sealed.tag, bit);
    }
    for (std::size_t bit = 0; bit < size * 8; bit += 7) {
      flip(sealed.ciphertext, bit);
      ASSERT_TRUE(refused(nonce, aad));
      flip(sealed.ciphertext, bit);
    }
    Buffer other_nonce = nonce;
    flip(other_nonce, 95);
    ASSERT_TRUE(refused(other_nonce, aad));
    Buffer other_aad = aad;
    flip(other_aad, 0);
    ASSERT_TRUE(refused(nonce, other_aad));
    ASSERT_FALSE(refused(nonce, aad)) << "all flips were undone";
  }
}

TEST_F(CryptoTest, ADestroyedCipherLeavesNothing) {
  alignas(AesGcm256) std::byte room[sizeof(AesGcm256)];
  std::fill(std::begin(room), std::end(room), std::byte{0x77});
  const Buffer key = random_buffer(32);
  auto* cipher = new (room) AesGcm256(std::span<const std::byte, 32>(key.data(), 32));
  EXPECT_NE(std::search(std::begin(room), std::end(room), key.begin(), key.end()), std::end(room));
  cipher->~AesGcm256();
  asm volatile("" ::"r"(room) : "memory");
  EXPECT_TRUE(std::all_of(std::begin(room), std::end(room), [](std::byte value) { return value == std::byte{0}; }));
}

TEST_F(CryptoTest, DifferentSizesPanic) {
  const Buffer key(32);
  AesGcm256 cipher(std::span<const std::byte, 32>(key.data(), 32));
  Buffer tag(16);
  Buffer small(3);
  EXPECT_DEATH(cipher.seal(std::span<const std::byte, 12>(key.data(), 12), {}, key, small,
                           std::span<std::byte, 16>(tag.data(), 16)),
               "sizes differ");
}

Buffer sha256_of(const Buffer& data) {
  Buffer digest(32);
  sha256(data, std::span<std::byte, 32>(digest.data(), 32));
  return digest;
}

TEST_F(CryptoTest, Sha256AgreesWithFips) {
  EXPECT_EQ(to_hex(sha256_of({})), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(to_hex(sha256_of(text_bytes("abc"))), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(to_hex(sha256_of(Buffer(1000000, std::byte{'a'}))),
            "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

TEST_F(CryptoTest, Sha256AgreesWithEvpInAnyPieces) {
  SCOPED_TRACE(testing::Message() << "seed " << seed_);
  for (std::size_t size = 0; size < 66000; size = size < 300 ? size + 1 : size * 2 + 13) {
    const Buffer data = random_buffer(size);
    Buffer expected(32);
    SHA256(raw(data), size, raw(expected));
    ASSERT_EQ(sha256_of(data), expected) << size;
    Sha256 hash;
    for (std::size_t at = 0; at < size;) {
      const std::size_t piece = std::min<std::size_t>(size - at, random_() % 150);
      hash.update(std::span(data).subspan(at, piece));
      at += piece;
    }
    Buffer digest(32);
    hash.finish(std::span<std::byte, 32>(digest.data(), 32));
    ASSERT_EQ(digest, expected) << size;
  }
}

// RFC 4231, cases 1, 2, 3 and 6.
TEST_F(CryptoTest, HmacAgreesWithItsRfc) {
  const auto hmac = [](const Buffer& key, const Buffer& data) {
    Buffer mac(32);
    hmac_sha256(key, data, std::span<std::byte, 32>(mac.data(), 32));
    return to_hex(mac);
  };
  EXPECT_EQ(hmac(Buffer(20, std::byte{0x0b}), text_bytes("Hi There")),
            "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");
  EXPECT_EQ(hmac(text_bytes("Jefe"), text_bytes("what do ya want for nothing?")),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
  EXPECT_EQ(hmac(Buffer(20, std::byte{0xaa}), Buffer(50, std::byte{0xdd})),
            "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe");
  EXPECT_EQ(hmac(Buffer(131, std::byte{0xaa}), text_bytes("Test Using Larger Than Block-Size Key - Hash Key First")),
            "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
}

TEST_F(CryptoTest, HmacAgreesWithOpenssl) {
  SCOPED_TRACE(testing::Message() << "seed " << seed_);
  for (std::size_t size = 0; size < 200; ++size) {
    const Buffer key = random_buffer(size);
    const Buffer data = random_buffer(random_() % 500);
    Buffer expected(32);
    unsigned length = 0;
    static const unsigned char kNothing = 0;
    HMAC(EVP_sha256(), key.empty() ? &kNothing : raw(key), static_cast<int>(size), raw(data), data.size(),
         raw(expected), &length);
    Buffer mac(32);
    hmac_sha256(key, data, std::span<std::byte, 32>(mac.data(), 32));
    ASSERT_EQ(mac, expected) << size;
  }
}

// RFC 5869, cases 1 to 3.
TEST_F(CryptoTest, HkdfAgreesWithItsRfc) {
  const auto hkdf = [](const Buffer& key, const Buffer& salt, const Buffer& info, std::size_t size) {
    Buffer output(size);
    hkdf_sha256(key, salt, info, output);
    return to_hex(output);
  };
  EXPECT_EQ(hkdf(Buffer(22, std::byte{0x0b}), hex("000102030405060708090a0b0c"), hex("f0f1f2f3f4f5f6f7f8f9"), 42),
            "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865");
  Buffer counting(80);
  for (std::size_t i = 0; i < 80; ++i) counting[i] = static_cast<std::byte>(i);
  Buffer salt(80);
  Buffer info(80);
  for (std::size_t i = 0; i < 80; ++i) {
    salt[i] = static_cast<std::byte>(0x60 + i);
    info[i] = static_cast<std::byte>(0xb0 + i);
  }
  EXPECT_EQ(
      hkdf(counting, salt, info, 82),
      "b11e398dc80327a1c8e7f78c596a49344f012eda2d4efad8a050cc4c19afa97c59045a99cac7827271cb41c65e590e09da3275600c2f"
      "09b8367793a9aca3db71cc30c58179ec3e87c14c01d5c1f3434f1d87");
  EXPECT_EQ(hkdf(Buffer(22, std::byte{0x0b}), {}, {}, 42),
            "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8");
  Buffer too_long(255 * 32 + 1);
  EXPECT_DEATH(hkdf_sha256(counting, {}, {}, too_long), "too much output");
}

// RFC 4493, section 4.
TEST_F(CryptoTest, CmacAgreesWithItsRfc) {
  const Buffer key = hex("2b7e151628aed2a6abf7158809cf4f3c");
  const Buffer text = hex(
      "6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e5130c81c46a35ce411e5fbc1191a0a52eff69f2445df4f9b17"
      "ad2b417be66c3710");
  const auto cmac = [&](std::size_t size) {
    Buffer mac(16);
    aes128_cmac(std::span<const std::byte, 16>(key.data(), 16), std::span(text).first(size),
                std::span<std::byte, 16>(mac.data(), 16));
    return to_hex(mac);
  };
  EXPECT_EQ(cmac(0), "bb1d6929e95937287fa37d129b756746");
  EXPECT_EQ(cmac(16), "070a16b46b4d4144f79bdd9dd04a287c");
  EXPECT_EQ(cmac(40), "dfa66747de9ae63030ca32611497c827");
  EXPECT_EQ(cmac(64), "51f0bebf7e3b9d92fc49741779363cfe");
}

TEST_F(CryptoTest, CmacAgreesWithEvp) {
  SCOPED_TRACE(testing::Message() << "seed " << seed_);
  EVP_MAC* mac = EVP_MAC_fetch(nullptr, "CMAC", nullptr);
  for (std::size_t size = 0; size < 300; ++size) {
    const Buffer key = random_buffer(16);
    const Buffer data = random_buffer(size);
    char cipher[] = "AES-128-CBC";
    const OSSL_PARAM parameters[] = {OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_CIPHER, cipher, 0),
                                     OSSL_PARAM_construct_end()};
    EVP_MAC_CTX* context = EVP_MAC_CTX_new(mac);
    Buffer expected(16);
    std::size_t length = 0;
    ASSERT_EQ(EVP_MAC_init(context, raw(key), 16, parameters), 1);
    ASSERT_EQ(EVP_MAC_update(context, raw(data), size), 1);
    ASSERT_EQ(EVP_MAC_final(context, raw(expected), &length, 16), 1);
    EVP_MAC_CTX_free(context);
    Buffer computed(16);
    aes128_cmac(std::span<const std::byte, 16>(key.data(), 16), data, std::span<std::byte, 16>(computed.data(), 16));
    ASSERT_EQ(computed, expected) << size;
  }
  EVP_MAC_free(mac);
}

TEST_F(CryptoTest, EveryCodePathOfTheAssemblerIsRight) {
  const std::uint32_t plain[4] = {1U << 24 | 1U << 26, 1U << 25 | 1U << 1 | 1U << 9, 0, 0};  // no AVX, no SHA
  libcrypto::set_capabilities(plain);
  const bool good = crypto_self_test();
  init_crypto();
  EXPECT_TRUE(good);
  EXPECT_TRUE(crypto_self_test());
}

}  // namespace
}  // namespace coffer::kernel
