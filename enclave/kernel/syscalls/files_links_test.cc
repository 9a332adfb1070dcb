// Links, modes and times, on plain mounts and in memory: what an application sees, and what a host's links cannot do.
#include <dirent.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include "enclave/kernel/testing/file_fixture.h"

namespace coffer::kernel {
namespace {

using testing::call;
using testing::FileTest;

struct stat status_of(const std::string& path, bool follow = true) {
  struct stat status{};
  const int flags = follow ? 0 : AT_SYMLINK_NOFOLLOW;
  EXPECT_EQ(call(SYS_newfstatat, AT_FDCWD, path.c_str(), &status, flags), 0) << path;
  return status;
}

std::string target_of(const std::string& path) {
  char target[4096];
  const auto length = call(SYS_readlink, path.c_str(), target, sizeof(target));
  return length < 0 ? "error " + std::to_string(-length) : std::string(target, static_cast<std::size_t>(length));
}

// Under a folder of either file system, and with a host that has no openat2 and so follows no link itself.
struct Where {
  const char* name;
  const char* folder;
  bool follows;
};

class FileLinks : public FileTest, public ::testing::WithParamInterface<Where> {
 protected:
  void SetUp() override {
    FileTest::SetUp();
    if (!GetParam().follows) service->use_fallback_resolution();
  }
  static std::string at(const std::string& name) { return std::string(GetParam().folder) + "/" + name; }
  static std::int64_t symlink(const std::string& target, const std::string& name) {
    return call(SYS_symlink, target.c_str(), at(name).c_str());
  }
  static std::int64_t link(const std::string& from, const std::string& to) {
    return call(SYS_link, at(from).c_str(), at(to).c_str());
  }
};
INSTANTIATE_TEST_SUITE_P(Everywhere, FileLinks,
                         ::testing::Values(Where{"plain", "/data", true}, Where{"plain_walking", "/data", false},
                                           Where{"memory", "/tmp", true}),
                         [](const auto& chosen) { return chosen.param.name; });

TEST_P(FileLinks, ModesAndTimesAreKept) {
  ASSERT_EQ(store(at("file").c_str(), "x"), 1);
  EXPECT_EQ(call(SYS_chmod, at("file").c_str(), 0751), 0);
  EXPECT_EQ(status_of(at("file")).st_mode, S_IFREG | 0751u);
  const auto fd = open(at("file").c_str());
  EXPECT_EQ(call(SYS_fchmod, fd, 0640), 0);
  EXPECT_EQ(status_of(at("file")).st_mode, S_IFREG | 0640u);
  timespec times[2] = {{1000, 1}, {2000, 2}};
  EXPECT_EQ(call(SYS_utimensat, AT_FDCWD, at("file").c_str(), times, 0), 0);
  EXPECT_EQ(status_of(at("file")).st_atim.tv_sec, 1000);
  EXPECT_EQ(status_of(at("file")).st_mtim.tv_sec, 2000);
  EXPECT_EQ(status_of(at("file")).st_mtim.tv_nsec, 2);
  times[0].tv_nsec = UTIME_OMIT;
  times[1].tv_sec = 3000;
  EXPECT_EQ(call(SYS_utimensat, fd, nullptr, times, 0), 0);
  EXPECT_EQ(status_of(at("file")).st_atim.tv_sec, 1000);
  EXPECT_EQ(status_of(at("file")).st_mtim.tv_sec, 3000);
  times[0].tv_nsec = 1'000'000'000;
  EXPECT_EQ(call(SYS_utimensat, AT_FDCWD, at("file").c_str(), times, 0), -EINVAL);
  EXPECT_EQ(call(SYS_utimensat, AT_FDCWD, at("missing").c_str(), nullptr, 0), -ENOENT);
  EXPECT_EQ(call(SYS_chmod, at("missing").c_str(), 0600), -ENOENT);
  EXPECT_EQ(call(SYS_chmod, at("file/").c_str(), 0600), -ENOTDIR);
  EXPECT_EQ(call(SYS_mkdir, at("folder").c_str(), 0700), 0);
  EXPECT_EQ(call(SYS_chmod, at("folder/").c_str(), 0550), 0);
  EXPECT_EQ(status_of(at("folder")).st_mode, S_IFDIR | 0550u);
  EXPECT_EQ(call(SYS_chmod, at("file").c_str(), 0000), 0);  // also what cannot be opened any more
  EXPECT_EQ(call(SYS_chmod, at("file").c_str(), 0600), 0);
  EXPECT_EQ(call(SYS_chown, at("file").c_str(), fs::kFileOwner, -1), 0);
  EXPECT_EQ(call(SYS_chown, at("file").c_str(), 0, 0), -EPERM);
}

TEST_P(FileLinks, HardLinksAreOneFile) {
  ASSERT_EQ(store(at("file").c_str(), "first"), 5);
  ASSERT_EQ(link("file", "second"), 0);
  EXPECT_EQ(status_of(at("file")).st_nlink, 2u);
  EXPECT_EQ(status_of(at("file")).st_ino, status_of(at("second")).st_ino);
  EXPECT_EQ(store(at("second").c_str(), "changed"), 7);
  EXPECT_EQ(content(at("file").c_str()), "changed");
  EXPECT_EQ(link("file", "second"), -EEXIST);
  EXPECT_EQ(link("missing", "third"), -ENOENT);
  EXPECT_EQ(call(SYS_mkdir, at("folder").c_str(), 0700), 0);
  EXPECT_EQ(link("folder", "third"), -EPERM);
  EXPECT_EQ(link("file", "folder/third"), 0);
  EXPECT_EQ(call(SYS_rename, at("file").c_str(), at("second").c_str()), 0);  // names of one file: nothing happens
  EXPECT_EQ(status_of(at("second")).st_nlink, 3u);
  EXPECT_EQ(call(SYS_unlink, at("file").c_str()), 0);
  EXPECT_EQ(call(SYS_unlink, at("second").c_str()), 0);
  EXPECT_EQ(content(at("folder/third").c_str()), "changed");
  EXPECT_EQ(status_of(at("folder/third")).st_nlink, 1u);
  EXPECT_EQ(call(SYS_link, at("folder/third").c_str(), "/fixed/third"), -EXDEV);
}

TEST_P(FileLinks, SymbolicLinksAreFollowed) {
  ASSERT_EQ(call(SYS_mkdir, at("folder").c_str(), 0755), 0);
  ASSERT_EQ(store(at("folder/file").c_str(), "content"), 7);
  ASSERT_EQ(symlink("folder/file", "relative"), 0);
  ASSERT_EQ(symlink(at("folder"), "absolute"), 0);
  ASSERT_EQ(symlink("../relative", "folder/chained"), 0);
  ASSERT_EQ(symlink("absent", "dangling"), 0);
  EXPECT_EQ(symlink("other", "dangling"), -EEXIST);
  EXPECT_EQ(symlink("", "empty"), -ENOENT);
  EXPECT_EQ(target_of(at("relative")), "folder/file");
  EXPECT_EQ(target_of(at("absolute")), at("folder"));
  EXPECT_EQ(target_of(at("absolute/chained")), "../relative");
  EXPECT_EQ(target_of(at("folder/file")), "error " + std::to_string(EINVAL));
  for (const char* path : {"relative", "absolute/file", "absolute/chained", "folder/chained"}) {
    EXPECT_EQ(content(at(path).c_str()), "content") << path;
    EXPECT_TRUE(S_ISREG(status_of(at(path)).st_mode)) << path;
  }
  EXPECT_TRUE(S_ISLNK(status_of(at("relative"), false).st_mode));
  EXPECT_EQ(status_of(at("relative"), false).st_size, 11);
  EXPECT_TRUE(S_ISDIR(status_of(at("absolute/"), false).st_mode));
  EXPECT_EQ(call(SYS_openat, AT_FDCWD, at("relative").c_str(), O_RDONLY | O_NOFOLLOW, 0), -ELOOP);
  EXPECT_EQ(open(at("dangling").c_str()), -ENOENT);
  EXPECT_EQ(open(at("dangling").c_str(), O_CREAT | O_EXCL | O_WRONLY), -EEXIST);
  EXPECT_EQ(store(at("dangling").c_str(), "made"), 4);
  EXPECT_EQ(content(at("absent").c_str()), "made");
}

TEST_P(FileLinks, NamesBehindLinksAreMadeMovedAndRemoved) {
  ASSERT_EQ(call(SYS_mkdir, at("folder").c_str(), 0755), 0);
  ASSERT_EQ(symlink(at("folder"), "link"), 0);
  EXPECT_EQ(call(SYS_mkdir, at("link/inner").c_str(), 0700), 0);
  EXPECT_EQ(store(at("link/inner/file").c_str(), "x"), 1);
  EXPECT_EQ(call(SYS_rename, at("link/inner/file").c_str(), at("moved").c_str()), 0);
  EXPECT_EQ(call(SYS_rename, at("moved").c_str(), at("link/back").c_str()), 0);
  EXPECT_EQ(link("link/back", "link/again"), 0);
  EXPECT_EQ(call(SYS_chmod, at("link/again").c_str(), 0600), 0);
  EXPECT_EQ(status_of(at("folder/back")).st_mode, S_IFREG | 0600u);
  EXPECT_EQ(call(SYS_unlink, at("link/again").c_str()), 0);
  EXPECT_EQ(call(SYS_rmdir, at("link/inner").c_str()), 0);
  EXPECT_EQ(symlink("back", "link/near"), 0);
  EXPECT_EQ(content(at("folder/near").c_str()), "x");
  // The link itself, not what it leads to.
  timespec times[2] = {{1000, 0}, {2000, 0}};
  EXPECT_EQ(call(SYS_utimensat, AT_FDCWD, at("link").c_str(), times, AT_SYMLINK_NOFOLLOW), 0);
  EXPECT_EQ(status_of(at("link"), false).st_mtim.tv_sec, 2000);
  EXPECT_NE(status_of(at("folder")).st_mtim.tv_sec, 2000);
  EXPECT_EQ(call(SYS_linkat, AT_FDCWD, at("link/near").c_str(), AT_FDCWD, at("itself").c_str(), 0), 0);
  EXPECT_TRUE(S_ISLNK(status_of(at("itself"), false).st_mode));
  EXPECT_EQ(call(SYS_linkat, AT_FDCWD, at("link/near").c_str(), AT_FDCWD, at("file").c_str(), AT_SYMLINK_FOLLOW), 0);
  EXPECT_TRUE(S_ISREG(status_of(at("file"), false).st_mode));
  EXPECT_EQ(call(SYS_rename, at("link").c_str(), at("renamed").c_str()), 0);
  EXPECT_EQ(target_of(at("renamed")), at("folder"));
  EXPECT_EQ(call(SYS_unlink, at("renamed").c_str()), 0);
  EXPECT_EQ(content(at("folder/back").c_str()), "x");
}

TEST_P(FileLinks, CirclesEnd) {
  ASSERT_EQ(symlink(at("two"), "one"), 0);
  ASSERT_EQ(symlink(at("one"), "two"), 0);
  ASSERT_EQ(symlink("self", "self"), 0);
  ASSERT_EQ(symlink("wide/wide/wide", "wide"), 0);
  for (const char* path : {"one", "self", "self/file", "wide", "wide/file"}) {
    EXPECT_EQ(open(at(path).c_str()), -ELOOP) << path;
    EXPECT_EQ(call(SYS_chmod, at(path).c_str(), 0600), -ELOOP) << path;
  }
  EXPECT_EQ(call(SYS_unlink, at("one").c_str()), 0);
}

TEST_P(FileLinks, TheWorkingDirectoryIsWhereALinkLed) {
  ASSERT_EQ(call(SYS_mkdir, at("folder").c_str(), 0755), 0);
  ASSERT_EQ(symlink("folder", "link"), 0);
  EXPECT_EQ(call(SYS_chdir, at("link").c_str()), 0);
  char now[100];
  EXPECT_GT(call(SYS_getcwd, now, sizeof(now)), 0);
  EXPECT_EQ(at("folder"), now);
  EXPECT_EQ(call(SYS_chdir, "/"), 0);
}

// The host's links lead nowhere but to the host's own files of the same mount.
TEST_P(FileLinks, LinksOfTheHostStayInTheirMount) {
  ASSERT_EQ(store("/tmp/private", "private"), 7);
  std::filesystem::create_directory(shared / "inner");
  for (const char* target :
       {"/tmp/private", "../tmp/private", "/image/measured", "../image/measured", "/data/../tmp/private", "/",
        "/fixed/link", "/proc/self/maps", "/data/../../data/../tmp/private", "inner/../../tmp/private"}) {
    std::filesystem::remove(shared / "link");
    std::filesystem::create_symlink(target, shared / "link");
    EXPECT_EQ(open("/data/link"), -EXDEV) << target;
    EXPECT_EQ(open("/data/link", O_CREAT | O_WRONLY), -EXDEV) << target;
    EXPECT_EQ(open("/data/link/private"), -EXDEV) << target;
    EXPECT_EQ(call(SYS_chmod, "/data/link", 0777), -EXDEV) << target;
    struct stat status{};
    EXPECT_EQ(call(SYS_stat, "/data/link", &status), -EXDEV) << target;
  }
  // A link of the program's own, in memory, may lead to the mount; from there on the host has a say.
  EXPECT_EQ(call(SYS_symlink, "/data/link", "/tmp/over"), 0);
  std::filesystem::remove(shared / "link");
  std::filesystem::create_symlink("/tmp/private", shared / "link");
  EXPECT_EQ(open("/tmp/over"), -EXDEV);
  make_on_host("file", "of the host");
  std::filesystem::remove(shared / "link");
  std::filesystem::create_symlink("/data/file", shared / "link");
  EXPECT_EQ(content("/tmp/over"), "of the host");
  EXPECT_EQ(content("/tmp/private"), "private");
}

TEST_P(FileLinks, ReadOnlyMountsStayAsTheyAre) {
  make_on_host("file", "x");
  const auto fd = open("/fixed/file");
  ASSERT_GE(fd, 3);
  EXPECT_EQ(call(SYS_chmod, "/fixed/file", 0600), -EROFS);
  EXPECT_EQ(call(SYS_fchmod, fd, 0600), -EROFS);
  EXPECT_EQ(call(SYS_utimensat, AT_FDCWD, "/fixed/file", nullptr, 0), -EROFS);
  EXPECT_EQ(call(SYS_utimensat, fd, nullptr, nullptr, 0), -EROFS);
  EXPECT_EQ(call(SYS_link, "/fixed/file", "/fixed/other"), -EROFS);
  EXPECT_EQ(call(SYS_symlink, "file", "/fixed/other"), -EROFS);
  EXPECT_EQ(call(SYS_chmod, "/image/measured", 0600), -EROFS);
  EXPECT_EQ(call(SYS_symlink, "file", "/image/other"), -EROFS);
}

class PlainAttributes : public FileTest {};

class MountBeneathMemory : public FileTest {
 protected:
  void adjust(fs::FilesSetup& setup) override { setup.mounts = mounts_; }

