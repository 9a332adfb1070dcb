#include "host/image/settings.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>
#include <set>

#include "base/file.h"

namespace coffer::image {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

Result<Settings> parse(std::string_view text) { return parse_settings(text, "coffer.toml", "/project"); }

std::string error_of(std::string_view text) {
  auto settings = parse(text);
  return settings ? "accepted" : settings.error().message;
}

constexpr std::string_view kEverything = R"(name = "all"
product_id = 7
svn = 3
family_id = "000102030405060708090a0b0c0d0e0f"
extended_product_id = "ffffffffffffffffffffffffffffffff"
debug = true
threads = 16
stack = "2M"
heap_max = 1073741824
working_directory = "/data/here"
files = [{host = "motd", enclave = "/etc/motd"}, {host = "/abs", enclave = "/abs"}]
[[mounts]]
path = "/data"
kind = "encrypted"
key = "given"
[[mounts]]
path = "/in"
kind = "plain"
read_only = true
[environment]
allow = ["TZ", "LANG"]
any = true
[environment.set]
B = "2"
A = "1=1"
)";

TEST(Settings, ReadsEveryKey) {
  auto settings = parse(kEverything);
  ASSERT_TRUE(settings) << settings.error().message;
  EXPECT_EQ(settings->name, "all");
  EXPECT_EQ(settings->product_id, 7);
  EXPECT_EQ(settings->svn, 3);
  EXPECT_TRUE(settings->key_separation);
  EXPECT_EQ(settings->family_id[15], 15);
  EXPECT_EQ(settings->extended_product_id[0], 255);
  EXPECT_TRUE(settings->debug);
  EXPECT_EQ(settings->threads, 16u);
  EXPECT_EQ(settings->stack, 2u << 20);
  EXPECT_EQ(settings->heap_max, 1u << 30);
  EXPECT_EQ(settings->working_directory, "/data/here");
  ASSERT_EQ(settings->files.size(), 2u);
  EXPECT_EQ(settings->files[0].host, "/project/motd");
  EXPECT_EQ(settings->files[1].host, "/abs");
  ASSERT_EQ(settings->mounts.size(), 2u);
  EXPECT_EQ(settings->mounts[0].key, MountKey::kGiven);
  EXPECT_TRUE(settings->mounts[1].read_only);
  EXPECT_THAT(settings->environment_allow, ::testing::ElementsAre("TZ", "LANG"));
  EXPECT_THAT(settings->environment_set, ::testing::ElementsAre("A=1=1", "B=2"));
}

TEST(Settings, AnEmptyFileGivesTheDefaults) {
  auto settings = parse("");
  ASSERT_TRUE(settings);
  EXPECT_EQ(settings->threads, Settings{}.threads);
  EXPECT_FALSE(settings->debug);
  EXPECT_FALSE(settings->key_separation);
}

