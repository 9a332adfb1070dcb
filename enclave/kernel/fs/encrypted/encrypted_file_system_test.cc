#include "enclave/kernel/fs/encrypted/encrypted_file_system.h"

#include <errno.h>
#include <gmock/gmock.h>
#include <sys/stat.h>

#include <thread>

#include "enclave/kernel/fs/encrypted/test_support.h"

namespace coffer::kernel::fs::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

TEST(EncryptedFileSystem, KeepsFilesAcrossMounts) {
  MemoryHostDirectory host;
  const Bytes big = noise(3'000'001, 7);
  {
    Mount mount(host);
    ASSERT_EQ(mount.error(), 0);
    EXPECT_EQ(mount.write("hello", text("world")), 0);
    EXPECT_EQ(code(mount->make_directory("sub", 0700)), 0);
    EXPECT_EQ(mount.write("sub/big", big), 0);
    EXPECT_EQ(mount.write("empty", {}), 0);
  }
  EXPECT_EQ(host.open_handles(), 0U);
  Mount mount(host);
  ASSERT_EQ(mount.error(), 0);
  EXPECT_THAT(mount.names(), ElementsAre("empty", "hello", "sub"));
  EXPECT_THAT(mount.names("sub"), ElementsAre("big"));
  EXPECT_EQ(mount.read("hello"), text("world"));
  EXPECT_EQ(mount.read("sub/big"), big);
  EXPECT_EQ(mount.read("empty"), Bytes{});
  EXPECT_EQ(mount.error(), 0);
  EXPECT_EQ(mount->status("sub")->mode, S_IFDIR | 0700U);
  EXPECT_EQ(mount->status("sub/big")->size, big.size());
}

TEST(EncryptedFileSystem, HostSeesNeitherNamesNorContent) {
  MemoryHostDirectory host;
  const std::string secret = "a most secret sentence in the file";
  {
    Mount mount(host);
    for (int i = 0; i < 50; ++i) mount.write("confidential-name-" + std::to_string(i), text(secret));
  }
  for (const auto& [name, content] : host.image()) {
    const std::string_view stored(reinterpret_cast<const char*>(content.data()), content.size());
    EXPECT_EQ(name.find("confidential"), std::string::npos);
    EXPECT_EQ(stored.find("secret sentence"), std::string_view::npos);
    EXPECT_EQ(stored.find("confidential-name"), std::string_view::npos);
  }
}

TEST(EncryptedFileSystem, OpenFlags) {
  MemoryHostDirectory host;
  Mount mount(host);
  EXPECT_FALSE(mount.open("missing", O_RDONLY));
  EXPECT_EQ(mount.error(), ENOENT);
  EXPECT_TRUE(mount.open("file", O_RDWR | O_CREAT | O_EXCL));
  EXPECT_FALSE(mount.open("file", O_RDWR | O_CREAT | O_EXCL));
  EXPECT_EQ(mount.error(), EEXIST);
  EXPECT_EQ(mount.write("file", text("12345")), 0);
  EXPECT_TRUE(mount.open("file", O_WRONLY | O_TRUNC));
  EXPECT_EQ(mount.read("file"), Bytes{});
  EXPECT_FALSE(mount.open("file", O_RDONLY | O_DIRECTORY));
  EXPECT_EQ(mount.error(), ENOTDIR);
  EXPECT_FALSE(mount.open("", O_RDWR));
  EXPECT_EQ(mount.error(), EISDIR);
  EXPECT_FALSE(mount.open("file/below", O_RDONLY));
  EXPECT_EQ(mount.error(), ENOTDIR);
  EXPECT_FALSE(mount.open(std::string(256, 'x')));
  EXPECT_EQ(mount.error(), ENAMETOOLONG);
  Ref<File> reader = mount.open("file", O_RDONLY);
  EXPECT_EQ(reader->write_at(0, text("x")).error(), EBADF);
  EXPECT_EQ(code(reader->truncate(0)), EBADF);
  EXPECT_EQ(mount->read_link("file").error(), EINVAL);
}

