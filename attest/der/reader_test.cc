#include "attest/der/reader.h"

#include <gtest/gtest.h>

#include <vector>

#include "base/hex.h"

namespace coffer::attest::der {
namespace {

std::vector<std::byte> hex(std::string_view text) { return from_hex(text).value(); }

TEST(DerReader, ReadsElementsInTheirOrder) {
  const auto bytes = hex("3007020101040200ff0500");
  Reader outer(bytes);
  auto sequence = outer.enter(kSequence);
  ASSERT_TRUE(sequence);
  const auto number = sequence->read(kInteger);
  ASSERT_TRUE(number);
  EXPECT_EQ(small_integer(number->content), 1U);
  EXPECT_FALSE(sequence->read(kInteger)) << "an octet string is next";
  const auto octets = sequence->read(kOctetString);
  ASSERT_TRUE(octets);
  EXPECT_EQ(to_hex(octets->whole), "040200ff");
  EXPECT_TRUE(sequence->empty());
  EXPECT_EQ(outer.next_tag(), kNull);
  EXPECT_FALSE(only(bytes, kSequence)) << "NULL follows";
}

TEST(DerReader, RefusesOtherFormsOfLengths) {
  for (const char* text : {"", "04", "0401", "0480", "04800000", "048101ff", "04820001ff", "0485000000000100", "1f0100",
                           "04ff", "0484ffffffff", "04830000800000"}) {
    const auto bytes = hex(text);
    EXPECT_FALSE(Reader(bytes).read()) << text;
  }
  std::vector<std::byte> longer = hex("048180");
  longer.resize(longer.size() + 128);
  EXPECT_TRUE(Reader(longer).read());
  longer.pop_back();
  EXPECT_FALSE(Reader(longer).read());
}

TEST(DerValues, HaveOneForm) {
  EXPECT_EQ(boolean(hex("ff")), true);
  EXPECT_EQ(boolean(hex("00")), false);
  EXPECT_FALSE(boolean(hex("01")));
  EXPECT_FALSE(boolean(hex("ffff")));
  EXPECT_TRUE(is_integer(hex("80")));
  EXPECT_TRUE(is_integer(hex("0080")));
  EXPECT_FALSE(is_integer(hex("007f")));
  EXPECT_FALSE(is_integer(hex("ff80")));
  EXPECT_FALSE(is_integer({}));
  EXPECT_EQ(to_hex(*magnitude(hex("0080"))), "80");
  EXPECT_EQ(to_hex(*magnitude(hex("00"))), "00");
  EXPECT_FALSE(magnitude(hex("80"))) << "negative";
  EXPECT_EQ(small_integer(hex("7fffffffffffffff")), 0x7fffffffffffffffU);
  EXPECT_FALSE(small_integer(hex("008000000000000000")));
  EXPECT_FALSE(whole_bits(hex("0180")));
  EXPECT_FALSE(whole_bits({}));
  EXPECT_EQ(named_bits(hex("0106")), 0x60U) << "keyCertSign and cRLSign";
  EXPECT_EQ(named_bits(hex("00")), 0U);
  EXPECT_FALSE(named_bits(hex("0107"))) << "a bit that is not there is set";
  EXPECT_FALSE(named_bits(hex("01")));
  EXPECT_TRUE(is_object_identifier(hex("2a864886f70d010101")));
  EXPECT_FALSE(is_object_identifier(hex("2a80864886"))) << "a subidentifier with a leading zero";
  EXPECT_FALSE(is_object_identifier(hex("2a86"))) << "ends in the middle of a subidentifier";
}

TEST(DerValues, TimesAreOfTheirTypes) {
  const auto utc = hex("170d3138303532313130353030385a");
  const auto general = hex("180f32303138303532313130353030385a");
  const auto a = time(*Reader(utc).read());
  const auto b = time(*Reader(general).read());
  ASSERT_TRUE(a && b);
  EXPECT_EQ(*a, *b);
  auto confused = utc;
  confused[0] = std::byte{kGeneralizedTime};
  EXPECT_FALSE(time(*Reader(confused).read()));
}

}  // namespace
}  // namespace coffer::attest::der