TEST(Settings, ErrorsNameFileLineAndKey) {
  struct Case {
    const char* text;
    const char* start;
    const char* part;
  };
  constexpr Case kCases[] = {
      {"svn = 1\nheap_maks = 1\n", "coffer.toml:2:", "unknown key heap_maks; known here: name, product_id"},
      {"[environment]\nallow = []\nallo = []\n", "coffer.toml:3:", "unknown key environment.allo"},
      {"[[mounts]]\npath = \"/a\"\nkind = \"plain\"\nmode = 1\n", "coffer.toml:4:", "unknown key mounts.mode"},
      {"\n\n[sgx]\nx = 1\n", "coffer.toml:3:", "unknown key sgx"},
      {"svn = 1\nsvn = 2\n", "coffer.toml:2:", "svn"},
      {"svn = \n", "coffer.toml:1:", ""},
      {"svn = 65536\n", "coffer.toml:1:", "from 0 to 65535"},
      {"svn = \"1\"\n", "coffer.toml:1:", "whole number"},
      {"threads = 0\n", "coffer.toml:1:", "from 1 to"},
      {"debug = 1\n", "coffer.toml:1:", "true or false"},
      {"name = \"\"\n", "coffer.toml:1:", "not empty"},
      {"family_id = \"12\"\n", "coffer.toml:1:", "32 hexadecimal digits"},
      {"heap_max = \"96X\"\n", "coffer.toml:1:", "is not a size"},
      {"heap_max = -1\n", "coffer.toml:1:", "size"},
      {"heap_max = \"99999999999999G\"\n", "coffer.toml:1:", "too large"},
      {"heap_max = 4096\n", "coffer.toml:1:", "must be from"},
      {"heap_max = \"4M\"\nstack = \"4M\"\n", "coffer.toml:", "at least twice"},
      {"working_directory = \"data\"\n", "coffer.toml:1:", "absolute path"},
      {"files = 1\n", "coffer.toml:1:", "[[files]]"},
      {"\n[[files]]\nhost = \"x\"\n", "coffer.toml:2:", "host and enclave"},
      {"[[files]]\nhost = \"x\"\nenclave = \"relative\"\n", "coffer.toml:3:", "absolute path"},
      {"[[files]]\nhost = \"x\"\nenclave = \"/a/../b\"\n", "coffer.toml:3:", "absolute path"},
      {"[[mounts]]\npath = \"/\"\nkind = \"plain\"\n", "coffer.toml:2:", "absolute path"},
      {"[[mounts]]\npath = \"/a\"\nkind = \"secret\"\n", "coffer.toml:3:", "plain"},
      {"[[mounts]]\npath = \"/a\"\nkind = \"encrypted\"\n", "coffer.toml:1:", "needs key"},
      {"[[mounts]]\npath = \"/a\"\nkind = \"encrypted\"\nkey = \"mine\"\n", "coffer.toml:4:", "mrenclave"},
      {"[[mounts]]\npath = \"/a\"\nkind = \"plain\"\nkey = \"given\"\n", "coffer.toml:1:", "uses none"},
      {"[[mounts]]\npath=\"/a\"\nkind=\"plain\"\n[[mounts]]\npath=\"/a\"\nkind=\"plain\"\n", "coffer.toml:", "twice"},
      {"environment = 1\n", "coffer.toml:1:", "[environment]"},
      {"environment.allow = [\"A=B\"]\n", "coffer.toml:1:", "without"},
      {"environment.allow = [\"A\", 1]\n", "coffer.toml:1:", "names"},
      {"[environment.set]\nA = 1\n", "coffer.toml:2:", "environment.set.A"},
      {"environment.any = true\n", "coffer.toml:", "debug images only"},
      {"svn = 1\n[ [mounts]]\n", "coffer.toml:", ""},
      {"\nn \ufefe", "coffer.toml:2:", ""},
      {"\n\u00e4 = 2\n", "coffer.toml:2:", ""},
      {"\"a\\nb\" = 1\n", "coffer.toml:1:", "a?b"},
  };
  for (const Case& each : kCases) {
    auto message = error_of(each.text);
    EXPECT_THAT(message, StartsWith(each.start)) << each.text;
    EXPECT_THAT(message, HasSubstr(each.part)) << each.text;
    EXPECT_EQ(message.find('\n'), std::string::npos) << each.text;
  }
}

TEST(Settings, OtherLanguagesCanBeWritten) {
  auto settings = parse("name = \"gr\u00f6\u00dfe\" # \u00e4\n");
  ASSERT_TRUE(settings) << settings.error().message;
  EXPECT_EQ(settings->name, "gr\u00f6\u00dfe");
  EXPECT_EQ(parse("name = \"\ufefb\" # \ufefb\n")->name, "\ufefb");
}