TEST(EncryptedFileSystem, SparseFilesAndTruncation) {
  MemoryHostDirectory host;
  Mount mount(host);
  Ref<File> file = mount.open("sparse");
  const std::uint64_t far = std::uint64_t{5} << 40;  // 5 TiB
  ASSERT_TRUE(file->write_at(far, text("end")));
  ASSERT_TRUE(file->write_at(10, text("begin")));
  EXPECT_EQ(file->status()->size, far + 3);
  Bytes read(100000);
  ASSERT_EQ(file->read_at(far - 50000, read), 50003U);
  EXPECT_EQ(read[0], std::byte{0});
  EXPECT_EQ(read[50002], std::byte{'d'});
  ASSERT_EQ(code(file->sync(false)), 0);
  EXPECT_LT(host.image().at("coffer.data").size(), 200'000U);
  EXPECT_EQ(code(file->truncate(12)), 0);
  EXPECT_EQ(code(file->truncate(8000)), 0);
  Bytes expected(8000);
  expected[10] = std::byte{'b'};
  expected[11] = std::byte{'e'};
  EXPECT_EQ(mount.read(*file), expected);
  EXPECT_EQ(file->read_at(8000, read), 0U);
  EXPECT_EQ(file->write_at(std::uint64_t{1} << 60, text("x")).error(), EFBIG);
  file = {};
  mount.unmount();
  Mount again(host);
  EXPECT_EQ(again.read("sparse"), expected);
}

TEST(EncryptedFileSystem, UnlinkedFilesLiveUntilClosed) {
  MemoryHostDirectory host;
  Mount mount(host);
  const Bytes content = noise(1 << 20, 3);
  ASSERT_EQ(mount.write("file", content), 0);
  Ref<File> file = mount.open("file");
  ASSERT_EQ(code(mount->remove("file", false)), 0);
  EXPECT_EQ(mount->status("file").error(), ENOENT);
  for (int i = 0; i < 20; ++i) {  // must not take the open file's blocks
    ASSERT_EQ(mount.write("other", noise(1 << 19, 100 + static_cast<unsigned>(i)), true), 0);
  }
  EXPECT_EQ(mount.read(*file), content);
  EXPECT_EQ(file->status()->links, 0U);
  ASSERT_TRUE(file->write_at(5000, text("still here")));
  EXPECT_EQ(code(file->sync(false)), 0);
  Bytes part(10);
  ASSERT_EQ(file->read_at(5000, part), 10U);
  EXPECT_EQ(part, text("still here"));
  file = {};
  EXPECT_THAT(mount.names(), ElementsAre("other"));
}

TEST(EncryptedFileSystem, Renames) {
  MemoryHostDirectory host;
  Mount mount(host);
  ASSERT_EQ(mount.write("a", text("A")), 0);
  ASSERT_EQ(mount.write("b", text("B")), 0);
  ASSERT_EQ(code(mount->make_directory("d", 0755)), 0);
  ASSERT_EQ(code(mount->make_directory("d/e", 0755)), 0);
  EXPECT_EQ(code(mount->rename("a", "b", 1)), EEXIST);
  EXPECT_EQ(code(mount->rename("a", "d", 0)), EISDIR);
  EXPECT_EQ(code(mount->rename("d", "a", 0)), ENOTDIR);
  EXPECT_EQ(code(mount->rename("d", "d/e/f", 0)), EINVAL);
  EXPECT_EQ(code(mount->rename("nothing", "a", 0)), ENOENT);
  EXPECT_EQ(code(mount->rename("a", "a", 0)), 0);
  Ref<File> old = mount.open("b");
  EXPECT_EQ(code(mount->rename("a", "b", 0)), 0);
  EXPECT_EQ(mount.read(*old), text("B"));
  EXPECT_EQ(mount.read("b"), text("A"));
  EXPECT_EQ(code(mount->rename("b", "d/e/moved", 0)), 0);
  EXPECT_EQ(code(mount->make_directory("x", 0755)), 0);
  EXPECT_EQ(code(mount->rename("x", "d", 0)), ENOTEMPTY);
  EXPECT_EQ(code(mount->rename("d", "x", 0)), 0);
  EXPECT_EQ(mount.read("x/e/moved"), text("A"));
  EXPECT_EQ(code(mount->remove("x/e", true)), ENOTEMPTY);
  EXPECT_EQ(code(mount->remove("x/e", false)), EISDIR);
  EXPECT_EQ(code(mount->remove("x/e/moved", true)), ENOTDIR);
  EXPECT_EQ(code(mount->remove("x/e/moved", false)), 0);
  EXPECT_EQ(code(mount->remove("x/e", true)), 0);
  EXPECT_EQ(code(mount->remove("x", true)), 0);
  EXPECT_THAT(mount.names(), IsEmpty());
}

TEST(EncryptedFileSystem, LargeDirectories) {
  MemoryHostDirectory host;
  std::vector<std::string> expected;
  {
    Mount mount(host);
    for (int i = 0; i < 3000; ++i) {
      const std::string name = "a rather long name of a file " + std::to_string(i);
      ASSERT_TRUE(mount.open(name));
      if (i % 3 == 0) {
        ASSERT_EQ(code(mount->remove(name, false)), 0);
      } else {
        expected.push_back(name);
      }
    }
  }
  std::ranges::sort(expected);
  Mount mount(host);
  EXPECT_EQ(mount.names(), expected);
  for (const std::string& name : expected) EXPECT_TRUE(mount->status(name)) << name;
}

TEST(EncryptedFileSystem, SpaceIsReused) {
  MemoryHostDirectory host;
  Mount mount(host);
  const Bytes content = noise(1 << 20, 1);
  for (int i = 0; i < 50; ++i) ASSERT_EQ(mount.write("file", content, true), 0);
  EXPECT_LT(host.image().at("coffer.data").size(), 5U << 20);
  ASSERT_EQ(code(mount->remove("file", false)), 0);
  ASSERT_EQ(code(mount->sync()), 0);
  ASSERT_EQ(mount.write("small", text("x"), true), 0);
  EXPECT_LT(host.image().at("coffer.data").size(), 2U << 20);
}

TEST(EncryptedFileSystem, SmallCacheHoldsLargeWorkloads) {
  MemoryHostDirectory host;
  EncryptedOptions options;
  options.cache_blocks = 64;
  Bytes expected = noise(4 << 20, 11);
  {
    Mount mount(host, options);
    ASSERT_EQ(mount.write("file", expected), 0);
    Ref<File> file = mount.open("file");
    std::mt19937_64 random(12);
    for (int i = 0; i < 5000; ++i) {
      const std::size_t at = random() % (expected.size() - 100);
      const Bytes change = noise(100, random());
      ASSERT_TRUE(file->write_at(at, change));
      std::ranges::copy(change, expected.begin() + static_cast<std::ptrdiff_t>(at));
    }
    EXPECT_EQ(mount.read(*file), expected);
  }
  Mount mount(host, options);
  EXPECT_EQ(mount.read("file"), expected);
}

TEST(EncryptedFileSystem, HostWithoutRoom) {
  MemoryHostDirectory host;
  host.capacity = 2 << 20;
  EncryptedOptions options;
  options.cache_blocks = 128;
  Mount mount(host, options);
  ASSERT_EQ(mount.write("kept", noise(500'000, 1), true), 0);
  EXPECT_EQ(mount.write("large", noise(4 << 20, 2), true), ENOSPC);
  EXPECT_EQ(code(mount->remove("large", false)), 0);
  EXPECT_EQ(mount.write("next", noise(300'000, 3), true), 0);
  mount.unmount();
  Mount again(host, options);
  EXPECT_THAT(again.names(), ElementsAre("kept", "next"));
  EXPECT_EQ(again.read("kept"), noise(500'000, 1));
  EXPECT_EQ(again.read("next"), noise(300'000, 3));
}

TEST(EncryptedFileSystem, PartialTransfersOfTheHost) {
  MemoryHostDirectory host;
  host.partial_transfers = true;
  const Bytes content = noise(400'000, 5);
  {
    Mount mount(host);
    ASSERT_EQ(mount.error(), 0);
    ASSERT_EQ(mount.write("file", content, true), 0);
  }
  Mount mount(host);
  EXPECT_EQ(mount.read("file"), content);
}

TEST(EncryptedFileSystem, ReadOnlyMounts) {
  MemoryHostDirectory host;
  EncryptedOptions options;
  options.read_only = true;
  EXPECT_EQ(Mount(host, options).error(), ENOENT);
  {
    ASSERT_EQ(Mount(host).write("file", text("content")), 0);
  }
  const std::uint64_t changes = host.changes();
  Mount mount(host, options);
  ASSERT_EQ(mount.error(), 0);
  EXPECT_EQ(mount.read("file"), text("content"));
  EXPECT_FALSE(mount.open("file", O_RDWR));
  EXPECT_EQ(mount.error(), EROFS);
  EXPECT_FALSE(mount.open("new"));
  EXPECT_EQ(mount.error(), EROFS);
  EXPECT_EQ(code(mount->remove("file", false)), EROFS);
  EXPECT_EQ(code(mount->make_directory("d", 0755)), EROFS);
  EXPECT_EQ(code(mount->rename("file", "b", 0)), EROFS);
  EXPECT_EQ(code(mount->sync()), 0);
  mount.unmount();
  EXPECT_EQ(host.changes(), changes);
}

TEST(EncryptedFileSystem, SecondUserStopsTheFirst) {
  MemoryHostDirectory host;
  Mount first(host);
  ASSERT_EQ(first.write("file", text("1"), true), 0);
  Mount second(host);
  ASSERT_EQ(second.error(), 0);
  EXPECT_EQ(first.write("file", text("2"), true), EIO);
  EXPECT_EQ(second.write("file", text("3"), true), 0);
}

TEST(EncryptedFileSystem, TimesAndModes) {
  MemoryHostDirectory host;
  static std::int64_t now = 1000;
  EncryptedOptions options;
  options.clock = [](std::int64_t* seconds, std::uint32_t* nanoseconds) {
    *seconds = now;
    *nanoseconds = 5;
  };
  {
    Mount mount(host, options);
    Ref<File> file = mount.open("file");
    EXPECT_EQ(file->status()->mtime_s, 1000);
    now = 2000;
    ASSERT_TRUE(file->write_at(0, text("x")));
    EXPECT_EQ(file->status()->mtime_s, 2000);
    EXPECT_EQ(file->status()->mtime_ns, 5U);
    AttributeChange change;
    change.set_mode = true;
    change.mode = 0600;
    EXPECT_EQ(code(file->change(change)), 0);
    now = 3000;
  }
  Mount mount(host, options);
  EXPECT_EQ(mount->status("file")->mtime_s, 2000);
  EXPECT_EQ(mount->status("file")->mode, S_IFREG | 0600U);
}

TEST(EncryptedFileSystem, AppendersDoNotOverlap) {
  MemoryHostDirectory host;
  Mount mount(host);
  Ref<File> log = mount.open("log");
  constexpr int kThreads = 8, kLines = 500;
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&mount, log, t] {
      for (int i = 0; i < kLines; ++i) {
        ASSERT_TRUE(log->append(Bytes(11, static_cast<std::byte>('a' + t))));
        if (i % 100 == 0) {
          ASSERT_TRUE(log->sync(false));
        }
        auto own = mount->open("own" + std::to_string(t), O_RDWR | O_CREAT, 0644);
        ASSERT_TRUE(own);
        ASSERT_TRUE((*own)->write_at(static_cast<std::uint64_t>(i) * 7, text("1234567")));
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  const Bytes content = mount.read(*log);
  ASSERT_EQ(content.size(), std::size_t{kThreads * kLines * 11});
  for (std::size_t i = 0; i < content.size(); i += 11) {
    EXPECT_TRUE(std::all_of(content.begin() + static_cast<std::ptrdiff_t>(i),
                            content.begin() + static_cast<std::ptrdiff_t>(i) + 11,
                            [&](std::byte byte) { return byte == content[i]; }));
  }
  EXPECT_EQ(mount.names().size(), std::size_t{kThreads + 1});
}

}  // namespace
}  // namespace coffer::kernel::fs::testing