 private:
  const std::vector<fs::MountSetup> mounts_ = {{"/tmp/a/b/mount", boundary::MountKind::kPlain, 1, false, nullptr}};
};

TEST_F(MountBeneathMemory, TheFoldersOnTheWayToAMountAreThere) {
  EXPECT_TRUE(S_ISDIR(status_of("/tmp/a").st_mode));
  EXPECT_EQ(target_of("/tmp/a/b"), "error " + std::to_string(EINVAL));
  EXPECT_EQ(store("/tmp/a/b/mount/file", "x"), 1);
  EXPECT_EQ(on_host("file"), "x");
  EXPECT_EQ(call(SYS_symlink, "b/mount", "/tmp/a/link"), 0);
  EXPECT_EQ(content("/tmp/a/link/file"), "x");
  EXPECT_EQ(call(SYS_rmdir, "/tmp/a/b"), -ENOTEMPTY);
}

TEST_F(PlainAttributes, LongLinksInMemoryAreCounted) {
  const std::string target(4000, 'x');
  std::int64_t made = 0;
  int count = 0;
  while ((made = call(SYS_symlink, target.c_str(), ("/tmp/link" + std::to_string(count)).c_str())) == 0) ++count;
  EXPECT_EQ(made, -ENOSPC);
  EXPECT_LT(count, 600);  // of the fixture's 4 MiB
  for (int i = 0; i < count; ++i) EXPECT_EQ(call(SYS_unlink, ("/tmp/link" + std::to_string(i)).c_str()), 0);
  EXPECT_EQ(call(SYS_symlink, target.c_str(), "/tmp/link"), 0);
}

TEST_F(PlainAttributes, NoProgramOfTheHostGetsRightsFromInside) {
  ASSERT_EQ(store("/data/file", "x"), 1);
  EXPECT_EQ(call(SYS_chmod, "/data/file", 06755), 0);
  EXPECT_EQ(status_of("/data/file").st_mode, S_IFREG | 0755u);
  EXPECT_EQ(call(SYS_mkdir, "/data/folder", 0700), 0);
  EXPECT_EQ(call(SYS_chmod, "/data/folder", 01777), 0);
  EXPECT_EQ(status_of("/data/folder").st_mode, S_IFDIR | 01777u);
}

TEST_F(PlainAttributes, NewFilesAreMaskedInMemoryToo) {
  EXPECT_EQ(call(SYS_umask, 077), 022);
  ASSERT_EQ(store("/tmp/masked", "x"), 1);
  EXPECT_EQ(status_of("/tmp/masked").st_mode, S_IFREG | 0600u);
}

TEST_F(PlainAttributes, ListingsTellLinks) {
  ASSERT_EQ(call(SYS_symlink, "anything", "/tmp/link"), 0);
  const auto fd = open("/tmp", O_RDONLY | O_DIRECTORY);
  alignas(8) char buffer[512];
  const auto size = call(SYS_getdents64, fd, buffer, sizeof(buffer));
  bool found = false;
  for (std::int64_t at = 0; at < size;) {
    const auto* entry = reinterpret_cast<const dirent64*>(buffer + at);
    if (std::string_view(entry->d_name) == "link") {
      found = true;
      EXPECT_EQ(entry->d_type, DT_LNK);
    }
    at += entry->d_reclen;
  }
  EXPECT_TRUE(found);
}

}  // namespace
}  // namespace coffer::kernel
