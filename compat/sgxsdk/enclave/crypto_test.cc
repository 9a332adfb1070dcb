#include <gmock/gmock.h>
#include <openssl/bn.h>

#include <cstring>
#include <string>
#include <vector>

#include "base/hex.h"
#include "compat/sgxsdk/include/sgx_tcrypto.h"

namespace {

using Bytes = std::vector<std::uint8_t>;

template <class Range>
std::string hex(const Range& bytes) {
  return coffer::to_hex(std::as_bytes(std::span(bytes)));
}
Bytes from_hex(std::string_view text) {
  Bytes bytes;
  for (std::size_t i = 0; i + 1 < text.size(); i += 2) {
    bytes.push_back(static_cast<std::uint8_t>(std::stoi(std::string(text.substr(i, 2)), nullptr, 16)));
  }
  return bytes;
}
template <class Array>
void fill(Array& array, std::string_view text) {
  const Bytes bytes = from_hex(text);
  ASSERT_EQ(bytes.size(), sizeof(array));
  std::memcpy(&array, bytes.data(), sizeof(array));
}

TEST(Crypto, Hashes) {  // FIPS 180-4's "abc"
  const auto* abc = reinterpret_cast<const std::uint8_t*>("abc");
  sgx_sha256_hash_t sha256;
  ASSERT_EQ(sgx_sha256_msg(abc, 3, &sha256), SGX_SUCCESS);
  EXPECT_EQ(hex(sha256), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  sgx_sha1_hash_t sha1;
  ASSERT_EQ(sgx_sha1_msg(abc, 3, &sha1), SGX_SUCCESS);
  EXPECT_EQ(hex(sha1), "a9993e364706816aba3e25717850c26c9cd0d89d");

  sgx_sha_state_handle_t state = nullptr;
  ASSERT_EQ(sgx_sha384_init(&state), SGX_SUCCESS);
  EXPECT_EQ(sgx_sha384_update(abc, 1, state), SGX_SUCCESS);
  sgx_sha384_hash_t early, sha384;
  EXPECT_EQ(sgx_sha384_get_hash(state, &early), SGX_SUCCESS);
  EXPECT_EQ(sgx_sha384_update(abc + 1, 2, state), SGX_SUCCESS);
  EXPECT_EQ(sgx_sha384_get_hash(state, &sha384), SGX_SUCCESS);
  EXPECT_NE(hex(early), hex(sha384));
  EXPECT_EQ(hex(sha384),
            "cb00753f45a35e8bb5a03d699ac65007272c32ab0eded1631a8b605a43ff5bed8086072ba1e7cc2358baeca134c825a7");
  EXPECT_EQ(sgx_sha384_close(state), SGX_SUCCESS);
  EXPECT_EQ(sgx_sha256_msg(nullptr, 1, &sha256), SGX_ERROR_INVALID_PARAMETER);
  EXPECT_EQ(sgx_sha256_msg(nullptr, 0, &sha256), SGX_SUCCESS);
}

TEST(Crypto, Macs) {
  sgx_cmac_128bit_key_t key;  // RFC 4493, 4: the 16-byte message
  fill(key, "2b7e151628aed2a6abf7158809cf4f3c");
  const Bytes message = from_hex("6bc1bee22e409f96e93d7e117393172a");
  sgx_cmac_128bit_tag_t tag;
  ASSERT_EQ(sgx_rijndael128_cmac_msg(&key, message.data(), 16, &tag), SGX_SUCCESS);
  EXPECT_EQ(hex(tag), "070a16b46b4d4144f79bdd9dd04a287c");
  sgx_cmac_state_handle_t state = nullptr;
  ASSERT_EQ(sgx_cmac128_init(&key, &state), SGX_SUCCESS);
  EXPECT_EQ(sgx_cmac128_update(message.data(), 5, state), SGX_SUCCESS);
  EXPECT_EQ(sgx_cmac128_update(message.data() + 5, 11, state), SGX_SUCCESS);
  sgx_cmac_128bit_tag_t in_pieces;
  EXPECT_EQ(sgx_cmac128_final(state, &in_pieces), SGX_SUCCESS);
  EXPECT_EQ(hex(in_pieces), hex(tag));
  EXPECT_EQ(sgx_cmac128_close(state), SGX_SUCCESS);

  std::uint8_t mac[32];  // RFC 4231, test case 2
  const auto* text = reinterpret_cast<const unsigned char*>("what do ya want for nothing?");
  ASSERT_EQ(sgx_hmac_sha256_msg(text, 28, reinterpret_cast<const unsigned char*>("Jefe"), 4, mac, 32), SGX_SUCCESS);
  EXPECT_EQ(hex(mac), "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
}

TEST(Crypto, AuthenticatedEncryption) {  // NIST GCM test case 3 without associated data
  sgx_aes_gcm_128bit_key_t key;
  fill(key, "feffe9928665731c6d6a8f9467308308");
  const Bytes iv = from_hex("cafebabefacedbaddecaf888");
  const Bytes text = from_hex(
      "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657"
      "ba637b391aafd255");
  Bytes sealed(text.size()), opened(text.size());
  sgx_aes_gcm_128bit_tag_t tag;
  ASSERT_EQ(sgx_rijndael128GCM_encrypt(&key, text.data(), 64, sealed.data(), iv.data(), 12, nullptr, 0, &tag),
            SGX_SUCCESS);
  EXPECT_EQ(hex(tag), "4d5c2af327cd64a62cf35abd2ba6fab4");
  ASSERT_EQ(sgx_rijndael128GCM_decrypt(&key, sealed.data(), 64, opened.data(), iv.data(), 12, nullptr, 0, &tag),
            SGX_SUCCESS);
  EXPECT_EQ(opened, text);
  tag[3] ^= 1;
  EXPECT_EQ(sgx_rijndael128GCM_decrypt(&key, sealed.data(), 64, opened.data(), iv.data(), 12, nullptr, 0, &tag),
            SGX_ERROR_MAC_MISMATCH);
  EXPECT_EQ(opened, Bytes(64)) << "what was not authentic must not stay";
  EXPECT_EQ(sgx_rijndael128GCM_encrypt(&key, text.data(), 64, sealed.data(), iv.data(), 11, nullptr, 0, &tag),
            SGX_ERROR_INVALID_PARAMETER);
}

TEST(Crypto, CounterModeGoesOnWhereItStopped) {  // NIST SP 800-38A, F.5.1
  sgx_aes_ctr_128bit_key_t key;
  fill(key, "2b7e151628aed2a6abf7158809cf4f3c");
  Bytes counter = from_hex("f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff");
  const Bytes text = from_hex("6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51");
  Bytes out(32);
  ASSERT_EQ(sgx_aes_ctr_encrypt(&key, text.data(), 16, counter.data(), 128, out.data()), SGX_SUCCESS);
  EXPECT_EQ(hex(counter), "f0f1f2f3f4f5f6f7f8f9fafbfcfdff00");
  ASSERT_EQ(sgx_aes_ctr_encrypt(&key, text.data() + 16, 16, counter.data(), 128, out.data() + 16), SGX_SUCCESS);
  EXPECT_EQ(hex(out), "874d6191b620e3261bef6864990db6ce9806f66b7970fdff8617187bb9fffdff");
}

TEST(Crypto, CurveNumbersAreLittleEndian) {  // RFC 5903, 8.1
  auto reversed = [](std::string_view text) {
    Bytes bytes = from_hex(text);
    std::ranges::reverse(bytes);
    return bytes;
  };
  sgx_ec256_private_t secret;
  sgx_ec256_public_t peer, own;
  std::memcpy(&secret, reversed("c88f01f510d9ac3f70a292daa2316de544e9aab8afe84049c62a9c57862d1433").data(), 32);
  std::memcpy(peer.gx, reversed("d12dfb5289c8d4f81208b70270398c342296970a0bccb74c736fc7554494bf63").data(), 32);
  std::memcpy(peer.gy, reversed("56fbf3ca366cc23e8157854c13c58d6aac23f046ada30f8353e74f33039872ab").data(), 32);
  sgx_ecc_state_handle_t curve = nullptr;
  ASSERT_EQ(sgx_ecc256_open_context(&curve), SGX_SUCCESS);
  sgx_ec256_dh_shared_t shared;
  ASSERT_EQ(sgx_ecc256_compute_shared_dhkey(&secret, &peer, &shared, curve), SGX_SUCCESS);
  EXPECT_EQ(Bytes(shared.s, shared.s + 32),
            reversed("d6840f6b42f6edafd13116e0e12565202fef8e9ece7dce03812464d04b9442de"));
  ASSERT_EQ(sgx_ecc256_calculate_pub_from_priv(&secret, &own), SGX_SUCCESS);
  EXPECT_EQ(Bytes(own.gx, own.gx + 32), reversed("dad0b65394221cf9b051e1feca5787d098dfe637fc90b9ef945d0c3772581180"));

  peer.gy[0] ^= 1;  // not on the curve
  int valid = 1;
  EXPECT_EQ(sgx_ecc256_check_point(&peer, curve, &valid), SGX_SUCCESS);
  EXPECT_EQ(valid, 0);
  EXPECT_EQ(sgx_ecc256_compute_shared_dhkey(&secret, &peer, &shared, curve), SGX_ERROR_INVALID_PARAMETER);
  const sgx_ec256_private_t zero{};
  EXPECT_EQ(sgx_ecc256_calculate_pub_from_priv(&zero, &own), SGX_ERROR_INVALID_PARAMETER);
}

TEST(Crypto, CurveSignatures) {
  sgx_ecc_state_handle_t curve = nullptr;
  ASSERT_EQ(sgx_ecc256_open_context(&curve), SGX_SUCCESS);
  sgx_ec256_private_t secret;
  sgx_ec256_public_t own;
  ASSERT_EQ(sgx_ecc256_create_key_pair(&secret, &own, curve), SGX_SUCCESS);
  const Bytes text = {1, 2, 3};
  sgx_ec256_signature_t signature;
  ASSERT_EQ(sgx_ecdsa_sign(text.data(), 3, &secret, &signature, curve), SGX_SUCCESS);
  std::uint8_t result = 99;
  EXPECT_EQ(sgx_ecdsa_verify(text.data(), 3, &own, &signature, &result, curve), SGX_SUCCESS);
  EXPECT_EQ(result, SGX_EC_VALID);
  EXPECT_EQ(sgx_ecdsa_verify(text.data(), 2, &own, &signature, &result, curve), SGX_SUCCESS);
  EXPECT_EQ(result, SGX_EC_INVALID_SIGNATURE);
  signature.y[0] ^= 1;
  EXPECT_EQ(sgx_ecdsa_verify(text.data(), 3, &own, &signature, &result, curve), SGX_SUCCESS);
  EXPECT_EQ(result, SGX_EC_INVALID_SIGNATURE);
}

TEST(Crypto, Rsa) {
  Bytes n(384), d(384), e = {1, 0, 1, 0}, p(192), q(192), dmp1(192), dmq1(192), iqmp(192);
  ASSERT_EQ(sgx_create_rsa_key_pair(384, 4, n.data(), d.data(), e.data(), p.data(), q.data(), dmp1.data(), dmq1.data(),
                                    iqmp.data()),
            SGX_SUCCESS);
  sgx_rsa3072_key_t key;
  sgx_rsa3072_public_key_t public_key;
  std::ranges::copy(n, key.mod), std::ranges::copy(d, key.d), std::ranges::copy(e, key.e);
  std::ranges::copy(n, public_key.mod), std::ranges::copy(e, public_key.exp);
  const Bytes text = {5, 6, 7};
  sgx_rsa3072_signature_t signature;
  ASSERT_EQ(sgx_rsa3072_sign_ex(text.data(), 3, &key, &public_key, &signature), SGX_SUCCESS);
  sgx_rsa_result_t result = SGX_RSA_INVALID_SIGNATURE;
  EXPECT_EQ(sgx_rsa3072_verify(text.data(), 3, &public_key, &signature, &result), SGX_SUCCESS);
  EXPECT_EQ(result, SGX_RSA_VALID);
  EXPECT_EQ(sgx_rsa3072_verify(text.data(), 2, &public_key, &signature, &result), SGX_SUCCESS);
  EXPECT_EQ(result, SGX_RSA_INVALID_SIGNATURE);

  void *sealer = nullptr, *by_factors = nullptr, *by_exponent = nullptr;
  ASSERT_EQ(sgx_create_rsa_pub1_key(384, 4, n.data(), e.data(), &sealer), SGX_SUCCESS);
  ASSERT_EQ(sgx_create_rsa_priv2_key(384, 4, e.data(), p.data(), q.data(), dmp1.data(), dmq1.data(), iqmp.data(),
                                     &by_factors),
            SGX_SUCCESS);
  ASSERT_EQ(sgx_create_rsa_priv1_key(384, 4, 384, n.data(), e.data(), d.data(), &by_exponent), SGX_SUCCESS);
  std::size_t size = 0;
  ASSERT_EQ(sgx_rsa_pub_encrypt_sha256(sealer, nullptr, &size, text.data(), text.size()), SGX_SUCCESS);
  EXPECT_EQ(size, 384u);
  Bytes sealed(size);
  ASSERT_EQ(sgx_rsa_pub_encrypt_sha256(sealer, sealed.data(), &size, text.data(), text.size()), SGX_SUCCESS);
  for (const void* opener : {by_factors, by_exponent}) {
    Bytes opened(384);
    size = opened.size();
    ASSERT_EQ(sgx_rsa_priv_decrypt_sha256(opener, opened.data(), &size, sealed.data(), sealed.size()), SGX_SUCCESS);
    opened.resize(size);
    EXPECT_EQ(opened, text);
  }
  sgx_free_rsa_key(sealer, SGX_RSA_PUBLIC_KEY, 384, 4);
  sgx_free_rsa_key(by_factors, SGX_RSA_PRIVATE_KEY, 384, 4);
  sgx_free_rsa_key(by_exponent, SGX_RSA_PRIVATE_KEY, 384, 4);
}

}  // namespace
