#include "compat/sgxsdk/tools/enclave_config.h"

#include <gmock/gmock.h>

namespace coffer::sgxsdk {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::string document(std::string_view keys) {
  return "<EnclaveConfiguration>\n" + std::string(keys) + "\n</EnclaveConfiguration>\n";
}

std::string refusal(std::string_view keys) {
  auto config = parse_enclave_config(document(keys), "e.xml");
  return config ? "accepted" : config.error().message;
}

TEST(EnclaveConfig, ReadsWhatAnEnclaveIs) {
  auto config = parse_enclave_config(document("<ProdID>7</ProdID><ISVSVN>0x3</ISVSVN><DisableDebug>1</DisableDebug>"
                                              "<!-- four --><TCSNum>4</TCSNum><StackMaxSize> 0x80000 </StackMaxSize>"
                                              "<HeapMaxSize>0x2000000</HeapMaxSize><MiscSelect>1</MiscSelect>"),
                                     "e.xml");
  ASSERT_TRUE(config) << config.error().message;
  EXPECT_EQ(config->product_id, 7);
  EXPECT_EQ(config->svn, 3);
  EXPECT_TRUE(config->disable_debug);
  EXPECT_EQ(config->tcs_count, 4u);
  EXPECT_TRUE(config->warnings.empty());
  const image::Settings settings = image_settings(*config);
  EXPECT_EQ(settings.product_id, 7);
  EXPECT_FALSE(settings.debug_at_launch);
  EXPECT_GT(settings.threads, 4u);
  EXPECT_GE(settings.stack, 0x80000u);
  EXPECT_GE(settings.heap_max, 0x2000000u);
  EXPECT_THAT(settings.environment_set, ElementsAre("COFFER_SGXSDK_TCS=4"));
  EXPECT_TRUE(image::check_settings(settings));
}

TEST(EnclaveConfig, TheMostThreadsCount) {
  auto config = parse_enclave_config(document("<TCSMaxNum>13</TCSMaxNum><TCSNum>2</TCSNum>"), "e.xml");
  ASSERT_TRUE(config);
  EXPECT_EQ(config->tcs_count, 13u);
}

TEST(EnclaveConfig, KeySeparation) {
  auto config = parse_enclave_config(
      document("<EnableKSS>1</EnableKSS><ISVFAMILYID_H>0x1122334455667788</ISVFAMILYID_H>"
               "<ISVFAMILYID_L>0x99aabbccddeeff00</ISVFAMILYID_L><ISVEXTPRODID_L>1</ISVEXTPRODID_L>"),
      "e.xml");
  ASSERT_TRUE(config) << config.error().message;
  const image::Settings settings = image_settings(*config);
  EXPECT_TRUE(settings.key_separation);
  EXPECT_EQ(settings.family_id, (sgx::Bytes<16>{0x00, 0xff, 0xee, 0xdd, 0xcc, 0xbb, 0xaa, 0x99, 0x88, 0x77, 0x66, 0x55,
                                                0x44, 0x33, 0x22, 0x11}));
  EXPECT_EQ(settings.extended_product_id[0], 1);
  EXPECT_THAT(refusal("<ISVFAMILYID_L>1</ISVFAMILYID_L>"), HasSubstr("EnableKSS"));
}

TEST(EnclaveConfig, WarnsAboutWhatHasNoEffect) {
  auto config = parse_enclave_config(document("<Colour>3</Colour>\n<PKRU>1</PKRU>\n<AMX>0</AMX>"), "e.xml");
  ASSERT_TRUE(config);
  EXPECT_THAT(config->warnings,
              ElementsAre("e.xml:2: Colour is not known and has no effect", HasSubstr("e.xml:3: PKRU")));
}

TEST(EnclaveConfig, RefusesWithPlaceAndReason) {
  EXPECT_EQ(refusal("<TCSNum>0</TCSNum>"), "e.xml:2: TCSNum must be from 0x1 to 0x3e8");
  EXPECT_EQ(refusal("<TCSNum>-1</TCSNum>"), "e.xml:2: TCSNum must be a number, decimal or hexadecimal after 0x");
  EXPECT_EQ(refusal("<TCSNum></TCSNum>"), "e.xml:2: TCSNum must be a number, decimal or hexadecimal after 0x");
  EXPECT_EQ(refusal("<HeapMaxSize>5000</HeapMaxSize>"), "e.xml:2: HeapMaxSize must be a multiple of 0x1000");
  EXPECT_EQ(refusal("<ProdID>65536</ProdID>"), "e.xml:2: ProdID must be from 0x0 to 0xffff");
  EXPECT_EQ(refusal("<ProdID>99999999999999999999999</ProdID>"),
            "e.xml:2: ProdID must be a number, decimal or hexadecimal after 0x");
  EXPECT_FALSE(parse_enclave_config("<EnclaveConfiguration>", "e.xml"));
  EXPECT_FALSE(parse_enclave_config("<Other/>", "e.xml"));
  EXPECT_FALSE(parse_enclave_config("", "e.xml"));
}

}  // namespace
}  // namespace coffer::sgxsdk
