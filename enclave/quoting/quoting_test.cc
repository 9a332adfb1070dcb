// The two enclaves' work over the software processor's key derivation, outside enclaves.
#include <coffer/sealing.h>
#include <gtest/gtest.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>

#include <cstring>

#include "enclave/quoting/certifier.h"
#include "enclave/quoting/p256.h"
#include "enclave/quoting/quoter.h"
#include "enclave/sdk/platform.h"
#include "enclave/sdk/testing/fake_platform.h"

namespace coffer::quoting {
namespace {

using sdk::testing::become;
using sdk::testing::identity;

constexpr std::uint8_t kSigner = 7;

sgx::Secs quoting_enclave(std::uint8_t signer = kSigner) {
  auto secs = identity(1, signer, 1);
  secs.isv_prod_id = kQuotingProduct;
  return secs;
}
sgx::Secs certifying_enclave(std::uint8_t signer = kSigner) {
  auto secs = identity(2, signer, 1);
  secs.isv_prod_id = kCertifierProduct;
  return secs;
}
sgx::Secs program() { return identity(3, 9, 5); }

// By OpenSSL, from the outside's view: x, y and r, s.
bool verifies(const Point& key, ByteView message, const Signature& signature) {
  unsigned char encoded[65] = {4};
  std::memcpy(encoded + 1, key.data(), key.size());
  OSSL_PARAM parameters[] = {
      OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, const_cast<char*>("prime256v1"), 0),
      OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PUB_KEY, encoded, sizeof(encoded)), OSSL_PARAM_construct_end()};
  EVP_PKEY_CTX* context = EVP_PKEY_CTX_new_from_name(nullptr, "EC", nullptr);
  EVP_PKEY* made = nullptr;
  EXPECT_EQ(EVP_PKEY_fromdata_init(context), 1);
  const bool is_key = EVP_PKEY_fromdata(context, &made, EVP_PKEY_PUBLIC_KEY, parameters) == 1;
  EVP_PKEY_CTX_free(context);
  if (!is_key) return false;
  ECDSA_SIG* raw = ECDSA_SIG_new();
  ECDSA_SIG_set0(raw, BN_bin2bn(signature.data(), 32, nullptr), BN_bin2bn(signature.data() + 32, 32, nullptr));
  unsigned char* der = nullptr;
  const int size = i2d_ECDSA_SIG(raw, &der);
  EVP_MD_CTX* digest = EVP_MD_CTX_new();
  const bool good = EVP_DigestVerifyInit_ex(digest, nullptr, "SHA256", nullptr, nullptr, made, nullptr) == 1 &&
                    EVP_DigestVerify(digest, der, static_cast<std::size_t>(size),
                                     reinterpret_cast<const unsigned char*>(message.data()), message.size()) == 1;
  EVP_MD_CTX_free(digest);
  OPENSSL_free(der);
  ECDSA_SIG_free(raw);
  EVP_PKEY_free(made);
  return good;
}

TEST(KeyPairs, AreDerivedAlwaysTheSameAndSign) {
  std::array<std::byte, 40> material{};
  material.fill(std::byte{0x5a});
  const auto first = KeyPair::derive(material);
  const auto second = KeyPair::derive(material);
  ASSERT_TRUE(first && second);
  EXPECT_EQ(first->public_key(), second->public_key());
  const auto signature = first->sign(bytes_of(material));
  ASSERT_TRUE(signature);
  EXPECT_TRUE(verifies(first->public_key(), bytes_of(material), *signature));
  material[0] ^= std::byte{1};
  EXPECT_FALSE(verifies(first->public_key(), bytes_of(material), *signature));
  EXPECT_NE(KeyPair::derive(material)->public_key(), first->public_key());
}

TEST(KeyPairs, ScalarsOutOfRangeAreRefused) {
  std::array<std::byte, 32> scalar{};
  EXPECT_FALSE(KeyPair::from_scalar(scalar)) << "zero";
  scalar.fill(std::byte{0xff});
  EXPECT_FALSE(KeyPair::from_scalar(scalar)) << "above the group's order";
  scalar.fill(std::byte{0});
  scalar[31] = std::byte{1};
  const auto one = KeyPair::from_scalar(scalar);
  ASSERT_TRUE(one);
  // The generator of P-256 (SEC 2, 2.4.2).
  EXPECT_EQ(one->public_key()[0], 0x6b);
  EXPECT_EQ(one->public_key()[63], 0xf5);
}

