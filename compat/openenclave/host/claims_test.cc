#include <gtest/gtest.h>
#include <openenclave/attestation/custom_claims.h>

#include <string>
#include <vector>

namespace {

std::vector<std::uint8_t> serialized() {
  std::string first_name = "color", second_name = "empty";
  std::uint8_t value[] = {1, 2, 3};
  const oe_claim_t claims[] = {{first_name.data(), value, sizeof(value)}, {second_name.data(), nullptr, 0}};
  std::uint8_t* bytes = nullptr;
  std::size_t size = 0;
  EXPECT_EQ(oe_serialize_custom_claims(claims, 2, &bytes, &size), OE_OK);
  std::vector<std::uint8_t> copy(bytes, bytes + size);
  oe_free_serialized_custom_claims(bytes);
  return copy;
}

TEST(CustomClaims, ComeBackAsTheyWere) {
  const auto bytes = serialized();
  oe_claim_t* claims = nullptr;
  std::size_t count = 0;
  ASSERT_EQ(oe_deserialize_custom_claims(bytes.data(), bytes.size(), &claims, &count), OE_OK);
  ASSERT_EQ(count, 2u);
  EXPECT_STREQ(claims[0].name, "color");
  ASSERT_EQ(claims[0].value_size, 3u);
  EXPECT_EQ(claims[0].value[2], 3);
  EXPECT_STREQ(claims[1].name, "empty");
  EXPECT_EQ(claims[1].value_size, 0u);
  oe_free_custom_claims(claims, count);
}

TEST(CustomClaims, RefusesWhatIsCutShortOrTooLong) {
  auto bytes = serialized();
  oe_claim_t* claims = nullptr;
  std::size_t count = 0;
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    EXPECT_EQ(oe_deserialize_custom_claims(bytes.data(), size, &claims, &count), OE_INVALID_PARAMETER) << size;
  }
  bytes.push_back(0);
  EXPECT_EQ(oe_deserialize_custom_claims(bytes.data(), bytes.size(), &claims, &count), OE_INVALID_PARAMETER);
}

TEST(CustomClaims, SizesThatLieAskForNoMemory) {
  for (const std::size_t place : {8u, 16u, 24u}) {  // the count, the name's size, the value's
    auto bytes = serialized();
    for (std::size_t i = 0; i < 8; ++i) bytes[place + i] = 0xff;
    oe_claim_t* claims = nullptr;
    std::size_t count = 0;
    EXPECT_EQ(oe_deserialize_custom_claims(bytes.data(), bytes.size(), &claims, &count), OE_INVALID_PARAMETER);
  }
}

}  // namespace
