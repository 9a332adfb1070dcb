#include <gtest/gtest.h>
#include <openenclave/attestation/attester.h>
#include <openenclave/attestation/sgx/evidence.h>
#include <openenclave/attestation/verifier.h>
#include <openenclave/enclave.h>
#include <openenclave/internal/report.h>

#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include "enclave/sdk/testing/fake_platform.h"

namespace {

using coffer::sdk::testing::become;
using coffer::sdk::testing::identity;
using Buffer = std::vector<std::uint8_t>;

constexpr oe_uuid_t kLocal = {OE_FORMAT_UUID_SGX_LOCAL_ATTESTATION};
constexpr oe_uuid_t kOther = {OE_FORMAT_UUID_SGX_ECDSA};
constexpr std::size_t kReport = 432, kHeader = 16;

class Evidence : public ::testing::Test {
 protected:
  void SetUp() override {
    become(identity());
    std::uint8_t* made = nullptr;
    std::size_t size = 0;
    ASSERT_EQ(oe_verifier_get_format_settings(&kLocal, &made, &size), OE_OK);
    settings.assign(made, made + size);
    oe_verifier_free_format_settings(made);
  }

  Buffer make(std::uint32_t flags, const std::string& words) {
    std::uint8_t *made = nullptr, *endorsements = nullptr;
    std::size_t size = 0, endorsed = 1;
    EXPECT_EQ(oe_get_evidence(&kLocal, flags, words.data(), words.size(), settings.data(), settings.size(), &made,
                              &size, &endorsements, &endorsed),
              OE_OK);
    EXPECT_EQ(endorsed, 0u);
    const Buffer result(made, made + size);
    oe_free_evidence(made);
    return result;
  }
  // Leaves what it said in `custom` and `unique`.
  oe_result_t verify(const oe_uuid_t* format, const Buffer& given) {
    const Buffer exact(given);
    oe_claim_t* claims = nullptr;
    std::size_t count = 0;
    const oe_result_t result =
        oe_verify_evidence(format, exact.data(), exact.size(), nullptr, 0, nullptr, 0, &claims, &count);
    EXPECT_EQ(claims != nullptr, result == OE_OK);
    for (std::size_t i = 0; i < count; ++i) {
      const std::string_view name = claims[i].name;
      if (name == OE_CLAIM_CUSTOM_CLAIMS_BUFFER) {
        custom.assign(reinterpret_cast<const char*>(claims[i].value), claims[i].value_size);
      } else if (name == OE_CLAIM_UNIQUE_ID) {
        unique.assign(claims[i].value, claims[i].value + claims[i].value_size);
      }
    }
    oe_free_claims(claims, count);
    return result;
  }