TEST(Settings, ReadsSizes) {
  EXPECT_EQ(*parse_size("4096"), 4096u);
  EXPECT_EQ(*parse_size("1K"), 1024u);
  EXPECT_EQ(*parse_size("96M"), 96u << 20);
  EXPECT_EQ(*parse_size("2G"), 2ull << 30);
  for (const char* wrong : {"", "M", "-1", "1.5M", "1m", "1MB", " 1", "99999999999999999999"}) {
    EXPECT_FALSE(parse_size(wrong)) << wrong;
  }
}

// The names that the reader itself says it knows at a place, from its message about one that it does not.
std::set<std::string> known_at(std::string_view text, const std::string& prefix) {
  std::string message = error_of(text);
  std::set<std::string> names;
  std::string list = message.substr(message.find("known here: ") + 12);
  for (std::size_t at = 0; at < list.size();) {
    auto end = std::min(list.find(", ", at), list.size());
    names.insert(prefix + list.substr(at, end - at));
    at = end + 2;
  }
  return names;
}

TEST(Settings, TheNetworkIsMadeOfPatterns) {
  const auto settings = parse("[network]\nbind = [\"tcp:127.0.0.1:80\"]\nconnect = [\"udp:*:53\", \"unix:/run/x\"]");
  ASSERT_TRUE(settings) << settings.error().message;
  EXPECT_EQ(settings->network.size(), 3u);
  EXPECT_TRUE(parse("")->network.empty());
  for (const char* wrong :
       {"network = 1", "[network]\nbind = 1", "[network]\nbind = [1]", "[network]\nbind = [\"x\"]"}) {
    EXPECT_FALSE(parse(wrong)) << wrong;
  }
}

TEST(Settings, TheDocumentationListsExactlyTheKeys) {
  std::set<std::string> accepted = known_at("zzz = 1", "");
  accepted.merge(known_at("[environment]\nzzz = 1", "environment."));
  accepted.merge(known_at("[[files]]\nhost=\"a\"\nenclave=\"/a\"\nzzz = 1", "files."));
  accepted.merge(known_at("[[mounts]]\npath=\"/a\"\nkind=\"plain\"\nzzz = 1", "mounts."));
  accepted.merge(known_at("[network]\nzzz = 1", "network."));
  std::set<std::string> listed;
  for (std::string_view name : known_settings()) listed.emplace(name);
  EXPECT_EQ(accepted, listed);

  auto content = read_file(std::filesystem::path(COFFER_SOURCE_DIR) / "docs/coffer-toml.md");
  ASSERT_TRUE(content) << content.error().message;
  std::string text(reinterpret_cast<const char*>(content->data()), content->size());
  std::set<std::string> documented;
  for (std::size_t at = 0; (at = text.find("\n| `", at)) != std::string::npos; ++at) {
    documented.insert(text.substr(at + 4, text.find('`', at + 4) - at - 4));
  }
  EXPECT_EQ(documented, listed);
  // Its example is one that works.
  auto begin = text.find("```toml\n") + 8;
  auto example = parse(std::string_view(text).substr(begin, text.find("```", begin) - begin));
  EXPECT_TRUE(example) << example.error().message;
}

TEST(Settings, MutatedTextNeverCrashesAndGivesOneLine) {
  const std::uint32_t seed = std::random_device{}();
  std::mt19937 random(seed);
  SCOPED_TRACE("seed " + std::to_string(seed));
  for (int round = 0; round < 3000; ++round) {
    std::string text(kEverything);
    for (auto changes = 1 + random() % 5; changes > 0; --changes) {
      auto at = random() % text.size();
      if (random() % 2 == 0) text[at] = static_cast<char>(random());
      if (random() % 4 == 0) text.erase(at, random() % 20);
      if (random() % 4 == 0) text.insert(std::min(at, text.size()), kEverything.substr(random() % 300, random() % 30));
      if (text.empty()) text = "x";
    }
    auto settings = parse(text);
    if (!settings) {
      EXPECT_EQ(settings.error().message.find('\n'), std::string::npos);
    }
  }
}

}  // namespace
}  // namespace coffer::image
