#include <gtest/gtest.h>

#include "compat/openenclave/tools/oesign.h"

namespace coffer::openenclave {
namespace {

Result<SignOptions> parse(std::vector<std::string_view> words) { return parse_sign_options(words); }

TEST(SignOptions, AllSpellings) {
  for (const auto& words : {std::vector<std::string_view>{"sign", "-e", "enc", "-c", "conf", "-k", "key"},
                            {"sign", "-eenc", "-cconf", "-kkey"},
                            {"sign", "--enclave-image", "enc", "--config-file=conf", "--key-file", "key"}}) {
    const auto options = parse(words);
    ASSERT_TRUE(options) << options.error().message;
    EXPECT_EQ(options->command, "sign");
    EXPECT_EQ(options->enclave, "enc");
    EXPECT_EQ(options->configuration, "conf");
    EXPECT_EQ(options->key, "key");
  }
}

TEST(SignOptions, WhatIsMissingOrTooMuch) {
  EXPECT_FALSE(parse({}));
  EXPECT_FALSE(parse({"sing"}));
  EXPECT_FALSE(parse({"sign", "-k", "key"}));
  EXPECT_FALSE(parse({"sign", "-e", "enc"}));
  EXPECT_FALSE(parse({"sign", "-e", "enc", "-k"}));
  EXPECT_FALSE(parse({"sign", "-e", "enc", "-x", "certificate"}));
  EXPECT_FALSE(parse({"sign", "-e", "enc", "-k", "key", "-x", "certificate", "-d", "digest"}));
  EXPECT_FALSE(parse({"digest", "-e", "enc"}));
  EXPECT_FALSE(parse({"dump", "-e", "enc", "-k", "key"}));
  EXPECT_TRUE(parse({"sign", "-e", "enc", "-x", "certificate", "-d", "digest"}));
  EXPECT_TRUE(parse({"digest", "-e", "enc", "-d", "digest"}));
  EXPECT_TRUE(parse({"dump", "-e", "enc"}));
}

TEST(SignOptions, HelpNeedsNothingElse) {
  for (const char* command : {"sign", "digest", "dump"}) {
    const auto options = parse({command, "--help"});
    ASSERT_TRUE(options);
    EXPECT_TRUE(options->help);
    EXPECT_FALSE(sign_usage(command).empty());
  }
}

}  // namespace
}  // namespace coffer::openenclave
