#include <gtest/gtest.h>
#include <openenclave/enclave.h>
#include <openenclave/sgx/seal.h>

#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include "enclave/sdk/testing/fake_platform.h"

namespace {

using coffer::sdk::testing::become;
using coffer::sdk::testing::identity;
using Blob = std::vector<std::uint8_t>;

constexpr std::size_t kFixed = 576;
constexpr std::size_t kVersion = 16, kContextSize = 20, kTextSize = 24, kRequest = 32, kReserved = 556;

const auto* bytes(const std::string& text) { return reinterpret_cast<const std::uint8_t*>(text.data()); }

class Seal : public ::testing::Test {
 protected:
  void SetUp() override { become(identity()); }

  oe_result_t seal(const std::vector<oe_seal_setting_t>& settings) {
    std::uint8_t* made = nullptr;
    std::size_t size = 0;
    const oe_result_t result = oe_seal(nullptr, settings.data(), settings.size(), bytes(secret), secret.size(),
                                       bytes(along), along.size(), &made, &size);
    if (result == OE_OK) blob.assign(made, made + size);
    EXPECT_EQ(made != nullptr, result == OE_OK);
    std::free(made);
    return result;
  }
  // In memory that is exactly as large, so that AddressSanitizer sees a byte too far.
  oe_result_t unseal(const Blob& given) {
    const Blob exact(given);
    std::uint8_t* text = nullptr;
    std::size_t size = 0;
    const oe_result_t result = oe_unseal(exact.data(), exact.size(), bytes(along), along.size(), &text, &size);
    if (result == OE_OK) opened.assign(reinterpret_cast<const char*>(text), size);
    EXPECT_EQ(text != nullptr, result == OE_OK);
    std::free(text);
    return result;
  }
  Blob with(std::size_t at, std::uint64_t value, std::size_t size) const {
    Blob changed = blob;
    std::memcpy(&changed.at(at), &value, size);
    return changed;
  }

