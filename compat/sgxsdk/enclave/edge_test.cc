// The trusted half of calls, against hosts that ask and answer what they like.
#include "compat/sgxsdk/enclave/edge.h"

#include <gtest/gtest.h>

#include <array>
#include <cstring>
#include <stdexcept>
#include <vector>

#include "compat/sgxsdk/enclave/testing/fake_calls.h"
#include "compat/sgxsdk/include/sgx_edger8r.h"
#include "compat/sgxsdk/protocol.h"

namespace coffer::sgxsdk {
namespace {

constexpr std::uint32_t kOpen = 0, kPrivate = 1, kFails = 2, kThrows = 3, kKeeps = 4;

sgx_status_t echo(void* input, size_t input_size, void* output, size_t output_size) {
  std::memcpy(output, input, std::min(input_size, output_size));
  return SGX_SUCCESS;
}
sgx_status_t fails(void*, size_t, void* output, size_t output_size) {
  std::memset(output, 0x55, output_size);  // of a call that failed, nothing may leave
  return SGX_ERROR_INVALID_PARAMETER;
}
sgx_status_t throws(void*, size_t, void*, size_t) { throw std::runtime_error("nobody catches this"); }
sgx_status_t keeps(void*, size_t, void*, size_t) {
  return sgx_ocalloc(10) != nullptr && sgx_ocalloc(1 << 20) != nullptr ? SGX_SUCCESS : SGX_ERROR_OUT_OF_MEMORY;
}

constexpr std::array<sgx_edge_ecall_t, 5> kEcalls = {{{echo, "open", 0, 0},
                                                      {echo, "private", 1, 0},
                                                      {fails, "fails", 0, 0},
                                                      {throws, "throws", 0, 0},
                                                      {keeps, "keeps", 0, 0}}};
constexpr std::array<std::uint32_t, 1> kAllows = {kPrivate};
constexpr std::array<sgx_edge_ocall_t, 2> kOcalls = {
    {{"allowing", kAllows.data(), kAllows.size(), 0}, {"switchless", nullptr, 0, 1}}};

class Edge : public ::testing::Test {
 protected:
  void SetUp() override {
    testing::shared_pieces = 0;
    testing::shared_memory_left = true;
  }
  void TearDown() override { EXPECT_EQ(testing::shared_pieces, 0) << "shared memory was not given back"; }

  std::int64_t call(std::uint64_t index, std::optional<std::uint64_t> nested_in = {}) {
    const std::array<std::byte, 4> input = {std::byte{1}, std::byte{2}, std::byte{3}, std::byte{4}};
    output_.fill(std::byte{0});
    calls::IncomingCall incoming{
        .index = index, .input = input, .output = output_, .written = 0, .nested_in = nested_in};
    const std::int64_t status = serve_call(nullptr, incoming);
    written_ = incoming.written;
    return status;
  }
  sgx_status_t call_out(std::uint32_t index, std::size_t input_size = 8, std::size_t output_size = 8) {
    sgx_edge_blocks_t blocks;
    const sgx_status_t begun = sgx_edge_ocall_begin(input_size, output_size, &blocks);
    if (begun != SGX_SUCCESS) return begun;
    EXPECT_EQ(blocks.input_size, input_size);
    const sgx_status_t status = sgx_edge_ocall_call(index, &blocks);
    sgx_edge_ocall_end(&blocks);
    return status;
  }
  std::array<std::byte, 4> output_{};
  std::size_t written_ = 0;
};

TEST_F(Edge, RunsWhatThereIs) {
  EXPECT_EQ(call(kOpen), SGX_SUCCESS);
  EXPECT_EQ(written_, 4u);
  EXPECT_EQ(output_[2], std::byte{3});
}

TEST_F(Edge, RefusesNumbersBeyondTheTable) {
  for (const std::uint64_t index :
       {std::uint64_t{5}, std::uint64_t{0xffffffff}, kLibraryCalls + 7, ~std::uint64_t{0}}) {
    EXPECT_EQ(call(index), SGX_ERROR_INVALID_FUNCTION) << index;
    EXPECT_EQ(written_, 0u);
  }
}

TEST_F(Edge, PrivateFunctionsNeedAnOcallThatAllowsThem) {
  EXPECT_EQ(call(kPrivate), SGX_ERROR_ECALL_NOT_ALLOWED);
  EXPECT_EQ(call(kPrivate, 0), SGX_SUCCESS);
  EXPECT_EQ(call(kPrivate, 1), SGX_ERROR_ECALL_NOT_ALLOWED);
  EXPECT_EQ(call(kPrivate, 2), SGX_ERROR_ECALL_NOT_ALLOWED) << "an OCALL that there is not";
  EXPECT_EQ(call(kPrivate, ~std::uint64_t{0}), SGX_ERROR_ECALL_NOT_ALLOWED);
  EXPECT_EQ(call(kOpen, 0), SGX_ERROR_ECALL_NOT_ALLOWED) << "the list names what is allowed, public or not";
}

TEST_F(Edge, OfAFailedCallNothingLeaves) {
  EXPECT_EQ(call(kFails), SGX_ERROR_INVALID_PARAMETER);
  EXPECT_EQ(written_, 0u);
}

TEST_F(Edge, AnExceptionEndsTheEnclave) { EXPECT_DEATH((void)call(kThrows), ""); }

TEST_F(Edge, OutsideMemoryEndsWithItsCall) {
  EXPECT_EQ(call(kKeeps), SGX_SUCCESS);
  EXPECT_EQ(testing::shared_pieces, 0);
  void* piece = sgx_ocalloc(16);  // of a thread that serves no call
  EXPECT_NE(piece, nullptr);
  sgx_ocfree();
  testing::shared_memory_left = false;
  EXPECT_EQ(call(kKeeps), SGX_ERROR_OUT_OF_MEMORY);
}

TEST_F(Edge, AnswersOfTheHostAreBounded) {
  std::int64_t status = 0;
  std::uint64_t asked = 0;
  testing::host = [&](std::uint64_t index, std::span<const std::byte>, std::span<std::byte>) {
    asked = index;
    return calls::HostAnswer{status, 0};
  };
  EXPECT_EQ(call_out(0), SGX_SUCCESS);
  EXPECT_EQ(asked, 0u);
  EXPECT_EQ(call_out(1), SGX_SUCCESS);
  EXPECT_EQ(asked, 1001u) << "a switchless function goes to the workers";
  status = SGX_ERROR_OCALL_NOT_ALLOWED;
  EXPECT_EQ(call_out(0), SGX_ERROR_OCALL_NOT_ALLOWED);
  for (const std::int64_t lie : {std::int64_t{-1}, std::int64_t{0x10000}, INT64_MIN, INT64_MAX}) {
    status = lie;
    EXPECT_EQ(call_out(0), SGX_ERROR_UNEXPECTED) << lie;
  }
  status = 0;
  EXPECT_EQ(call_out(0, 0, 0), SGX_SUCCESS);
  testing::shared_memory_left = false;
  EXPECT_EQ(call_out(0), SGX_ERROR_OUT_OF_MEMORY);
}

}  // namespace
}  // namespace coffer::sgxsdk

extern "C" const sgx_edge_interface_t sgx_edge_program_interface = {
    "edge_test", coffer::sgxsdk::kEcalls.data(), coffer::sgxsdk::kEcalls.size(), coffer::sgxsdk::kOcalls.data(),
    coffer::sgxsdk::kOcalls.size()};