// A platform with a certified key, and a report of the program for the quoting enclave.
class QuotingTest : public ::testing::Test {
 protected:
  void SetUp() override {
    become(certifying_enclave());
    ASSERT_EQ(certifier_target(certifier_), Status::kDone);
    ASSERT_EQ(certifier_public_key({.generation = 4}, pck_), Status::kDone);
    become(quoting_enclave());
    ASSERT_EQ(quoting_target(quoter_), Status::kDone);
    ASSERT_EQ(make_key(certifier_, made_), Status::kDone);
    become(certifying_enclave());
    ASSERT_EQ(certify({.generation = 4, .report = made_.report}, certification_), Status::kDone);
    report_ = report_of(program(), quoter_);
  }
  void TearDown() override { sdk::testing::leave(); }

  static sgx::Report report_of(const sgx::Secs& who, const sgx::TargetInfo& target) {
    become(who);
    sgx::Bytes<64> data{};
    data.fill(0x42);
    const auto report = sdk::platform::make_report(target, data);
    EXPECT_TRUE(report);
    return *report;
  }
  [[nodiscard]] QuoteOrder order() const {
    return {.report = report_,
            .key_report = made_.report.body,
            .key_certification = certification_,
            .format = 3,
            .sealed_size = static_cast<std::uint32_t>(made_.sealed_size),
            .chain_size = static_cast<std::uint32_t>(kChain.size())};
  }
  [[nodiscard]] std::vector<std::byte> order_bytes(const QuoteOrder& given) const {
    const auto fixed = bytes_of(given);
    std::vector<std::byte> bytes(fixed.begin(), fixed.end());
    const auto sealed = bytes_of(made_.sealed).first(made_.sealed_size);
    bytes.insert(bytes.end(), sealed.begin(), sealed.end());
    const auto chain = std::as_bytes(std::span(kChain));
    bytes.insert(bytes.end(), chain.begin(), chain.end());
    return bytes;
  }
  Status quote(const QuoteOrder& given) {
    become(quoting_enclave());
    return make_quote(order_bytes(given), quote_);
  }

  static constexpr std::string_view kChain = "a chain in PEM";
  sgx::TargetInfo certifier_, quoter_;
  Point pck_{};
  MadeKey made_;
  Signature certification_{};
  sgx::Report report_;
  std::vector<std::byte> quote_;
};

TEST_F(QuotingTest, AQuoteHoldsTheReportAndTwoSignatures) {
  ASSERT_EQ(quote(order()), Status::kDone);
  ASSERT_EQ(quote_.size(), kQuoteWithoutChain - 6 + kChain.size());
  EXPECT_EQ(std::memcmp(quote_.data() + 48, &report_.body, 384), 0);
  Signature signature;
  Point key;
  std::memcpy(&signature, quote_.data() + 436, 64);
  std::memcpy(&key, quote_.data() + 500, 64);
  EXPECT_TRUE(verifies(key, ByteView(quote_).first(432), signature));
  // The PCK over the key's report, and the key in the report's data.
  EXPECT_TRUE(verifies(pck_, ByteView(quote_).subspan(564, 384), certification_));
  EXPECT_EQ(std::memcmp(quote_.data() + 564 + 384, &certification_, 64), 0);
  std::vector<std::byte> bound(quote_.begin() + 500, quote_.begin() + 564);
  bound.insert(bound.end(), quote_.begin() + 564 + 384 + 64 + 2, quote_.begin() + 564 + 384 + 64 + 2 + 32);
  unsigned char digest[32];
  std::size_t size = 0;
  ASSERT_EQ(EVP_Q_digest(nullptr, "SHA256", nullptr, bound.data(), bound.size(), digest, &size), 1);
  EXPECT_EQ(std::memcmp(digest, quote_.data() + 564 + 320, 32), 0);
}

TEST_F(QuotingTest, VersionFourNestsTheKeysReport) {
  auto given = order();
  given.format = 4;
  ASSERT_EQ(quote(given), Status::kDone);
  EXPECT_EQ(quote_.size(), kQuoteWithoutChain + kChain.size());
  std::uint16_t version = 0, kind = 0;
  std::uint32_t inner = 0;
  std::memcpy(&version, quote_.data(), 2);
  std::memcpy(&kind, quote_.data() + 564, 2);
  std::memcpy(&inner, quote_.data() + 566, 4);
  EXPECT_EQ(version, 4);
  EXPECT_EQ(kind, kKeyReportType);
  EXPECT_EQ(inner, quote_.size() - 570);
}

