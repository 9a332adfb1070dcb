// What the platform issues, seen by the verifiers' own readers and OpenSSL; and the folder's changes.
#include "node/quoting/platform.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <nlohmann/json.hpp>
#include <thread>

#include "base/hex.h"
#include "node/quoting/quoter.h"
#include "node/quoting/store.h"

namespace coffer::node {
namespace {

using ::testing::HasSubstr;
using Json = nlohmann::json;

class FolderTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string name = ::testing::TempDir() + "coffer-platform-XXXXXX";
    ASSERT_NE(::mkdtemp(name.data()), nullptr);
    folder_ = name;
    ::setenv("COFFER_HOME", folder_.c_str(), 1);
  }
  void TearDown() override {
    ::unsetenv("COFFER_HOME");
    std::filesystem::remove_all(folder_);
  }
  std::filesystem::path folder_;
};

std::vector<std::byte> bytes(std::string_view text) {
  const auto view = std::as_bytes(std::span(text));
  return {view.begin(), view.end()};
}

using StoreTest = FolderTest;
using Access = FolderStore::Access;

TEST_F(StoreTest, ReplacesEverything) {
  {
    const auto store = FolderStore::open(folder_, "box", Access::kChange);
    ASSERT_TRUE(store);
    EXPECT_FALSE(*store->there());
    ASSERT_TRUE(store->replace({{"a", bytes("1")}, {"b", bytes("2"), 0644}}));
    ASSERT_TRUE(store->replace({{"a", bytes("3")}}));
  }
  const auto store = FolderStore::open(folder_, "box", Access::kRead);
  ASSERT_TRUE(store && *store->there());
  EXPECT_EQ(*store->read("a"), bytes("3"));
  EXPECT_FALSE(store->read("b"));
  EXPECT_EQ(std::filesystem::status(folder_ / "box").permissions(), std::filesystem::perms::owner_all);
}

// As a crash between the two renames leaves it: the old folder comes back, and half of a new one goes.
TEST_F(StoreTest, AChangeThatWasCutShortIsUndone) {
  {
    const auto store = FolderStore::open(folder_, "box", Access::kChange);
    ASSERT_TRUE(store && store->replace({{"a", bytes("old")}}));
  }
  std::filesystem::rename(folder_ / "box", folder_ / "box.old");
  std::filesystem::create_directory(folder_ / "box.new");
  {
    const auto store = FolderStore::open(folder_, "box", Access::kRead);
    ASSERT_TRUE(store);
    EXPECT_FALSE(store->there()) << "neither there nor not there";
  }
  const auto store = FolderStore::open(folder_, "box", Access::kChange);
  ASSERT_TRUE(store && *store->there());
  EXPECT_EQ(*store->read("a"), bytes("old"));
  EXPECT_FALSE(std::filesystem::exists(folder_ / "box.new"));
}

TEST(Times, AreReadAndWritten) {
  EXPECT_EQ(iso8601(0), "1970-01-01T00:00:00Z");
  EXPECT_EQ(*parse_time("2026-11-23T12:00:00Z"), *parse_time("2026-11-23") + 12 * 3600);
  for (const char* wrong :
       {"", "2026", "2026-11-23T12:00:00", "2026-11-23 12:00:00Z", "2026-11-23T12:00:00Zx", "tomorrow"}) {
    EXPECT_FALSE(parse_time(wrong)) << wrong;
  }
}

TEST(Levels, ThatAreOutOfDateHaveANewerOneAbove) {
  sgx::Bytes<16> components{};
  components.fill(3);
  const auto good = levels_for(components, 1, "UpToDate", {}, "2026-01-01T00:00:00Z");
  ASSERT_EQ(good.size(), 1u);
  const auto old = levels_for(components, 1, "OutOfDate", {"ID-1"}, "2026-01-01T00:00:00Z");
  ASSERT_EQ(old.size(), 2u);
  EXPECT_GT(old[0].components[0], components[0]);
  EXPECT_EQ(old[0].status, "UpToDate");
  EXPECT_EQ(old[1].status, "OutOfDate");
  EXPECT_THAT(old[1].advisories, ::testing::ElementsAre("ID-1"));
}

TEST(Levels, AreReadFromAFileOrSayWhatIsWrong) {
  const auto level = [](const std::string& status, int count, int svn) {
    std::string components;
    for (int at = 0; at < count; ++at) components += (at > 0 ? "," : "") + ("{\"svn\":" + std::to_string(svn) + "}");
    return "[{\"tcb\":{\"sgxtcbcomponents\":[" + components +
           "],\"pcesvn\":1},\"tcbDate\":\"2026-01-01\",\"tcbStatus\":\"" + status + "\"}]";
  };
  const auto good = parse_levels(level("ConfigurationNeeded", 16, 255), "f");
  ASSERT_TRUE(good) << good.error().message;
  EXPECT_EQ((*good)[0].components[15], 255);
  for (const std::string& wrong :
       {std::string("{}"), std::string("[]"), std::string("["), level("Fine", 16, 1), level("UpToDate", 15, 1),
        level("UpToDate", 16, 256), std::string("[{\"tcb\":1}]")}) {
    const auto refused = parse_levels(wrong, "some/file");
    ASSERT_FALSE(refused) << wrong;
    EXPECT_EQ(refused.error().kind, ErrorKind::kInput);
    EXPECT_THAT(refused.error().message, HasSubstr("some/file: "));
  }
}