  Buffer settings, unique;
  std::string custom;
};

TEST_F(Evidence, SaysWhoMadeItAndWhatWasBound) {
  for (const std::string& words : {std::string(), std::string("bound")}) {
    ASSERT_EQ(verify(&kLocal, make(0, words)), OE_OK);
    EXPECT_EQ(custom, words);
    EXPECT_EQ(unique, Buffer(32, 1));
    ASSERT_EQ(verify(nullptr, make(OE_EVIDENCE_FLAGS_EMBED_FORMAT_ID, words)), OE_OK);
    EXPECT_EQ(custom, words);
  }
}

TEST_F(Evidence, NotEvenOneBitChangesAndNoByteIsMissing) {
  const Buffer good = make(OE_EVIDENCE_FLAGS_EMBED_FORMAT_ID, "bound");
  for (std::size_t i = 0; i < good.size(); ++i) {
    Buffer changed = good;
    changed[i] ^= 1;
    EXPECT_NE(verify(nullptr, changed), OE_OK) << "byte " << i;
    EXPECT_NE(verify(nullptr, Buffer(good.begin(), good.begin() + static_cast<std::ptrdiff_t>(i))), OE_OK) << i;
  }
  Buffer longer = good;
  longer.push_back('!');
  EXPECT_EQ(verify(nullptr, longer), OE_QUOTE_HASH_MISMATCH);
  EXPECT_EQ(verify(&kOther, good), OE_NOT_FOUND);
  EXPECT_EQ(verify(&kLocal, Buffer(kReport - 1)), OE_INVALID_PARAMETER);
}

// Evidence for one enclave says nothing to another.
TEST_F(Evidence, IsForOneVerifier) {
  const Buffer good = make(0, "bound");
  become(identity(9, 9));
  EXPECT_EQ(verify(&kLocal, good), OE_VERIFY_FAILED_AES_CMAC_MISMATCH);
}

TEST_F(Evidence, ArgumentsThatMakeNoSense) {
  std::uint8_t* made = nullptr;
  std::size_t size = 0;
  const auto get = [&](const oe_uuid_t* format, std::uint32_t flags, const void* words, std::size_t words_size,
                       std::size_t settings_size) {
    return oe_get_evidence(format, flags, words, words_size, settings.data(), settings_size, &made, &size, nullptr,
                           nullptr);
  };
  EXPECT_EQ(get(nullptr, 0, "", 0, settings.size()), OE_INVALID_PARAMETER);
  EXPECT_EQ(get(&kOther, 0, "", 0, settings.size()), OE_NOT_FOUND);
  EXPECT_EQ(get(&kLocal, 2, "", 0, settings.size()), OE_INVALID_PARAMETER);
  EXPECT_EQ(get(&kLocal, 0, nullptr, 1, settings.size()), OE_INVALID_PARAMETER);
  EXPECT_EQ(get(&kLocal, 0, "x", std::size_t{1} << 40, settings.size()), OE_INVALID_PARAMETER);
  EXPECT_EQ(get(&kLocal, 0, "", 0, settings.size() - 1), OE_INVALID_PARAMETER);
  const Buffer good = make(0, "");
  EXPECT_EQ(oe_verify_evidence(&kLocal, good.data(), good.size(), good.data(), 1, nullptr, 0, nullptr, nullptr),
            OE_INVALID_PARAMETER)
      << "local evidence has no endorsements";
  EXPECT_EQ(oe_verify_evidence(&kLocal, nullptr, 4, nullptr, 0, nullptr, 0, nullptr, nullptr), OE_INVALID_PARAMETER);
}

TEST_F(Evidence, ReportsHoldTheirData) {
  std::uint8_t* made = nullptr;
  std::size_t size = 0;
  ASSERT_EQ(oe_get_report_v2(0, reinterpret_cast<const std::uint8_t*>("data"), 4, settings.data(), settings.size(),
                             &made, &size),
            OE_OK);
  const Buffer good(made, made + size);
  oe_free_report(made);
  ASSERT_EQ(good.size(), kHeader + kReport);
  oe_report_t parsed;
  ASSERT_EQ(oe_verify_report(good.data(), good.size(), &parsed), OE_OK);
  EXPECT_EQ(std::memcmp(parsed.report_data, "data\0\0\0", 7), 0);
  EXPECT_EQ(parsed.identity.security_version, 3u);
  for (std::size_t i = 0; i < good.size(); ++i) {
    Buffer changed = good;
    changed[i] ^= 1;
    // KEYID is not covered by the MAC; a report with another has another key.
    EXPECT_NE(oe_verify_report(changed.data(), changed.size(), &parsed), OE_OK) << "byte " << i;
    const Buffer shorter(good.begin(), good.begin() + static_cast<std::ptrdiff_t>(i));
    EXPECT_NE(oe_verify_report(shorter.data(), shorter.size(), &parsed), OE_OK) << i << " bytes";
  }
  EXPECT_EQ(oe_get_report_v2(OE_REPORT_FLAGS_REMOTE_ATTESTATION, nullptr, 0, nullptr, 0, &made, &size), OE_UNSUPPORTED);
  EXPECT_EQ(oe_get_report_v2(0, good.data(), 65, nullptr, 0, &made, &size), OE_INVALID_PARAMETER);
  EXPECT_EQ(oe_get_report_v2(0, nullptr, 1, nullptr, 0, &made, &size), OE_INVALID_PARAMETER);
  EXPECT_EQ(oe_get_report_v2(0, nullptr, 0, good.data(), 513, &made, &size), OE_INVALID_PARAMETER);
  EXPECT_EQ(oe_verify_report(nullptr, 0, nullptr), OE_INVALID_PARAMETER);
}

}  // namespace
