#include "host/files/file_service.h"

#include <dirent.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <set>
#include <thread>

namespace coffer::host {
namespace {

using boundary::Request;
namespace stdfs = std::filesystem;

// A mount "shared" (1) and the same tree read-only (2), beside a directory that must stay out of reach. The parameter
// says whether the service has openat2.
class FileServiceTest : public testing::TestWithParam<bool> {
 protected:
  void SetUp() override {
    char name[] = "/tmp/coffer-files-XXXXXX";
    ASSERT_NE(::mkdtemp(name), nullptr);
    top_ = name;
    stdfs::create_directories(top_ / "shared/inner");
    stdfs::create_directories(top_ / "outside");
    write(top_ / "shared/greeting", "hello");
    write(top_ / "outside/secret", "secret");
    stdfs::create_symlink("../outside/secret", top_ / "shared/leak");
    stdfs::create_symlink(top_ / "outside", top_ / "shared/leak_directory");
    stdfs::create_symlink("greeting", top_ / "shared/alias");
    ASSERT_TRUE(service_.add_mount(1, top_ / "shared", false));
    ASSERT_TRUE(service_.add_mount(2, top_ / "shared", true));
    if (!GetParam()) service_.use_fallback_resolution();
  }
  void TearDown() override { stdfs::remove_all(top_); }

  static void write(const stdfs::path& path, std::string_view content) { std::ofstream(path) << content; }
  static std::string content(const stdfs::path& path) {
    std::ifstream in(path);
    return {std::istreambuf_iterator<char>(in), {}};
  }

  std::uint64_t put(std::string_view text, std::size_t offset = 0) {
    std::memcpy(area_.data() + offset, text.data(), text.size());
    return text.size();
  }
  std::string text(std::size_t size) const { return {reinterpret_cast<const char*>(area_.data()), size}; }
  Answer call(Request request, RequestArguments arguments) { return service_.serve(request, arguments, area_); }
  std::int64_t open(std::string_view path, int flags, unsigned mode = 0644, std::uint64_t mount = 1) {
    return call(Request::kFileOpen, {mount, put(path), static_cast<std::uint64_t>(flags), mode}).result;
  }
  std::int64_t on_path(Request request, std::string_view path, std::uint64_t third = 0, std::uint64_t mount = 1) {
    return call(request, {mount, put(path), third, 0}).result;
  }
  std::int64_t rename(std::string_view from, std::string_view to, std::uint64_t flags = 0) {
    put(from);
    put(to, from.size());
    return call(Request::kPathRename, {1, from.size(), to.size(), flags}).result;
  }
  static std::uint64_t h(std::int64_t handle) { return static_cast<std::uint64_t>(handle); }

