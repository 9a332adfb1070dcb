#include <gtest/gtest.h>

#include <cstring>

#include "compat/sgxsdk/include/sgx_dh.h"
#include "enclave/sdk/testing/fake_platform.h"

namespace {

using coffer::sdk::testing::become;
using coffer::sdk::testing::identity;

constexpr sgx_key_128bit_t kNoKey = {};

// Two enclaves in one process: before each step the process becomes the one whose step it is.
class Dh : public ::testing::Test {
 protected:
  static void initiator() { become(identity(1, 2)); }
  static void responder() { become(identity(3, 4)); }

  void SetUp() override {
    initiator();
    ASSERT_EQ(sgx_dh_init_session(SGX_DH_SESSION_INITIATOR, &first_), SGX_SUCCESS);
    responder();
    ASSERT_EQ(sgx_dh_init_session(SGX_DH_SESSION_RESPONDER, &second_), SGX_SUCCESS);
    ASSERT_EQ(sgx_dh_responder_gen_msg1(&message1_, &second_), SGX_SUCCESS);
  }
  sgx_status_t make2() {
    initiator();
    return sgx_dh_initiator_proc_msg1(&message1_, &message2_, &first_);
  }
  sgx_status_t make3() {
    responder();
    return sgx_dh_responder_proc_msg2(&message2_, &message3_, &second_, &second_key_, &first_identity_);
  }
  sgx_status_t finish() {
    initiator();
    return sgx_dh_initiator_proc_msg3(&message3_, &first_, &first_key_, &second_identity_);
  }

  sgx_dh_session_t first_, second_;
  sgx_dh_msg1_t message1_{};
  sgx_dh_msg2_t message2_{};
  sgx_dh_msg3_t message3_{};
  sgx_key_128bit_t first_key_{}, second_key_{};
  sgx_dh_session_enclave_identity_t first_identity_{}, second_identity_{};
};

TEST_F(Dh, BothHaveOneKeyAndKnowTheOther) {
  ASSERT_EQ(make2(), SGX_SUCCESS);
  ASSERT_EQ(make3(), SGX_SUCCESS);
  ASSERT_EQ(finish(), SGX_SUCCESS);
  EXPECT_EQ(std::memcmp(first_key_, second_key_, sizeof(first_key_)), 0);
  EXPECT_NE(std::memcmp(first_key_, kNoKey, sizeof(first_key_)), 0);
  EXPECT_EQ(first_identity_.mr_enclave.m[0], 1);
  EXPECT_EQ(first_identity_.mr_signer.m[0], 2);
  EXPECT_EQ(second_identity_.mr_enclave.m[0], 3);
  EXPECT_EQ(second_identity_.isv_svn, 3);
}

TEST_F(Dh, ChangedMessagesEndTheSession) {
  ASSERT_EQ(make2(), SGX_SUCCESS);
  message2_.report.body.isv_svn = 77;
  EXPECT_EQ(make3(), SGX_ERROR_MAC_MISMATCH);
  message2_.report.body.isv_svn = 3;
  EXPECT_EQ(make3(), SGX_ERROR_INVALID_PARAMETER) << "a session that failed stays so";
  EXPECT_EQ(std::memcmp(second_key_, kNoKey, sizeof(second_key_)), 0);
}

TEST_F(Dh, ChangedLastMessage) {
  ASSERT_EQ(make2(), SGX_SUCCESS);
  ASSERT_EQ(make3(), SGX_SUCCESS);
  message3_.cmac[0] ^= 1;
  EXPECT_EQ(finish(), SGX_ERROR_MAC_MISMATCH);
}

TEST_F(Dh, AnEnclaveOfAnotherPlatformIsNobody) {
  become(identity(1, 2), 1);
  ASSERT_EQ(sgx_dh_initiator_proc_msg1(&message1_, &message2_, &first_), SGX_SUCCESS);
  EXPECT_EQ(make3(), SGX_ERROR_MAC_MISMATCH);
}

TEST_F(Dh, APointOffTheCurveIsRefused) {
  message1_.g_a.gy[0] ^= 1;
  EXPECT_EQ(make2(), SGX_ERROR_INVALID_PARAMETER);
}

TEST_F(Dh, OutOfTurn) {
  EXPECT_EQ(finish(), SGX_ERROR_INVALID_STATE);
  responder();
  EXPECT_EQ(sgx_dh_responder_gen_msg1(&message1_, &second_), SGX_ERROR_INVALID_STATE);
}

TEST_F(Dh, AdditionalDataIsBoundAndBounded) {
  ASSERT_EQ(make2(), SGX_SUCCESS);
  message3_.msg3_body.additional_prop_length = 0xffffffff;
  EXPECT_EQ(make3(), SGX_ERROR_INVALID_PARAMETER);
}

}  // namespace