// The value against a hand-made one for its first and last members; the whole is compared with a verifier's reader in
// the acceptance test.
TEST(Extension, IsInDer) {
  SgxExtension extension;
  extension.pce_svn = 0x1ff;
  extension.components.fill(0x80);
  const std::string hex = to_hex(encode(extension));
  EXPECT_EQ(hex.substr(0, 8), "30820237");
  EXPECT_THAT(hex, HasSubstr("301e060a2a864886f84d010d01010410"));  // PPID
  EXPECT_THAT(hex, HasSubstr("3011060b2a864886f84d010d0102100202"
                             "0080"));                                    // component 16, not negative
  EXPECT_THAT(hex, HasSubstr("3011060b2a864886f84d010d010211020201ff"));  // PCESVN
}

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
using PlatformTest = FolderTest;

TEST_F(PlatformTest, IsMadeOnceWhoeverComesFirst) {
  std::vector<std::thread> threads;
  std::vector<std::string> roots(3);
  for (std::string& root : roots) {
    threads.emplace_back([&root, this] {
      const auto platform = Platform::open(folder_);
      root = platform ? platform->certificates().root : platform.error().message;
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_THAT(roots[0], HasSubstr("BEGIN CERTIFICATE"));
  EXPECT_EQ(roots[0], roots[1]);
  EXPECT_EQ(roots[0], roots[2]);
  EXPECT_EQ(*local_software_root(), roots[0]);
}

TEST_F(PlatformTest, LookingMakesNothing) {
  const auto nothing = Platform::look(folder_);
  ASSERT_TRUE(nothing);
  EXPECT_FALSE(*nothing);
  EXPECT_FALSE(std::filesystem::exists(folder_ / "platform"));
  EXPECT_FALSE(*local_software_root());
}

TEST_F(PlatformTest, RotationKeepsTheRootAndRevokesTheKey) {
  const auto first = Platform::open(folder_);
  ASSERT_TRUE(first) << first.error().message;
  const auto second = Platform::rotate(folder_);
  ASSERT_TRUE(second) << second.error().message;
  EXPECT_EQ(first->certificates().root, second->certificates().root);
  EXPECT_NE(first->certificates().pck, second->certificates().pck);
  EXPECT_NE(first->attestation_key().sealed, second->attestation_key().sealed);
  ASSERT_EQ(second->facts().revoked.size(), 1u);
  EXPECT_EQ(second->facts().revoked[0].serial, *serial_of(first->certificates().pck));
  EXPECT_THAT(to_hex(second->certificates().pck_crl), HasSubstr(second->facts().revoked[0].serial));
  EXPECT_EQ(second->facts().generation, 2u);
}

TEST_F(PlatformTest, TheOwnerSaysWhatIsOutOfDate) {
  const auto changed = Platform::set_tcb(folder_, [](PlatformFacts& facts) -> Result<void> {
    facts.tcb.levels = levels_for(facts.cpu_svn, kCertifierSvn, "OutOfDate", {"ID-1"}, "2026-01-01T00:00:00Z");
    facts.tcb.issued = *parse_time("2026-01-02");
    facts.tcb.next_update = *parse_time("2026-02-02");
    return {};
  });
  ASSERT_TRUE(changed) << changed.error().message;
  const auto again = Platform::open(folder_);
  ASSERT_TRUE(again);
  const Json info = Json::parse(again->certificates().tcb_info)["tcbInfo"];
  EXPECT_EQ(info["issueDate"], "2026-01-02T00:00:00Z");
  EXPECT_EQ(info["nextUpdate"], "2026-02-02T00:00:00Z");
  EXPECT_EQ(info["tcbLevels"][1]["tcbStatus"], "OutOfDate");
  EXPECT_EQ(info["fmspc"], "434F46460001");
  // A change that is refused changes nothing.
  EXPECT_FALSE(Platform::set_tcb(folder_, [](PlatformFacts& facts) -> Result<void> {
    facts.tcb.levels.clear();
    return input_error("no");
  }));
  EXPECT_EQ(Platform::open(folder_)->certificates().tcb_info, again->certificates().tcb_info);
}

TEST_F(PlatformTest, DamageIsSaid) {
  ASSERT_TRUE(Platform::open(folder_));
  std::filesystem::resize_file(folder_ / "platform/platform.json", 20);
  const auto damaged = Platform::open(folder_);
  ASSERT_FALSE(damaged);
  EXPECT_EQ(damaged.error().kind, ErrorKind::kInput);
  EXPECT_THAT(damaged.error().message, HasSubstr("platform.json"));
}

TEST_F(PlatformTest, ReportsOfNobodyAreNotQuoted) {
  auto quoter = Quoter::start();
  ASSERT_TRUE(quoter) << quoter.error().message;
  const auto target = quoter->target();
  ASSERT_TRUE(target);
  EXPECT_EQ(target->attributes.flags & sgx::attribute::kDebug, 0u);
  const auto refusal = quoter->quote(sgx::Report{});
  ASSERT_FALSE(refusal);
  EXPECT_EQ(refusal.error().kind, ErrorKind::kRefused);
}
#endif

}  // namespace
}  // namespace coffer::node
