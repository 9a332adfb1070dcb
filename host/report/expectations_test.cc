#include "host/report/expectations.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>

#include "base/file.h"
#include "base/hex.h"

namespace coffer::host {
namespace {

sgx::ReportBody sample_body() {
  sgx::ReportBody body;
  body.attributes.flags = sgx::attribute::kInit | sgx::attribute::kMode64Bit;
  body.mrenclave.bytes.fill(0x11);
  body.mrsigner.bytes.fill(0x22);
  body.isv_prod_id = 3;
  body.isv_svn = 4;
  std::fill_n(body.report_data.begin(), 32, std::uint8_t{0x33});
  return body;
}

ImageIdentity sample_identity() {
  const sgx::ReportBody body = sample_body();
  return {.mrenclave = body.mrenclave, .mrsigner = body.mrsigner, .product_id = 3, .svn = 4, .debug = false};
}

// Everything that can be expected, all of it right.
Expectations all_right() {
  const sgx::ReportBody body = sample_body();
  Expectations expected;
  expected.image = sample_identity();
  expected.image_name = "x.enclave";
  expected.mrenclave = body.mrenclave;
  expected.mrsigner = body.mrsigner;
  expected.config_id = body.config_id;
  expected.data_digest.emplace().fill(0x33);
  expected.data_name = "results";
  expected.data.assign(body.report_data.begin(), body.report_data.end());
  expected.production = true;
  return expected;
}

std::vector<std::string> wrong(const sgx::ReportBody& body, const Expectations& expected) {
  std::vector<std::string> names;
  for (const Check& check : compare(body, expected)) {
    EXPECT_FALSE(check.complaint.empty()) << check.name;
    if (!check.holds()) names.push_back(check.name);
  }
  return names;
}

TEST(Expectations, NothingAskedIsNothingChecked) { EXPECT_TRUE(compare(sample_body(), {}).empty()); }

TEST(Expectations, WhatIsRightHolds) {
  EXPECT_EQ(compare(sample_body(), all_right()).size(), 11u);
  EXPECT_THAT(wrong(sample_body(), all_right()), ::testing::IsEmpty());
}

TEST(Expectations, EachDifferenceIsNamed) {
  using ::testing::ElementsAre;
  const auto changed = [](auto&& change) {
    sgx::ReportBody body = sample_body();
    change(body);
    return wrong(body, all_right());
  };
  EXPECT_THAT(changed([](auto& body) { body.mrenclave.bytes[31] ^= 1; }), ElementsAre("image mrenclave", "mrenclave"));
  EXPECT_THAT(changed([](auto& body) { body.mrsigner.bytes[0] ^= 1; }), ElementsAre("image mrsigner", "mrsigner"));
  EXPECT_THAT(changed([](auto& body) { body.isv_prod_id = 4; }), ElementsAre("image isvprodid"));
  EXPECT_THAT(changed([](auto& body) { body.isv_svn = 3; }), ElementsAre("image isvsvn"));
  EXPECT_THAT(changed([](auto& body) { body.config_id[63] ^= 1; }), ElementsAre("config id"));
  EXPECT_THAT(changed([](auto& body) { body.report_data[31] ^= 1; }), ElementsAre("data", "report data"));
  EXPECT_THAT(changed([](auto& body) { body.report_data[63] ^= 1; }), ElementsAre("report data"));
  EXPECT_THAT(changed([](auto& body) { body.attributes.flags |= sgx::attribute::kDebug; }),
              ElementsAre("image debug", "debug"));
}

TEST(Expectations, ADebugImageHasDebugReports) {
  Expectations expected;
  expected.image = sample_identity();
  expected.image->debug = true;
  EXPECT_THAT(wrong(sample_body(), expected), ::testing::ElementsAre("image debug"));
}

TEST(DigestOfFile, IsSha256OfAllOfIt) {
  const auto path = std::filesystem::temp_directory_path() / ("coffer-report-test-" + std::to_string(::getpid()));
  const auto digest_of = [&path](ByteView content) {
    EXPECT_TRUE(write_file_atomically(path, content));
    const auto digest = digest_of_file(path);
    return digest ? to_hex(bytes_of(*digest)) : digest.error().message;
  };
  EXPECT_EQ(digest_of({}), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  // FIPS 180-2's third example: longer than one read.
  const std::vector<std::byte> million(1'000'000, std::byte{'a'});
  EXPECT_EQ(digest_of(million), "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
  std::filesystem::remove(path);
  EXPECT_THAT(digest_of_file(path).error().message, ::testing::HasSubstr(path.string()));
  EXPECT_EQ(digest_of_file("/").error().kind, ErrorKind::kInput);
}

}  // namespace
}  // namespace coffer::host
