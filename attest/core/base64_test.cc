#include "attest/core/base64.h"

#include <gtest/gtest.h>

#include <random>

#include "attest/core/strict_json.h"

namespace coffer::attest {
namespace {

TEST(Base64, IsThatOfRfc4648) {
  const std::pair<const char*, const char*> vectors[] = {{"", ""},
                                                         {"f", "Zg=="},
                                                         {"fo", "Zm8="},
                                                         {"foo", "Zm9v"},
                                                         {"foob", "Zm9vYg=="},
                                                         {"fooba", "Zm9vYmE="},
                                                         {"foobar", "Zm9vYmFy"}};
  for (const auto& [plain, encoded] : vectors) {
    EXPECT_EQ(to_base64(bytes_of_text(plain)), encoded);
    const auto back = from_base64(encoded);
    ASSERT_TRUE(back) << encoded;
    EXPECT_EQ(text_of_bytes(*back), plain);
    std::string url = encoded;
    std::erase(url, '=');
    EXPECT_EQ(to_base64url(bytes_of_text(plain)), url);
    ASSERT_TRUE(from_base64url(url)) << url;
    EXPECT_EQ(text_of_bytes(*from_base64url(url)), plain);
  }
  EXPECT_EQ(to_base64url(std::vector{std::byte{0xfb}, std::byte{0xff}}), "-_8");
  EXPECT_EQ(to_base64(std::vector{std::byte{0xfb}, std::byte{0xff}}), "+/8=");
}

TEST(Base64, HasOneTextForOneValue) {
  for (const char* text : {"Z", "Zg==", "Zg=", "Zh", "Zm9", "Zm9v\n", " Zm9v", "Zm9v Zm9v", "+_8", "-/8", "Zm9vY"}) {
    EXPECT_FALSE(from_base64url(text)) << text;
  }
  for (const char* text : {"Zg", "Zg=", "Zg===", "Zh==", "Zm9=", "-_8=", "====", "Z===", "=Zg="}) {
    EXPECT_FALSE(from_base64(text)) << text;
  }
}

TEST(Base64, GivesBackWhatWasPutIn) {
  constexpr std::uint32_t kSeed = 4711;
  std::mt19937 random(kSeed);
  for (int round = 0; round < 500; ++round) {
    std::vector<std::byte> bytes(random() % 70);
    for (std::byte& byte : bytes) byte = static_cast<std::byte>(random());
    ASSERT_EQ(from_base64url(to_base64url(bytes)), bytes) << "seed " << kSeed;
    ASSERT_EQ(from_base64(to_base64(bytes)), bytes) << "seed " << kSeed;
  }
}

TEST(StrictJson, RefusesWhatTwoReadersMayReadDifferently) {
  EXPECT_TRUE(read_json(R"({"a":{"b":1},"c":{"b":2}})"));
  for (const char* text : {R"({"a":1,"a":2})", R"([{"x":{"a":1,"b":2,"a":1}}])", R"({"a":1,"\u0061":2})", "{} {}", "",
                           "{'a':1}", "[1,]", "\"\xff\"", "nul"}) {
    EXPECT_FALSE(read_json(text)) << text;
  }
  EXPECT_TRUE(read_json("[[[]]]", {.depth = 3}));
  EXPECT_FALSE(read_json("[[[[]]]]", {.depth = 3}));
  EXPECT_FALSE(read_json("[1,2,3]", {.bytes = 6}));
  EXPECT_FALSE(read_json(std::string(1'000'000, '['))) << "no depth of the stack either";
}

}  // namespace
}  // namespace coffer::attest
