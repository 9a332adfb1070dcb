// Blocks that come and go many at a time: what they save, and what happens when the host fails in between.
#include <errno.h>
#include <fcntl.h>
#include <gtest/gtest.h>

#include <string_view>

#include "enclave/kernel/fs/encrypted/test_support.h"

namespace coffer::kernel::fs::testing {
namespace {

constexpr std::size_t kBlock = 4096;
constexpr std::size_t kRun = 16 * kBlock;

class Transfers : public ::testing::Test {
 protected:
  // Of one name, from now on.
  void count_calls(std::string_view name) {
    calls_ = 0;
    host_.failure = [this, name](std::string_view call) {
      calls_ += call == name ? 1 : 0;
      return 0;
    };
  }
  void fail_calls(std::string_view name) {
    host_.failure = [name](std::string_view call) { return call == name ? EIO : 0; };
  }

  MemoryHostDirectory host_;
  int calls_ = 0;
};

TEST_F(Transfers, AFileThatIsReadBlockByBlockTakesFewRequests) {
  const Bytes content = noise(200 * kBlock, 1);
  ASSERT_EQ(Mount(host_).write("file", content), 0);
  Mount mount(host_);
  const Ref<File> file = mount.open("file", O_RDONLY);
  count_calls("read");
  for (std::size_t at = 0; at < content.size(); at += kBlock) {
    Bytes block(kBlock);
    ASSERT_EQ(*file->read_at(at, block), kBlock);
    EXPECT_TRUE(std::ranges::equal(block, std::span(content).subspan(at, kBlock))) << at;
  }
  EXPECT_LT(calls_, 20);
  EXPECT_GT(calls_, 0);
}

TEST_F(Transfers, ABlockThatIsDamagedAheadOfItsTimeIsReadAgain) {
  const Bytes content = noise(100 * kBlock, 2);
  ASSERT_EQ(Mount(host_).write("file", content), 0);
  Mount mount(host_);
  const Ref<File> file = mount.open("file", O_RDONLY);
  int lies = 0;
  host_.lie = [&lies](std::span<std::byte> into, const std::size_t* count) {
    if (*count < 2 * kBlock) return;
    into[*count - 1] ^= std::byte{1};
    ++lies;
  };
  for (std::size_t at = 0; at < content.size(); at += kBlock) {
    Bytes block(kBlock);
    const auto count = file->read_at(at, block);
    ASSERT_TRUE(count) << at;
    EXPECT_TRUE(std::ranges::equal(block, std::span(content).subspan(at, kBlock))) << at;
  }
  EXPECT_GT(lies, 0);
}

TEST_F(Transfers, AShortReadAheadCostsNothing) {
  const Bytes content = noise(100 * kBlock, 3);
  ASSERT_EQ(Mount(host_).write("file", content), 0);
  Mount mount(host_);
  const Ref<File> file = mount.open("file", O_RDONLY);
  host_.lie = [](std::span<std::byte>, std::size_t* count) {
    if (*count > kBlock) *count = 0;
  };
  for (std::size_t at = 0; at < content.size(); at += kBlock) {
    Bytes block(kBlock);
    ASSERT_TRUE(file->read_at(at, block)) << at;
    EXPECT_TRUE(std::ranges::equal(block, std::span(content).subspan(at, kBlock))) << at;
  }
}

TEST_F(Transfers, ALargeWriteIsOneRequestAndReplacesWhatIsCached) {
  Mount mount(host_);
  const Ref<File> file = mount.open("file");
  const Bytes small = noise(3 * kBlock, 4);
  ASSERT_TRUE(file->write_at(kBlock, small));  // dirty in the cache
  const Bytes large = noise(kRun, 5);
  count_calls("write");
  ASSERT_EQ(*file->write_at(0, large), large.size());
  EXPECT_EQ(calls_, 1);
  EXPECT_EQ(mount.read(*file), large);
  ASSERT_TRUE(file->sync(false));
  EXPECT_EQ(mount.read(*file), large);
}

// The second write goes over the blocks of the first, which may be half gone when the host fails.
TEST_F(Transfers, ALargeWriteThatTheHostRefusesLosesNothing) {
  Mount mount(host_);
  Ref<File> file = mount.open("file");
  ASSERT_TRUE(file->write_at(0, noise(kRun, 6)));
  const Bytes later = noise(kRun, 7);
  fail_calls("write");
  EXPECT_EQ(*file->write_at(0, later), later.size());
  EXPECT_FALSE(file->sync(false));
  EXPECT_EQ(mount.read(*file), later);
  host_.failure = nullptr;
  EXPECT_TRUE(file->sync(false));
  file = {};
  mount.unmount();
  EXPECT_EQ(Mount(host_).read("file"), later);
}

// A program that writes on and on to a host that takes nothing is told.
TEST_F(Transfers, LargeWritesThatTheHostRefusesAreBounded) {
  EncryptedOptions options;
  options.cache_blocks = 128;
  Mount mount(host_, options);
  const Ref<File> file = mount.open("file");
  fail_calls("write");
  int taken = 0;
  while (taken < 100 && file->write_at(static_cast<std::uint64_t>(taken) * kRun, noise(kRun, 8))) ++taken;
  EXPECT_LT(taken, 10);
}

}  // namespace
}  // namespace coffer::kernel::fs::testing
