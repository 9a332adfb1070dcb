#include "service/host/blob_file.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <fstream>

namespace coffer::service {
namespace {

class BlobFileTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = "/tmp/blob-file.XXXXXX";
    folder = ::mkdtemp(pattern.data());
  }
  void TearDown() override { std::filesystem::remove_all(folder); }
  std::filesystem::path folder;
};

TEST_F(BlobFileTest, KeepsBlobsOverAStart) {
  const auto path = folder / "store";
  {
    auto file = BlobFile::open(path);
    ASSERT_TRUE(file) << file.error().message;
    ASSERT_TRUE(file->apply({{"a", std::vector<std::byte>(3, std::byte{7})}, {"b", std::vector<std::byte>{}}}));
    ASSERT_TRUE(file->apply(
        {{"a", std::vector<std::byte>(2, std::byte{8})}, {"c", std::vector<std::byte>{}}, {"b", std::nullopt}}));
  }
  struct stat status{};
  ASSERT_EQ(::stat(path.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0600u);
  auto file = BlobFile::open(path);
  ASSERT_TRUE(file);
  EXPECT_EQ(file->get("a").value(), std::vector<std::byte>(2, std::byte{8}));
  EXPECT_EQ(file->get("b").value(), std::nullopt);
  EXPECT_EQ(file->get("c").value(), std::vector<std::byte>{});
}

TEST_F(BlobFileTest, HasOneUserAtATime) {
  const auto first = BlobFile::open(folder / "store");
  ASSERT_TRUE(first);
  const auto second = BlobFile::open(folder / "store");
  ASSERT_FALSE(second);
  EXPECT_NE(second.error().message.find("another service"), std::string::npos) << second.error().message;
}

TEST_F(BlobFileTest, RefusesWhatIsNoStore) {
  std::ofstream(folder / "text") << "this is not a database, and it is long enough to be looked at as one";
  EXPECT_FALSE(BlobFile::open(folder / "text"));
  EXPECT_FALSE(BlobFile::open(folder / "missing" / "store"));
}

}  // namespace
}  // namespace coffer::service
