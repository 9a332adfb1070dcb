#include <gtest/gtest.h>

#include <cstring>
#include <string>
#include <vector>

#include "compat/sgxsdk/enclave/testing/whole_process.h"
#include "compat/sgxsdk/include/sgx_tseal.h"
#include "compat/sgxsdk/include/sgx_utils.h"
#include "enclave/sdk/testing/fake_platform.h"

namespace {

using coffer::sdk::testing::become;
using coffer::sdk::testing::identity;

const std::string kSecret = "the secret", kAlong = "to be read";
const auto* bytes(const std::string& text) { return reinterpret_cast<const std::uint8_t*>(text.data()); }
std::uint32_t size(const std::string& text) { return static_cast<std::uint32_t>(text.size()); }

// sgx_self_report() is made once in a process, so all tests are the same enclave at first.
class Seal : public ::testing::Test {
 protected:
  void SetUp() override { become(identity()); }

  std::vector<std::uint8_t> seal() {
    std::vector<std::uint8_t> blob(sgx_calc_sealed_data_size(size(kAlong), size(kSecret)));
    EXPECT_EQ(sgx_seal_data(size(kAlong), bytes(kAlong), size(kSecret), bytes(kSecret),
                            static_cast<std::uint32_t>(blob.size()), as_sealed(blob)),
              SGX_SUCCESS);
    return blob;
  }
  static sgx_sealed_data_t* as_sealed(std::vector<std::uint8_t>& blob) {
    return reinterpret_cast<sgx_sealed_data_t*>(blob.data());
  }
  sgx_status_t unseal(std::vector<std::uint8_t>& blob) {
    text_.assign(64, '\0'), along_.assign(64, '\0');
    std::uint32_t text_size = 64, along_size = 64;
    const sgx_status_t status = sgx_unseal_data(as_sealed(blob), reinterpret_cast<std::uint8_t*>(along_.data()),
                                                &along_size, reinterpret_cast<std::uint8_t*>(text_.data()), &text_size);
    text_.resize(text_size), along_.resize(along_size);
    return status;
  }
  std::string text_, along_;
};

TEST_F(Seal, OpensWhatItSealed) {
  auto blob = seal();
  EXPECT_EQ(blob.size(), 560 + kSecret.size() + kAlong.size()) << "the layout is the SDK's";
  EXPECT_EQ(sgx_get_add_mac_txt_len(as_sealed(blob)), kAlong.size());
  EXPECT_EQ(sgx_get_encrypt_txt_len(as_sealed(blob)), kSecret.size());
  EXPECT_EQ(std::string(blob.begin(), blob.end()).find(kSecret), std::string::npos);
  ASSERT_EQ(unseal(blob), SGX_SUCCESS);
  EXPECT_EQ(text_, kSecret);
  EXPECT_EQ(along_, kAlong);
  EXPECT_NE(seal(), blob) << "two blobs never have the same key";
}

TEST_F(Seal, NotEvenOneBitChanges) {
  const auto blob = seal();
  for (std::size_t i = 0; i < blob.size(); ++i) {
    const bool reserved = (i >= 516 && i < 528) || (i >= 532 && i < 544);  // neither read nor covered, as in the SDK
    if (reserved) continue;
    auto changed = blob;
    changed[i] ^= 1;
    EXPECT_NE(unseal(changed), SGX_SUCCESS) << "byte " << i;
  }
}

TEST_F(Seal, OthersDoNotOpenIt) {
  auto blob = seal();
  become(identity(1, 9));  // another signer
  EXPECT_EQ(unseal(blob), SGX_ERROR_MAC_MISMATCH);
  become(identity(1, 2), 1);  // another platform
  EXPECT_EQ(unseal(blob), SGX_ERROR_MAC_MISMATCH);
  become(identity(5, 2, 4));  // the signer's next version
  EXPECT_EQ(unseal(blob), SGX_SUCCESS);
  become(identity(5, 2, 2));  // an older one
  EXPECT_EQ(unseal(blob), SGX_ERROR_INVALID_ISVSVN);
}

TEST_F(Seal, ToOneEnclaveOnly) {
  std::vector<std::uint8_t> blob(sgx_calc_sealed_data_size(0, size(kSecret)));
  ASSERT_EQ(sgx_seal_data_ex(SGX_KEYPOLICY_MRENCLAVE, {SGX_FLAGS_INITTED | SGX_FLAGS_DEBUG, 0}, 0, 0, nullptr,
                             size(kSecret), bytes(kSecret), static_cast<std::uint32_t>(blob.size()), as_sealed(blob)),
            SGX_SUCCESS);
  EXPECT_EQ(unseal(blob), SGX_SUCCESS);
  become(identity(3, 2));
  EXPECT_EQ(unseal(blob), SGX_ERROR_MAC_MISMATCH);
  // Without DEBUG in the mask a debug enclave could open what a production one sealed.
  EXPECT_EQ(sgx_seal_data_ex(SGX_KEYPOLICY_MRENCLAVE, {SGX_FLAGS_INITTED, 0}, 0, 0, nullptr, size(kSecret),
                             bytes(kSecret), static_cast<std::uint32_t>(blob.size()), as_sealed(blob)),
            SGX_ERROR_INVALID_PARAMETER);
}

TEST_F(Seal, AuthenticatedTextAlone) {
  std::vector<std::uint8_t> blob(sgx_calc_sealed_data_size(size(kAlong), 0));
  ASSERT_EQ(sgx_mac_aadata(size(kAlong), bytes(kAlong), static_cast<std::uint32_t>(blob.size()), as_sealed(blob)),
            SGX_SUCCESS);
  std::string read(64, '\0');
  std::uint32_t room = 64;
  ASSERT_EQ(sgx_unmac_aadata(as_sealed(blob), reinterpret_cast<std::uint8_t*>(read.data()), &room), SGX_SUCCESS);
  EXPECT_EQ(read.substr(0, room), kAlong);
  blob.back() ^= 1;
  EXPECT_EQ(sgx_unmac_aadata(as_sealed(blob), reinterpret_cast<std::uint8_t*>(read.data()), &room),
            SGX_ERROR_MAC_MISMATCH);
}

TEST_F(Seal, LengthsThatLieAreRefused) {
  auto blob = seal();
  as_sealed(blob)->plain_text_offset = as_sealed(blob)->aes_data.payload_size + 1;
  EXPECT_EQ(sgx_get_add_mac_txt_len(as_sealed(blob)), UINT32_MAX);
  EXPECT_EQ(unseal(blob), SGX_ERROR_MAC_MISMATCH);
  blob = seal();
  std::uint8_t small[4];
  std::uint32_t room = sizeof(small), along = 0;
  EXPECT_EQ(sgx_unseal_data(as_sealed(blob), nullptr, &along, small, &room), SGX_ERROR_INVALID_PARAMETER);
  EXPECT_EQ(sgx_calc_sealed_data_size(UINT32_MAX, 1), UINT32_MAX);
  coffer::sgxsdk::testing::outside = blob.data();
  EXPECT_EQ(unseal(blob), SGX_ERROR_INVALID_PARAMETER) << "a blob that others can change meanwhile";
  coffer::sgxsdk::testing::outside = nullptr;
}

TEST_F(Seal, KeysAndReports) {
  sgx_key_request_t request{};
  sgx_key_128bit_t key, again;
  request.key_name = SGX_KEYSELECT_SEAL;
  request.key_policy = SGX_KEYPOLICY_MRSIGNER;
  ASSERT_EQ(sgx_get_key(&request, &key), SGX_SUCCESS);
  ASSERT_EQ(sgx_get_key(&request, &again), SGX_SUCCESS);
  EXPECT_EQ(std::memcmp(key, again, sizeof(key)), 0);
  request.isv_svn = 1000;
  EXPECT_EQ(sgx_get_key(&request, &key), SGX_ERROR_INVALID_ISVSVN);
  request.isv_svn = 0;
  request.key_name = 9;
  EXPECT_EQ(sgx_get_key(&request, &key), SGX_ERROR_INVALID_KEYNAME);
  request.key_name = SGX_KEYSELECT_PROVISION;
  EXPECT_EQ(sgx_get_key(&request, &key), SGX_ERROR_INVALID_ATTRIBUTE);

  sgx_target_info_t self;
  ASSERT_EQ(sgx_self_target(&self), SGX_SUCCESS);
  const sgx_report_data_t data = {{1, 2, 3}};
  sgx_report_t report;
  ASSERT_EQ(sgx_create_report(&self, &data, &report), SGX_SUCCESS);
  EXPECT_EQ(report.body.report_data.d[2], 3);
  EXPECT_EQ(sgx_verify_report(&report), SGX_SUCCESS);
  report.body.isv_svn ^= 1;
  EXPECT_EQ(sgx_verify_report(&report), SGX_ERROR_MAC_MISMATCH);
  EXPECT_EQ(sgx_create_report(nullptr, nullptr, nullptr), SGX_ERROR_INVALID_PARAMETER);
}

}  // namespace