  std::string secret = "the secret", along = "to be known", opened;
  Blob blob;
};

TEST_F(Seal, OpensWhatItSealed) {
  ASSERT_EQ(seal({}), OE_OK);
  EXPECT_EQ(blob.size(), kFixed + secret.size());
  EXPECT_EQ(std::string(blob.begin(), blob.end()).find(secret), std::string::npos);
  ASSERT_EQ(unseal(blob), OE_OK);
  EXPECT_EQ(opened, secret);
  along += '!';
  EXPECT_EQ(unseal(blob), OE_FAILURE);
  secret.clear();
  ASSERT_EQ(seal({OE_SEAL_SET_POLICY(OE_SEAL_POLICY_PRODUCT), OE_SEAL_SET_CONTEXT("context", 7)}), OE_OK);
  EXPECT_EQ(blob.size(), kFixed + 7);
  ASSERT_EQ(unseal(blob), OE_OK);
  EXPECT_EQ(opened, "");
}

TEST_F(Seal, NotEvenOneBitChangesAndNoByteIsMissing) {
  ASSERT_EQ(seal({OE_SEAL_SET_CONTEXT("context", 7)}), OE_OK);
  for (std::size_t i = 0; i < blob.size(); ++i) {
    Blob changed = blob;
    changed[i] ^= 1;
    EXPECT_NE(unseal(changed), OE_OK) << "byte " << i;
    EXPECT_NE(unseal(Blob(blob.begin(), blob.begin() + static_cast<std::ptrdiff_t>(i))), OE_OK) << i << " bytes";
  }
  blob.push_back(0);
  EXPECT_EQ(unseal(blob), OE_INVALID_PARAMETER);
}

TEST_F(Seal, SizesOfTheBlobsOwnAreBounded) {
  ASSERT_EQ(seal({OE_SEAL_SET_CONTEXT("context", 7)}), OE_OK);
  const std::uint64_t rest = blob.size() - kFixed;
  EXPECT_EQ(unseal(with(kContextSize, rest + 1, 4)), OE_INVALID_PARAMETER);
  EXPECT_EQ(unseal(with(kContextSize, 0xffff'ffff, 4)), OE_INVALID_PARAMETER);
  EXPECT_EQ(unseal(with(kTextSize, ~std::uint64_t{0}, 8)), OE_INVALID_PARAMETER);
  EXPECT_EQ(unseal(with(kTextSize, secret.size() - 1, 8)), OE_INVALID_PARAMETER);
  EXPECT_EQ(unseal(with(kVersion, 2, 4)), OE_INVALID_PARAMETER);
  EXPECT_EQ(unseal(with(kReserved, 1, 4)), OE_INVALID_PARAMETER);
  // Lengths that fit together, and are not those that were sealed.
  Blob moved = with(kContextSize, 0, 4);
  std::memcpy(&moved[kTextSize], &rest, 8);
  EXPECT_EQ(unseal(moved), OE_FAILURE);
}

// A request for a key that others have too is not made, whatever the blob says.
TEST_F(Seal, KeysOfOthersAreRefused) {
  ASSERT_EQ(seal({}), OE_OK);
  const auto request = [this](auto change) {
    Blob changed = blob;
    sgx_key_request_t now;
    std::memcpy(&now, &changed[kRequest], sizeof(now));
    change(now);
    std::memcpy(&changed[kRequest], &now, sizeof(now));
    return unseal(changed);
  };
  EXPECT_EQ(request([](auto& r) { r.key_name = SGX_KEYSELECT_REPORT; }), OE_INVALID_PARAMETER);
  EXPECT_EQ(request([](auto& r) { r.key_policy = 0; }), OE_INVALID_PARAMETER);
  EXPECT_EQ(request([](auto& r) { r.key_policy = SGX_KEYPOLICY_MRENCLAVE | SGX_KEYPOLICY_MRSIGNER; }),
            OE_INVALID_PARAMETER);
  EXPECT_EQ(request([](auto& r) { r.attribute_mask.flags &= ~std::uint64_t{SGX_FLAGS_DEBUG}; }), OE_INVALID_PARAMETER);
  EXPECT_EQ(coffer::sdk::testing::key_requests(), 1) << "no key was derived but the one that sealed";
  EXPECT_NE(request([](auto& r) { r.isv_svn = 999; }), OE_OK);
}

TEST_F(Seal, OthersDoNotOpenIt) {
  ASSERT_EQ(seal({OE_SEAL_SET_POLICY(OE_SEAL_POLICY_PRODUCT)}), OE_OK);
  become(identity(9, 2));
  EXPECT_EQ(unseal(blob), OE_OK) << "the same signer's";
  become(identity(1, 8));
  EXPECT_NE(unseal(blob), OE_OK) << "another signer's";
  become(identity());
  ASSERT_EQ(seal({OE_SEAL_SET_POLICY(OE_SEAL_POLICY_UNIQUE)}), OE_OK);
  become(identity(9, 2));
  EXPECT_NE(unseal(blob), OE_OK) << "another enclave's";
  become(identity(), 1);
  EXPECT_NE(unseal(blob), OE_OK) << "another platform";
}

TEST_F(Seal, SettingsThatMakeNoSense) {
  EXPECT_EQ(seal({OE_SEAL_SET_IV("short", 5)}), OE_INVALID_PARAMETER);
  EXPECT_EQ(seal({OE_SEAL_SET_CONTEXT(nullptr, 5)}), OE_INVALID_PARAMETER);
  EXPECT_EQ(seal({OE_SEAL_SET_CONTEXT("x", 1 << 20)}), OE_INVALID_PARAMETER);
  EXPECT_EQ(seal({OE_SEAL_SET_POLICY(77)}), OE_INVALID_PARAMETER);
  EXPECT_EQ(seal({__OE_SEAL_SET_VALUE(12345, 1)}), OE_UNSUPPORTED);
  EXPECT_EQ(seal({__OE_SEAL_SET_VALUE(OE_SEAL_SETTING_SGX_FLAGSMASK, 0)}), OE_INVALID_PARAMETER);
}

TEST_F(Seal, ArgumentsThatAreMissing) {
  std::uint8_t* out = nullptr;
  std::size_t size = 0;
  EXPECT_EQ(oe_unseal(nullptr, 600, nullptr, 0, &out, &size), OE_INVALID_PARAMETER);
  EXPECT_EQ(oe_unseal(bytes(secret), 3, nullptr, 0, &out, &size), OE_INVALID_PARAMETER);
  EXPECT_EQ(oe_unseal(bytes(secret), 3, nullptr, 0, nullptr, &size), OE_INVALID_PARAMETER);
  EXPECT_EQ(oe_seal(nullptr, nullptr, 1, bytes(secret), 1, nullptr, 0, &out, &size), OE_INVALID_PARAMETER);
  const oe_uuid_t unknown = {{1, 2, 3}};
  EXPECT_EQ(oe_seal(&unknown, nullptr, 0, bytes(secret), 1, nullptr, 0, &out, &size), OE_NOT_FOUND);
  EXPECT_EQ(oe_unseal(reinterpret_cast<const std::uint8_t*>(&unknown), 16, nullptr, 0, &out, &size), OE_NOT_FOUND);
}

}  // namespace
