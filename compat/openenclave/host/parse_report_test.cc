#include <gtest/gtest.h>
#include <openenclave/host.h>
#include <openenclave/internal/report.h>

#include <cstring>
#include <vector>

namespace {

std::vector<std::uint8_t> report() {
  std::vector<std::uint8_t> bytes(sizeof(oe_report_header_t) + sizeof(sgx_report_t));
  const oe_report_header_t header = {OE_REPORT_HEADER_VERSION, OE_REPORT_TYPE_SGX_LOCAL, sizeof(sgx_report_t)};
  sgx_report_t body = {};
  body.body.isvprodid = 0x0102;
  body.body.isvsvn = 3;
  body.body.attributes.flags = SGX_FLAGS_DEBUG;
  body.body.mrenclave[0] = 4;
  body.body.mrsigner[31] = 5;
  body.body.configsvn = 6;
  body.body.configid[63] = 7;
  body.body.report_data.field[0] = 8;
  std::memcpy(bytes.data(), &header, sizeof(header));
  std::memcpy(bytes.data() + sizeof(header), &body, sizeof(body));
  return bytes;
}

TEST(ParseReport, SaysWhoMadeIt) {
  const auto bytes = report();
  oe_report_t parsed;
  ASSERT_EQ(oe_parse_report(bytes.data(), bytes.size(), &parsed), OE_OK);
  EXPECT_EQ(parsed.identity.product_id[0], 2);
  EXPECT_EQ(parsed.identity.product_id[1], 1);
  EXPECT_EQ(parsed.identity.security_version, 3u);
  EXPECT_EQ(parsed.identity.attributes, OE_REPORT_ATTRIBUTES_DEBUG);
  EXPECT_EQ(parsed.identity.unique_id[0], 4);
  EXPECT_EQ(parsed.identity.signer_id[31], 5);
  EXPECT_EQ(parsed.report_data[0], 8);
}

TEST(ParseReport, RefusesOtherSizesAndTypes) {
  auto bytes = report();
  oe_report_t parsed;
  for (std::size_t size = 0; size < bytes.size(); ++size)
    EXPECT_NE(oe_parse_report(bytes.data(), size, &parsed), OE_OK);
  bytes[4] = OE_REPORT_TYPE_SGX_REMOTE;
  EXPECT_EQ(oe_parse_report(bytes.data(), bytes.size(), &parsed), OE_UNSUPPORTED);
  bytes[4] = 9;
  EXPECT_EQ(oe_parse_report(bytes.data(), bytes.size(), &parsed), OE_REPORT_PARSE_ERROR);
}

TEST(TargetInfo, NamesTheReportsMaker) {
  const auto bytes = report();
  void* info = nullptr;
  std::size_t size = 0;
  ASSERT_EQ(oe_get_target_info(bytes.data(), bytes.size(), &info, &size), OE_OK);
  ASSERT_EQ(size, 512u);
  const auto* target = static_cast<const std::uint8_t*>(info);  // Intel SDM volume 3D, TARGETINFO
  EXPECT_EQ(target[0], 4);
  EXPECT_EQ(target[32], SGX_FLAGS_DEBUG);
  EXPECT_EQ(target[50], 6);
  EXPECT_EQ(target[64 + 63], 7);
  oe_free_target_info(info);
}

}  // namespace