  stdfs::path top_;
  std::vector<std::byte> area_ = std::vector<std::byte>(boundary::kExchangeSize);
  FileService service_{FileService::Streams{}, 8};
};
INSTANTIATE_TEST_SUITE_P(Resolution, FileServiceTest, testing::Values(true, false),
                         [](const auto& chosen) { return chosen.param ? "openat2" : "walking"; });

TEST_P(FileServiceTest, WritesAndReadsBack) {
  const auto file = open("inner/new", O_CREAT | O_RDWR);
  ASSERT_GE(file, 3);
  put("abcdef");
  EXPECT_EQ(call(Request::kFileWrite, {h(file), 2, 6, 0}).result, 6);
  EXPECT_EQ(call(Request::kFileSync, {h(file), 1, 0, 0}).result, 0);
  EXPECT_EQ(call(Request::kFileTruncate, {h(file), 7, 0, 0}).result, 0);
  EXPECT_EQ(call(Request::kFileRead, {h(file), 1, 100, 0}).result, 6);
  EXPECT_EQ(text(6), std::string("\0abcde", 6));
  ASSERT_EQ(call(Request::kFileStat, {h(file), 0, 0, 0}).result, 0);
  boundary::HostStat status;
  std::memcpy(&status, area_.data(), sizeof(status));
  EXPECT_EQ(status.size, 7u);
  EXPECT_TRUE(S_ISREG(status.mode));
  EXPECT_EQ(call(Request::kFileClose, {h(file), 0, 0, 0}).result, 0);
  EXPECT_EQ(call(Request::kFileClose, {h(file), 0, 0, 0}).result, -EBADF);
  EXPECT_EQ(call(Request::kFileRead, {h(file), 0, 1, 0}).result, -EBADF);
  EXPECT_EQ(content(top_ / "shared/inner/new"), std::string("\0\0abcde", 7));
}

// What was shared, with the content of the descriptor at that time, and taken back.
struct Sharer {
  bool accepts = true;
  std::vector<std::pair<std::uint64_t, std::string>> shared;
  std::vector<std::uint64_t> unshared;
  FileService::Sharing functions() {
    return {.share =
                [this](std::uint64_t handle, int descriptor) {
                  std::array<char, 16> bytes{};
                  const ssize_t size = ::pread(descriptor, bytes.data(), bytes.size(), 0);
                  shared.emplace_back(handle,
                                      std::string(bytes.data(), static_cast<std::size_t>(std::max<ssize_t>(size, 0))));
                  return accepts;
                },
            .unshare = [this](std::uint64_t handle) { unshared.push_back(handle); }};
  }
};

TEST_P(FileServiceTest, AFileInUseIsSharedOnceAndTakenBackBeforeItsHandleIsFree) {
  Sharer sharer;
  service_.share_with(sharer.functions());
  for (const char* name : {"greeting", "inner/other"}) {
    write(top_ / "shared/inner/other", "other");
    const auto file = open(name, O_RDONLY);
    ASSERT_EQ(file, 3);
    EXPECT_EQ(call(Request::kFileRead, {h(file), 0, 100, 0}).result, 5);
    EXPECT_TRUE(sharer.shared.empty());  // one read is not worth it
    for (int i = 0; i < 100; ++i) EXPECT_EQ(call(Request::kFileRead, {h(file), 0, 100, 0}).result, 5);
    ASSERT_EQ(sharer.shared.size(), 1U);
    EXPECT_EQ(sharer.shared[0], std::pair(h(file), content(top_ / "shared" / name)));
    EXPECT_TRUE(sharer.unshared.empty());
    EXPECT_EQ(call(Request::kFileClose, {h(file), 0, 0, 0}).result, 0);
    EXPECT_EQ(sharer.unshared, std::vector{h(file)});
    EXPECT_EQ(call(Request::kFileClose, {h(file), 0, 0, 0}).result, -EBADF);
    EXPECT_EQ(sharer.unshared.size(), 1U);
    sharer.shared.clear();
    sharer.unshared.clear();
  }
}

TEST_P(FileServiceTest, AFileThatNobodyTakesIsServedHere) {
  Sharer sharer{.accepts = false, .shared = {}, .unshared = {}};
  service_.share_with(sharer.functions());
  const auto file = open("inner/new", O_CREAT | O_RDWR);
  put("abc");
  for (int i = 0; i < 100; ++i) EXPECT_EQ(call(Request::kFileWrite, {h(file), 0, 3, 0}).result, 3);
  EXPECT_EQ(sharer.shared.size(), 1U);
  EXPECT_EQ(call(Request::kFileClose, {h(file), 0, 0, 0}).result, 0);
  EXPECT_TRUE(sharer.unshared.empty());
}

TEST_P(FileServiceTest, DirectoriesAndHandlesOutOfRangeAreNotShared) {
  Sharer sharer;
  FileService service{FileService::Streams{}, 4096};
  ASSERT_TRUE(service.add_mount(1, top_ / "shared", false));
  service.share_with(sharer.functions());
  const auto ask = [&](Request request, const RequestArguments& arguments) {
    return service.serve(request, arguments, area_).result;
  };
  const auto directory = ask(Request::kFileOpen, {1, put("inner"), O_RDONLY | O_DIRECTORY, 0});
  for (int i = 0; i < 100; ++i) EXPECT_EQ(ask(Request::kFileRead, {h(directory), 0, 1, 0}), -EISDIR);
  EXPECT_TRUE(sharer.shared.empty());
  for (std::uint64_t handle = 0; handle < boundary::kMaxSharedHandles + 2;) {
    handle = h(ask(Request::kFileOpen, {1, put("greeting"), O_RDONLY, 0}));
    for (int i = 0; i < 10; ++i) EXPECT_EQ(ask(Request::kFileRead, {handle, 0, 100, 0}), 5);
    EXPECT_EQ(!sharer.shared.empty() && sharer.shared.back().first == handle, handle < boundary::kMaxSharedHandles);
  }
}

TEST_P(FileServiceTest, NoPathLeavesTheMount) {
  for (const char* path :
       {"..", "../outside/secret", "inner/../../outside/secret", "/etc/passwd", "./greeting", "inner//x", "inner/"}) {
    EXPECT_EQ(open(path, O_RDONLY), -EINVAL) << path;
    EXPECT_EQ(on_path(Request::kPathStat, path), -EINVAL) << path;
    EXPECT_EQ(on_path(Request::kPathRemove, path), -EINVAL) << path;
    EXPECT_EQ(rename("greeting", path), -EINVAL) << path;
  }
  EXPECT_EQ(open(std::string_view("greeting\0x", 10), O_RDONLY), -EINVAL);
  for (const char* path : {"leak", "leak_directory/secret", "leak_directory/new"}) {
    EXPECT_LT(open(path, O_RDONLY), 0) << path;
    EXPECT_LT(open(path, O_CREAT | O_RDWR), 0) << path;
    EXPECT_LT(on_path(Request::kPathStat, path, 0), 0) << path;
    EXPECT_LT(on_path(Request::kDirectorySync, path), 0) << path;
  }
  EXPECT_LT(on_path(Request::kPathRemove, "leak_directory/secret"), 0);
  EXPECT_LT(on_path(Request::kPathMakeDir, "leak_directory/made", 0755), 0);
  EXPECT_LT(rename("greeting", "leak_directory/greeting"), 0);
  EXPECT_LT(rename("leak_directory/secret", "stolen"), 0);
  EXPECT_EQ(content(top_ / "outside/secret"), "secret");
  EXPECT_EQ(std::distance(stdfs::directory_iterator(top_ / "outside"), {}), 1);
}

TEST_P(FileServiceTest, RenamingAwayADirectoryInUseDoesNotOpenAWayOut) {
  const auto directory = open("inner", O_RDONLY | O_DIRECTORY);
  ASSERT_GE(directory, 3);
  stdfs::rename(top_ / "shared/inner", top_ / "outside/inner");
  EXPECT_EQ(open("inner/secret", O_RDONLY), -ENOENT);
}

TEST_P(FileServiceTest, LinksInsideTheMount) {
  EXPECT_EQ(on_path(Request::kPathReadLink, "alias"), 8);
  EXPECT_EQ(text(8), "greeting");
  EXPECT_EQ(on_path(Request::kPathReadLink, "greeting"), -EINVAL);
  ASSERT_EQ(on_path(Request::kPathStat, "alias", 1), 0);
  boundary::HostStat status;
  std::memcpy(&status, area_.data(), sizeof(status));
  EXPECT_TRUE(S_ISLNK(status.mode));
  if (GetParam()) {
    EXPECT_GE(open("alias", O_RDONLY), 3);
  } else {
    EXPECT_EQ(open("alias", O_RDONLY), -ELOOP);
    EXPECT_EQ(on_path(Request::kPathStat, "alias", 0), -ELOOP);
  }
}

TEST_P(FileServiceTest, ReadOnlyMountIsNeverChanged) {
  EXPECT_EQ(open("greeting", O_RDWR, 0, 2), -EROFS);
  EXPECT_EQ(open("greeting", O_RDONLY | O_TRUNC, 0, 2), -EROFS);
  EXPECT_EQ(open("new", O_RDONLY | O_CREAT, 0644, 2), -EROFS);
  EXPECT_EQ(on_path(Request::kPathRemove, "greeting", 0, 2), -EROFS);
  EXPECT_EQ(on_path(Request::kPathMakeDir, "made", 0755, 2), -EROFS);
  EXPECT_EQ(call(Request::kPathRename, {2, 1, 1, 0}).result, -EROFS);
  const auto file = open("greeting", O_RDONLY, 0, 2);
  ASSERT_GE(file, 3);
  EXPECT_LT(call(Request::kFileTruncate, {h(file), 0, 0, 0}).result, 0);
  EXPECT_EQ(call(Request::kFileWrite, {h(file), 0, 1, 0}).result, -EBADF);
  EXPECT_EQ(content(top_ / "shared/greeting"), "hello");
}

TEST_P(FileServiceTest, NamesAreMadeMovedAndRemoved) {
  EXPECT_EQ(on_path(Request::kPathMakeDir, "made", 0755), 0);
  EXPECT_EQ(on_path(Request::kPathMakeDir, "made", 0755), -EEXIST);
  EXPECT_EQ(rename("greeting", "made/greeting"), 0);
  EXPECT_EQ(rename("made/greeting", "alias", RENAME_NOREPLACE), -EEXIST);
  EXPECT_EQ(rename("made/greeting", "alias", RENAME_WHITEOUT), -EINVAL);
  EXPECT_EQ(on_path(Request::kDirectorySync, "made"), 0);
  EXPECT_EQ(on_path(Request::kPathRemove, "made", 1), -ENOTEMPTY);
  EXPECT_EQ(on_path(Request::kPathRemove, "made/greeting", 0), 0);
  EXPECT_EQ(on_path(Request::kPathRemove, "made", 1), 0);
  EXPECT_EQ(on_path(Request::kPathRemove, "", 1), -EBUSY);
  EXPECT_EQ(on_path(Request::kPathStat, "made"), -ENOENT);
}

TEST_P(FileServiceTest, AttributesOfFilesInTheMountOnly) {
  const auto change = [&](std::string_view path, boundary::HostAttributes attributes, std::uint64_t no_follow = 0,
                          std::uint64_t mount = 1) {
    put({reinterpret_cast<const char*>(&attributes), sizeof(attributes)}, path.size());
    return on_path(Request::kPathChange, path, no_follow, mount);
  };
  const auto mode_of = [&](const char* name) {
    struct stat status{};
    EXPECT_EQ(::lstat((top_ / name).c_str(), &status), 0);
    return status.st_mode & 07777;
  };
  const auto outside = mode_of("outside/secret");
  EXPECT_EQ(change("greeting", {.changes = boundary::kChangeMode, .mode = 06741}), 0);
  EXPECT_EQ(mode_of("shared/greeting"), 0741u);  // no S_ISUID, no S_ISGID
  boundary::HostAttributes times{.changes = boundary::kChangeModifyTime, .mtime_s = 12345, .mtime_ns = 6};
  EXPECT_EQ(change("greeting", times), 0);
  struct stat status{};
  ASSERT_EQ(::stat((top_ / "shared/greeting").c_str(), &status), 0);
  EXPECT_EQ(status.st_mtim.tv_sec, 12345);
  EXPECT_NE(status.st_atim.tv_sec, 0);
  EXPECT_EQ(change("leak", times, 1), 0);  // the link itself
  EXPECT_EQ(change("leak", {.changes = boundary::kChangeMode, .mode = 0777}, 1), -EOPNOTSUPP);
  EXPECT_LT(change("leak", {.changes = boundary::kChangeMode, .mode = 0777}), 0);
  EXPECT_LT(change("leak_directory/secret", {.changes = boundary::kChangeMode, .mode = 0777}), 0);
  EXPECT_EQ(change("../outside/secret", {.changes = boundary::kChangeMode, .mode = 0777}), -EINVAL);
  EXPECT_EQ(mode_of("outside/secret"), outside);
  for (const std::uint32_t nanoseconds : {1'000'000'000u, static_cast<std::uint32_t>(UTIME_NOW), ~0u}) {
    times.mtime_ns = nanoseconds;
    EXPECT_EQ(change("greeting", times), -EINVAL);
  }
  EXPECT_EQ(change("greeting", {.changes = boundary::kChangeMode, .mode = 0600}, 0, 2), -EROFS);
  const auto file = open("greeting", O_RDONLY, 0, 2);
  ASSERT_GE(file, 3);
  EXPECT_EQ(call(Request::kFileChange, {h(file), 0, 0, 0}).result, -EROFS);
  EXPECT_EQ(call(Request::kFileChange, {1, 0, 0, 0}).result, -EPERM);
  std::vector<std::byte> tiny(8);
  const auto writable = open("greeting", O_RDONLY);
  EXPECT_EQ(service_.serve(Request::kFileChange, {h(writable), 0, 0, 0}, tiny).result, -EINVAL);
}

TEST_P(FileServiceTest, LinksAreMadeInTheMountOnly) {
  const auto two = [&](Request request, std::string_view first, std::string_view second, std::uint64_t mount = 1) {
    put(first);
    put(second, first.size());
    return call(request, {mount, first.size(), second.size(), 0}).result;
  };
  EXPECT_EQ(two(Request::kPathLink, "greeting", "inner/again"), 0);
  EXPECT_EQ(content(top_ / "shared/inner/again"), "hello");
  EXPECT_EQ(two(Request::kPathLink, "leak", "inner/leak"), 0);  // the link itself, which leads nowhere for the enclave
  EXPECT_LT(open("inner/leak", O_RDONLY), 0);
  EXPECT_EQ(two(Request::kPathLink, "../outside/secret", "stolen"), -EINVAL);
  EXPECT_LT(two(Request::kPathLink, "leak_directory/secret", "stolen"), 0);
  EXPECT_LT(two(Request::kPathLink, "greeting", "leak_directory/made"), 0);
  EXPECT_EQ(two(Request::kPathLink, "", "made"), -EBUSY);
  EXPECT_EQ(two(Request::kPathSymlink, "made", "../outside/secret"), 0);  // any text; it is not followed
  EXPECT_LT(open("made", O_RDONLY), 0);
  EXPECT_LT(open("made", O_WRONLY), 0);
  EXPECT_LT(two(Request::kPathSymlink, "leak_directory/made", "x"), 0);
  EXPECT_EQ(two(Request::kPathSymlink, "made", "x"), -EEXIST);
  EXPECT_EQ(two(Request::kPathSymlink, "new", ""), -ENOENT);
  EXPECT_EQ(two(Request::kPathSymlink, "new", std::string_view("a\0b", 3)), -EINVAL);
  EXPECT_EQ(two(Request::kPathSymlink, "new", std::string(boundary::kMaxPath, 'x')), -ENAMETOOLONG);
  EXPECT_EQ(call(Request::kPathSymlink, {1, 3, ~std::uint64_t{0}, 0}).result, -ENAMETOOLONG);
  EXPECT_EQ(two(Request::kPathLink, "greeting", "new", 2), -EROFS);
  EXPECT_EQ(two(Request::kPathSymlink, "new", "x", 2), -EROFS);
  EXPECT_EQ(std::distance(stdfs::directory_iterator(top_ / "outside"), {}), 1);
}

TEST_P(FileServiceTest, ListsDirectoriesInPieces) {
  std::set<std::string> expected;
  for (int i = 0; i < 300; ++i) {
    const std::string name = "entry-" + std::to_string(i) + std::string(static_cast<std::size_t>(i % 100), 'x');
    write(top_ / "shared/inner" / name, "");
    expected.insert(name);
  }
  const auto directory = open("inner", O_RDONLY | O_DIRECTORY);
  ASSERT_GE(directory, 3);
  std::set<std::string> found;
  std::size_t count = 0;
  std::vector<std::byte> small(1024);
  for (;;) {
    const auto size = service_.serve(Request::kDirectoryRead, {h(directory), count, 0, 0}, small).result;
    ASSERT_GE(size, 0);
    if (size == 0) break;
    for (std::size_t at = 0; at < static_cast<std::size_t>(size);) {
      boundary::HostDirent header;
      std::memcpy(&header, small.data() + at, sizeof(header));
      found.emplace(reinterpret_cast<const char*>(small.data()) + at + sizeof(header), header.name_length);
      EXPECT_EQ(header.type, DT_REG);
      at += (sizeof(header) + header.name_length + 7) / 8 * 8;
      ++count;
    }
  }
  EXPECT_EQ(found, expected);
  EXPECT_EQ(count, expected.size());
  const auto file = open("greeting", O_RDONLY);
  EXPECT_EQ(call(Request::kDirectoryRead, {h(file), 0, 0, 0}).result, -ENOTDIR);
}

TEST_P(FileServiceTest, HostileArgumentsAreRefused) {
  constexpr auto kHuge = ~std::uint64_t{0};
  EXPECT_EQ(call(Request::kFileRead, {kHuge, 0, 1, 0}).result, -EBADF);
  EXPECT_EQ(call(Request::kFileRead, {1000, 0, 1, 0}).result, -EBADF);
  EXPECT_EQ(call(Request::kFileClose, {0, 0, 0, 0}).result, -EBADF);
  const auto file = open("greeting", O_RDWR);
  ASSERT_GE(file, 3);
  EXPECT_EQ(call(Request::kFileRead, {h(file), 0, area_.size() + 1, 0}).result, -EINVAL);
  EXPECT_EQ(call(Request::kFileWrite, {h(file), 0, kHuge, 0}).result, -EINVAL);
  EXPECT_EQ(call(Request::kFileRead, {h(file), kHuge - 1, 1, 0}).result, -EINVAL);
  EXPECT_EQ(call(Request::kFileTruncate, {h(file), kHuge, 0, 0}).result, -EFBIG);
  EXPECT_EQ(call(Request::kFileTruncate, {1, 0, 0, 0}).result, -EINVAL);
  EXPECT_EQ(call(Request::kFileOpen, {1, kHuge, 0, 0}).result, -ENAMETOOLONG);
  EXPECT_EQ(call(Request::kFileOpen, {1, boundary::kMaxPath + 1, 0, 0}).result, -ENAMETOOLONG);
  EXPECT_EQ(call(Request::kFileOpen, {9, 0, 0, 0}).result, -ENODEV);
  EXPECT_EQ(call(Request::kFileOpen, {(std::uint64_t{1} << 32) + 1, 0, 0, 0}).result, -ENODEV);
  EXPECT_EQ(call(Request::kPathRename, {1, 4, boundary::kMaxPath + 1, 0}).result, -ENAMETOOLONG);
  EXPECT_EQ(call(Request::kClock, {0, 0, 0, 0}).result, -ENOSYS);
  std::vector<std::byte> tiny(16);
  EXPECT_EQ(service_.serve(Request::kFileStat, {h(file), 0, 0, 0}, tiny).result, -EINVAL);
  EXPECT_EQ(service_.serve(Request::kFileOpen, {1, 17, 0, 0}, tiny).result, -EINVAL);
  EXPECT_EQ(content(top_ / "shared/greeting"), "hello");
}

TEST_P(FileServiceTest, OpenHandlesAreBounded) {
  std::vector<std::int64_t> handles;
  for (int i = 0; i < 8; ++i) handles.push_back(open("greeting", O_RDONLY));
  EXPECT_EQ(std::set(handles.begin(), handles.end()).size(), 8u);
  EXPECT_EQ(open("greeting", O_RDONLY), -EMFILE);
  EXPECT_EQ(call(Request::kFileClose, {h(handles[3]), 0, 0, 0}).result, 0);
  EXPECT_EQ(open("greeting", O_RDONLY), handles[3]);
}

TEST_P(FileServiceTest, FifosAndDevicesAreNotOpened) {
  ASSERT_EQ(::mkfifo((top_ / "shared/fifo").c_str(), 0600), 0);
  EXPECT_EQ(open("fifo", O_RDONLY), -EACCES);  // and does not wait for a writer
}

TEST(FileServiceStreams, CarriesBytesAndSurvivesAClosedPipe) {
  int in[2];
  int out[2];
  ASSERT_EQ(::pipe2(in, O_NONBLOCK | O_CLOEXEC), 0);
  ASSERT_EQ(::pipe2(out, O_CLOEXEC), 0);
  FileService service(FileService::Streams{in[0], out[1], out[1]});
  std::vector<std::byte> area(boundary::kExchangeSize);
  // The pipe is non-blocking and empty at first: the service waits.
  std::thread writer([&] {
    ::usleep(20'000);
    EXPECT_EQ(::write(in[1], "input", 5), 5);
  });
  EXPECT_EQ(service.serve(Request::kFileRead, {0, boundary::kCurrentPosition, 100, 0}, area).result, 5);
  writer.join();
  EXPECT_EQ(service.serve(Request::kFileWrite, {2, boundary::kCurrentPosition, 5, 0}, area).result, 5);
  char got[5];
  EXPECT_EQ(::read(out[0], got, 5), 5);
  EXPECT_EQ(std::string_view(got, 5), "input");
  ::close(out[0]);
  EXPECT_EQ(service.serve(Request::kFileWrite, {1, boundary::kCurrentPosition, 5, 0}, area).result, -EPIPE);
  sigset_t pending;
  sigpending(&pending);
  EXPECT_EQ(sigismember(&pending, SIGPIPE), 0);
  ::close(in[1]);
  EXPECT_EQ(service.serve(Request::kFileRead, {0, boundary::kCurrentPosition, 100, 0}, area).result, 0);
  EXPECT_EQ(service.serve(Request::kTerminalSize, {1, 0, 0, 0}, area).result, -ENOTTY);
  EXPECT_FALSE(service.is_terminal(0));
  ::close(in[0]);
  ::close(out[1]);
}

TEST(FileServiceMounts, RefusesWhatIsNoDirectoryAndNumbersGivenTwice) {
  FileService service;
  EXPECT_TRUE(service.add_mount(7, "/tmp", true));
  EXPECT_FALSE(service.add_mount(7, "/tmp", true));
  const auto missing = service.add_mount(8, "/nonexistent/directory", true);
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().kind, ErrorKind::kInput);
  EXPECT_NE(missing.error().message.find("/nonexistent/directory"), std::string::npos);
}

TEST(FileServiceThreads, ManyThreadsShareOneService) {
  char name[] = "/tmp/coffer-files-XXXXXX";
  ASSERT_NE(::mkdtemp(name), nullptr);
  FileService service;
  ASSERT_TRUE(service.add_mount(1, name, false));
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      std::vector<std::byte> area(boundary::kExchangeSize);
      const std::string path = "file" + std::to_string(t);
      for (int round = 0; round < 50; ++round) {
        std::memcpy(area.data(), path.data(), path.size());
        const auto file = service.serve(Request::kFileOpen, {1, path.size(), O_CREAT | O_RDWR, 0600}, area).result;
        ASSERT_GE(file, 3);
        const auto handle = static_cast<std::uint64_t>(file);
        area[0] = static_cast<std::byte>(t);
        EXPECT_EQ(service.serve(Request::kFileWrite, {handle, 0, 1, 0}, area).result, 1);
        area[0] = std::byte{255};
        EXPECT_EQ(service.serve(Request::kFileRead, {handle, 0, 1, 0}, area).result, 1);
        EXPECT_EQ(area[0], static_cast<std::byte>(t));
        EXPECT_EQ(service.serve(Request::kFileClose, {handle, 0, 0, 0}, area).result, 0);
      }
    });
  }
  for (auto& thread : threads) thread.join();
  stdfs::remove_all(name);
}

}  // namespace
}  // namespace coffer::host
