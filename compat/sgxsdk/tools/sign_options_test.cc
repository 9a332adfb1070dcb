#include "compat/sgxsdk/tools/sign_options.h"

#include <gtest/gtest.h>

#include <vector>

namespace coffer::sgxsdk {
namespace {

Result<SignOptions> parse(const std::vector<std::string_view>& arguments) { return parse_sign_options(arguments); }

TEST(SignOptions, AsMakefilesWriteThem) {
  auto options = parse({"sign", "-key", "k.pem", "-enclave", "e.so", "-out", "e.signed.so", "-config", "e.xml"});
  ASSERT_TRUE(options) << options.error().message;
  EXPECT_EQ(options->verb, SignVerb::kSign);
  EXPECT_EQ(options->key, "k.pem");
  EXPECT_EQ(options->enclave, "e.so");
  EXPECT_EQ(options->output, "e.signed.so");
  EXPECT_EQ(options->config, "e.xml");
  EXPECT_FALSE(options->resign);
}

TEST(SignOptions, RefusesWhatTheVerbDoesNotTakeOrNeeds) {
  EXPECT_EQ(parse({"sign", "-key", "k", "-enclave", "e"}).error().message, "`sign` needs -out FILE");
  EXPECT_EQ(parse({"gendata", "-enclave", "e", "-out", "o", "-key", "k"}).error().message,
            "`gendata` does not take -key");
  EXPECT_EQ(parse({"dump", "-enclave", "e"}).error().message, "`dump` needs -dumpfile FILE");
  EXPECT_EQ(parse({"sign", "-key"}).error().message, "-key needs a file after it");
  EXPECT_EQ(parse({"sign", "-key", "a", "-key", "b"}).error().message, "-key is given twice");
  EXPECT_EQ(parse({"sign", "--key", "a"}).error().message, "`--key` is no option of sgx_sign");
  EXPECT_EQ(parse({"seal"}).error().message, "`seal` is none of sign, gendata, catsig, dump");
  EXPECT_FALSE(parse({}));
}

TEST(SignOptions, HelpAndVersion) {
  EXPECT_TRUE(parse({"-help"})->help);
  EXPECT_TRUE(parse({"--help"})->help);
  EXPECT_TRUE(parse({"-version"})->version);
}

}  // namespace
}  // namespace coffer::sgxsdk