TEST_F(QuotingTest, OnlyGenuineReportsForTheQuotingEnclaveAreQuoted) {
  auto given = order();
  for (const std::size_t at : {0u, 64u, 320u, 383u, 384u, 416u}) {
    given = order();
    writable_bytes_of(given.report)[at] ^= std::byte{1};
    EXPECT_EQ(quote(given), Status::kRefused) << at;
  }
  given = order();
  given.report = report_of(program(), certifier_);
  EXPECT_EQ(quote(given), Status::kRefused) << "for another target";
}

TEST_F(QuotingTest, TheSealedKeyIsTheOneThatWasCertified) {
  auto given = order();
  given.key_report.report_data[0] ^= 1;
  EXPECT_EQ(quote(given), Status::kKey);
  made_.sealed[40] ^= 1;
  EXPECT_EQ(quote(order()), Status::kKey);
}

TEST_F(QuotingTest, AnotherSignersEnclaveCannotOpenTheKey) {
  const auto target_of_other = [this] {
    become(quoting_enclave(kSigner + 1));
    sgx::TargetInfo target;
    EXPECT_EQ(quoting_target(target), Status::kDone);
    return target;
  }();
  auto given = order();
  given.report = report_of(program(), target_of_other);
  become(quoting_enclave(kSigner + 1));
  EXPECT_EQ(make_quote(order_bytes(given), quote_), Status::kKey);
}

TEST_F(QuotingTest, MalformedOrdersAreRefused) {
  const auto whole = order_bytes(order());
  become(quoting_enclave());
  for (std::size_t size = 0; size < whole.size(); ++size) {
    ASSERT_EQ(make_quote(ByteView(whole).first(size), quote_), Status::kMalformed) << size;
  }
  auto longer = whole;
  longer.push_back({});
  EXPECT_EQ(make_quote(longer, quote_), Status::kMalformed);
  auto given = order();
  given.format = 5;
  EXPECT_EQ(quote(given), Status::kMalformed);
  given = order();
  given.chain_size = 0xffffffff;
  EXPECT_EQ(quote(given), Status::kMalformed);
  given = order();
  given.sealed_size = kMostSealedKey + 1;
  EXPECT_EQ(quote(given), Status::kMalformed);
}

TEST_F(QuotingTest, TheCertifierSignsForThePlatformsQuotingEnclaveOnly) {
  Signature signature;
  const auto certify_report = [&signature](const sgx::Report& report) {
    become(certifying_enclave());
    return certify({.generation = 4, .report = report}, signature);
  };
  EXPECT_EQ(certify_report(made_.report), Status::kDone);
  EXPECT_EQ(certify_report(report_of(program(), certifier_)), Status::kIdentity);
  EXPECT_EQ(certify_report(report_of(quoting_enclave(kSigner + 1), certifier_)), Status::kIdentity);
  EXPECT_EQ(certify_report(report_of(certifying_enclave(), certifier_)), Status::kIdentity) << "its product";
  auto debug = quoting_enclave();
  debug.attributes.flags |= sgx::attribute::kDebug;
  EXPECT_EQ(certify_report(report_of(debug, certifier_)), Status::kIdentity);
  EXPECT_EQ(certify_report(report_of(quoting_enclave(), quoter_)), Status::kRefused) << "for another target";
  auto changed = made_.report;
  changed.body.report_data[0] ^= 1;
  EXPECT_EQ(certify_report(changed), Status::kRefused);
}

TEST_F(QuotingTest, KeysDependOnGenerationPlatformAndSigner) {
  const auto key = [](const sgx::Secs& who, std::uint64_t generation, int platform) {
    become(who, platform);
    Point point{};
    EXPECT_EQ(certifier_public_key({.generation = generation}, point), Status::kDone);
    return point;
  };
  EXPECT_EQ(key(certifying_enclave(), 4, 0), pck_);
  EXPECT_NE(key(certifying_enclave(), 5, 0), pck_);
  EXPECT_NE(key(certifying_enclave(), 4, 1), pck_);
  EXPECT_NE(key(certifying_enclave(kSigner + 1), 4, 0), pck_);
  auto newer_build = certifying_enclave();
  newer_build.mrenclave.bytes[0] ^= 1;
  EXPECT_EQ(key(newer_build, 4, 0), pck_) << "an upgrade must keep the certificate";
  auto debug = certifying_enclave();
  debug.attributes.flags |= sgx::attribute::kDebug;
  EXPECT_NE(key(debug, 4, 0), pck_) << "a debug enclave is open to whoever runs it";
}

}  // namespace
}  // namespace coffer::quoting
