// The file system calls against the real host service: what an application sees.
#include <asm/termbits.h>
#include <dirent.h>
#include <gmock/gmock.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/select.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/uio.h>

#include <set>
#include <thread>

#include "enclave/kernel/fs/pipe.h"
#include "enclave/kernel/testing/file_fixture.h"

namespace coffer::kernel {
namespace {

using testing::call;
using testing::FileTest;

class FileCalls : public FileTest {
 protected:
  static std::set<std::string> names_in(const char* path) {
    std::set<std::string> names;
    const auto fd = open(path, O_RDONLY | O_DIRECTORY);
    if (fd < 0) return {"error " + std::to_string(-fd)};
    alignas(8) char buffer[256];
    for (;;) {
      const auto size = call(SYS_getdents64, fd, buffer, sizeof(buffer));
      if (size <= 0) break;
      for (std::int64_t at = 0; at < size;) {
        const auto* entry = reinterpret_cast<const dirent64*>(buffer + at);
        EXPECT_TRUE(names.insert(entry->d_name).second) << "twice: " << entry->d_name;
        at += entry->d_reclen;
      }
    }
    call(SYS_close, fd);
    return names;
  }
};

TEST_F(FileCalls, PlainFilesReachTheHost) {
  const auto fd = open("/data/new", O_CREAT | O_RDWR, 0640);
  ASSERT_GE(fd, 3);
  EXPECT_EQ(call(SYS_write, fd, "hello world", 11), 11);
  EXPECT_EQ(on_host("new"), "hello world");
  EXPECT_EQ(call(SYS_lseek, fd, -5, SEEK_END), 6);
  char got[16] = {};
  EXPECT_EQ(call(SYS_read, fd, got, 16), 5);
  EXPECT_STREQ(got, "world");
  EXPECT_EQ(call(SYS_read, fd, got, 16), 0);
  EXPECT_EQ(call(SYS_pwrite64, fd, "W", 1, 6), 1);
  EXPECT_EQ(call(SYS_pread64, fd, got, 5, 6), 5);
  EXPECT_STREQ(got, "World");
  EXPECT_EQ(call(SYS_lseek, fd, 0, SEEK_CUR), 11);
  EXPECT_EQ(call(SYS_ftruncate, fd, 3), 0);
  EXPECT_EQ(call(SYS_fallocate, fd, 0, 0, 8), 0);
  EXPECT_EQ(call(SYS_fallocate, fd, 1, 0, 8), -EOPNOTSUPP);
  EXPECT_EQ(call(SYS_fsync, fd), 0);
  struct stat status{};
  EXPECT_EQ(call(SYS_fstat, fd, &status), 0);
  EXPECT_EQ(status.st_size, 8);
  EXPECT_EQ(status.st_mode, S_IFREG | 0640u);
  EXPECT_EQ(status.st_uid, fs::kFileOwner);
  EXPECT_EQ(call(SYS_close, fd), 0);
  EXPECT_EQ(call(SYS_close, fd), -EBADF);
  EXPECT_EQ(on_host("new"), std::string("hel\0\0\0\0\0", 8));
}

TEST_F(FileCalls, BigTransfersTakeSeveralRequests) {
  std::string big(5 * boundary::kExchangeSize + 17, '\0');
  for (std::size_t i = 0; i < big.size(); ++i) big[i] = static_cast<char>(i * 7 + i / 999);
  EXPECT_EQ(store("/data/big", big), static_cast<std::int64_t>(big.size()));
  EXPECT_EQ(on_host("big"), big);
  const auto fd = open("/data/big");
  std::string got(big.size() + 100, '\0');
  EXPECT_EQ(call(SYS_read, fd, got.data(), got.size()), static_cast<std::int64_t>(big.size()));
  got.resize(big.size());
  EXPECT_EQ(got, big);
  std::vector<std::byte> mapped(10000);
  const auto filled = fs::read_for_mapping(static_cast<int>(fd), big.size() - 5000, mapped);
  ASSERT_TRUE(filled);
  EXPECT_EQ(*filled, 5000u);
  EXPECT_EQ(std::memcmp(mapped.data(), big.data() + big.size() - 5000, 5000), 0);
  EXPECT_EQ(mapped[5000], std::byte{0});
}

TEST_F(FileCalls, FlagsOfOpen) {
  make_on_host("there", "content");
  EXPECT_EQ(open("/data/there", O_CREAT | O_EXCL | O_WRONLY), -EEXIST);
  EXPECT_EQ(open("/data/missing"), -ENOENT);
  EXPECT_EQ(open("/data/there/"), -ENOTDIR);
  EXPECT_EQ(open("/data/there", O_DIRECTORY), -ENOTDIR);
  EXPECT_EQ(open("/data", O_WRONLY), -EISDIR);
  EXPECT_EQ(open("/data", O_TMPFILE | O_RDWR), -EOPNOTSUPP);
  EXPECT_EQ(open(""), -ENOENT);
  EXPECT_EQ(open(nullptr), -EFAULT);
  EXPECT_EQ(open(std::string(5000, 'x').c_str()), -ENAMETOOLONG);
  EXPECT_EQ(open(("/data/" + std::string(256, 'x')).c_str()), -ENAMETOOLONG);
  const auto reader = open("/data/there");
  EXPECT_EQ(call(SYS_write, reader, "x", 1), -EBADF);
  EXPECT_EQ(call(SYS_ftruncate, reader, 0), -EINVAL);
  const auto writer = open("/data/there", O_WRONLY | O_APPEND);
  char one = 0;
  EXPECT_EQ(call(SYS_read, writer, &one, 1), -EBADF);
  EXPECT_EQ(call(SYS_read, reader, 8, 1), -EFAULT);
  EXPECT_EQ(call(SYS_write, writer, "+1", 2), 2);
  EXPECT_EQ(call(SYS_lseek, writer, 0, SEEK_SET), 0);
  EXPECT_EQ(call(SYS_write, writer, "+2", 2), 2);
  EXPECT_EQ(call(SYS_lseek, writer, 0, SEEK_CUR), 11);
  EXPECT_EQ(on_host("there"), "content+1+2");
  const auto name_only = open("/data/there", O_PATH);
  EXPECT_EQ(call(SYS_read, name_only, &one, 1), -EBADF);
  EXPECT_EQ(call(SYS_lseek, name_only, 0, SEEK_SET), -EBADF);
  struct stat status{};
  EXPECT_EQ(call(SYS_fstat, name_only, &status), 0);
}

TEST_F(FileCalls, ReadOnlyTreesStayAsTheyAre) {
  make_on_host("there", "content");
  EXPECT_EQ(content("/fixed/there"), "content");
  for (const int flags : {O_WRONLY, O_RDWR, O_RDONLY | O_TRUNC}) {
    EXPECT_EQ(open("/fixed/there", flags), -EROFS);
    EXPECT_EQ(open("/image/measured", flags), -EROFS);
  }
  EXPECT_GE(open("/fixed/there", O_CREAT | O_RDONLY), 3);
  EXPECT_EQ(open("/fixed/new", O_CREAT | O_RDONLY), -EROFS);
  EXPECT_EQ(open("/image/new", O_CREAT | O_WRONLY), -EROFS);
  EXPECT_EQ(call(SYS_unlink, "/fixed/there"), -EROFS);
  EXPECT_EQ(call(SYS_mkdir, "/fixed/made", 0755), -EROFS);
  EXPECT_EQ(call(SYS_rename, "/fixed/there", "/fixed/here"), -EROFS);
  EXPECT_EQ(call(SYS_access, "/fixed/there", W_OK), -EROFS);
  EXPECT_EQ(call(SYS_access, "/fixed/there", R_OK), 0);
  EXPECT_EQ(call(SYS_access, "/fixed/there", X_OK), -EACCES);
  EXPECT_EQ(content("/image/measured"), "measured content");
  EXPECT_EQ(call(SYS_access, "/image/measured", X_OK), 0);
  EXPECT_EQ(content("/etc/hosts").substr(0, 19), "127.0.0.1 localhost");
}

TEST_F(FileCalls, NamesWorkAlikeOnTheHostAndInMemory) {
  for (const std::string root : {"/data", "/tmp"}) {
    SCOPED_TRACE(root);
    const std::string directory = root + "/directory";
    const std::string file = directory + "/file";
    const std::string other = root + "/other";
    EXPECT_EQ(call(SYS_mkdir, directory.c_str(), 0755), 0);
    EXPECT_EQ(call(SYS_mkdir, directory.c_str(), 0755), -EEXIST);
    EXPECT_EQ(store(file.c_str(), "text"), 4);
    EXPECT_EQ(store((directory + "/file/below").c_str(), "text"), -ENOTDIR);
    EXPECT_EQ(call(SYS_rmdir, directory.c_str()), -ENOTEMPTY);
    EXPECT_EQ(call(SYS_unlink, directory.c_str()), -EISDIR);
    EXPECT_EQ(call(SYS_rename, directory.c_str(), (directory + "/inside").c_str()), -EINVAL);
    EXPECT_EQ(call(SYS_rename, file.c_str(), other.c_str()), 0);
    EXPECT_EQ(content(file.c_str()), "error 2");
    EXPECT_EQ(content(other.c_str()), "text");
    EXPECT_EQ(store(file.c_str(), "second"), 6);
    EXPECT_EQ(call(SYS_renameat2, AT_FDCWD, file.c_str(), AT_FDCWD, other.c_str(), 1), -EEXIST);
    EXPECT_EQ(call(SYS_rename, file.c_str(), other.c_str()), 0);
    EXPECT_EQ(content(other.c_str()), "second");
    EXPECT_EQ(call(SYS_rename, other.c_str(), "/dev/other"), -EXDEV);
    EXPECT_EQ(call(SYS_truncate, other.c_str(), 3), 0);
    EXPECT_EQ(content(other.c_str()), "sec");
    EXPECT_EQ(call(SYS_unlinkat, AT_FDCWD, directory.c_str(), AT_REMOVEDIR), 0);
    EXPECT_EQ(call(SYS_unlink, other.c_str()), 0);
    EXPECT_EQ(call(SYS_rmdir, root.c_str()), -EBUSY);
    EXPECT_EQ(names_in(root.c_str()), (std::set<std::string>{".", ".."}));
  }
}

TEST_F(FileCalls, RelativePathsAndTheWorkingDirectory) {
  char directory[64] = {};
  EXPECT_EQ(call(SYS_getcwd, directory, sizeof(directory)), 2);
  EXPECT_STREQ(directory, "/");
  ASSERT_EQ(call(SYS_mkdir, "data/inner", 0755), 0);
  EXPECT_EQ(call(SYS_chdir, "/data/./inner/../inner//"), 0);
  EXPECT_EQ(call(SYS_getcwd, directory, sizeof(directory)), 12);
  EXPECT_STREQ(directory, "/data/inner");
  EXPECT_EQ(call(SYS_getcwd, directory, 5), -ERANGE);
  EXPECT_EQ(store("here", "x"), 1);
  EXPECT_EQ(on_host("inner/here"), "x");
  EXPECT_EQ(content("../inner/here"), "x");
  EXPECT_EQ(content("../../../../data/inner/here"), "x");
  EXPECT_EQ(call(SYS_chdir, "here"), -ENOTDIR);
  const auto data = open("/data", O_DIRECTORY);
  char one = 0;
  const auto file = call(SYS_openat, data, "inner/here", O_RDONLY, 0);
  EXPECT_EQ(call(SYS_read, file, &one, 1), 1);
  EXPECT_EQ(call(SYS_openat, file, "x", O_RDONLY, 0), -ENOTDIR);
  EXPECT_EQ(call(SYS_openat, 55, "x", O_RDONLY, 0), -EBADF);
  EXPECT_EQ(call(SYS_fchdir, data), 0);
  EXPECT_EQ(content("inner/here"), "x");
  EXPECT_EQ(call(SYS_fchdir, file), -ENOTDIR);
}

TEST_F(FileCalls, ListingsShowMountPointsAndLongDirectories) {
  EXPECT_THAT(names_in("/"),
              ::testing::IsSupersetOf({".", "..", "data", "fixed", "dev", "proc", "sys", "tmp", "etc", "image"}));
  EXPECT_THAT(names_in("/dev"), ::testing::IsSupersetOf({"null", "urandom", "fd", "shm"}));
  EXPECT_THAT(names_in("/proc/self/fd"), ::testing::IsSupersetOf({"0", "1", "2"}));
  std::set<std::string> expected = {".", ".."};
  for (int i = 0; i < 500; ++i) {
    const std::string name = "some-name-" + std::to_string(i);
    make_on_host(name, "");
    expected.insert(name);
  }
  EXPECT_EQ(names_in("/data"), expected);
  const auto fd = open("/data", O_DIRECTORY);
  char small[20];
  EXPECT_EQ(call(SYS_getdents64, fd, small, sizeof(small)), -EINVAL);
  const auto file = open("/image/measured");
  char room[512];
  EXPECT_EQ(call(SYS_getdents64, file, room, sizeof(room)), -ENOTDIR);
  // Rewinding shows what is new.
  while (call(SYS_getdents64, fd, room, sizeof(room)) > 0) {
  }
  EXPECT_EQ(call(SYS_lseek, fd, 0, SEEK_SET), 0);
  EXPECT_GT(call(SYS_getdents64, fd, room, sizeof(room)), 0);
}

TEST_F(FileCalls, DescriptorsAreDuplicatedAndBounded) {
  ASSERT_EQ(store("/tmp/file", "abcdef"), 6);
  const auto fd = open("/tmp/file", O_RDONLY | O_CLOEXEC);
  const auto twin = call(SYS_dup, fd);
  char one = 0;
  EXPECT_EQ(call(SYS_read, fd, &one, 1), 1);
  EXPECT_EQ(call(SYS_read, twin, &one, 1), 1);
  EXPECT_EQ(one, 'b');  // one position for both
  EXPECT_EQ(call(SYS_fcntl, fd, F_GETFD), FD_CLOEXEC);
  EXPECT_EQ(call(SYS_fcntl, twin, F_GETFD), 0);
  EXPECT_EQ(call(SYS_dup2, fd, 20), 20);
  EXPECT_EQ(call(SYS_dup2, fd, fd), fd);
  EXPECT_EQ(call(SYS_dup3, fd, fd, 0), -EINVAL);
  EXPECT_EQ(call(SYS_dup3, fd, 21, O_CLOEXEC), 21);
  EXPECT_EQ(call(SYS_fcntl, 21, F_GETFD), FD_CLOEXEC);
  EXPECT_EQ(call(SYS_dup2, 50, 20), -EBADF);
  EXPECT_EQ(call(SYS_dup2, fd, 64), -EBADF);
  EXPECT_EQ(call(SYS_fcntl, fd, F_DUPFD_CLOEXEC, 30), 30);
  EXPECT_EQ(call(SYS_fcntl, fd, F_DUPFD, 64), -EINVAL);
  EXPECT_EQ(call(SYS_fcntl, fd, F_GETFL) & O_ACCMODE, O_RDONLY);
  EXPECT_EQ(call(SYS_close, fd), 0);
  EXPECT_EQ(call(SYS_read, 20, &one, 1), 1);  // the file is open as long as one descriptor is
  EXPECT_EQ(one, 'c');
  EXPECT_EQ(call(SYS_close_range, 3, ~0u, 0), 0);
  EXPECT_EQ(call(SYS_read, 20, &one, 1), -EBADF);
  for (int i = 3; i < 64; ++i) EXPECT_EQ(open("/tmp/file"), i);
  EXPECT_EQ(open("/tmp/file"), -EMFILE);
}

TEST_F(FileCalls, VectorsAreOneTransfer) {
  const auto fd = open("/data/vector", O_CREAT | O_RDWR);
  iovec out[] = {{const_cast<char*>("abc"), 3}, {nullptr, 0}, {const_cast<char*>("defg"), 4}};
  EXPECT_EQ(call(SYS_writev, fd, out, 3), 7);
  EXPECT_EQ(on_host("vector"), "abcdefg");
  char first[2];
  char second[10];
  iovec in[] = {{first, 2}, {second, 10}};
  EXPECT_EQ(call(SYS_preadv, fd, in, 2, 1), 6);
  EXPECT_EQ(std::string(first, 2) + std::string(second, 4), "bcdefg");
  EXPECT_EQ(call(SYS_pwritev, fd, out, 3, 4), 7);
  EXPECT_EQ(on_host("vector"), "abcdabcdefg");
  EXPECT_EQ(call(SYS_readv, fd, in, 1025), -EINVAL);
  iovec wrong[] = {{first, 2}, {reinterpret_cast<void*>(16), 2}};
  EXPECT_EQ(call(SYS_readv, fd, wrong, 2), -EFAULT);
  wrong[1].iov_len = static_cast<std::size_t>(-1);
  EXPECT_EQ(call(SYS_readv, fd, wrong, 2), -EINVAL);
}

TEST_F(FileCalls, CopiesInsideTheKernel) {
  ASSERT_EQ(store("/data/from", std::string(200'000, 'x') + "end"), 200'003);
  const auto from = open("/data/from");
  const auto to = open("/tmp/to", O_CREAT | O_RDWR);
  EXPECT_EQ(call(SYS_sendfile, to, from, nullptr, 1 << 20), 200'003);
  EXPECT_EQ(content("/tmp/to"), on_host("from"));
  std::int64_t offset = 200'000;
  EXPECT_EQ(call(SYS_sendfile, to, from, &offset, 100), 3);
  EXPECT_EQ(offset, 200'003);
  std::int64_t at = 1;
  EXPECT_EQ(call(SYS_lseek, from, 0, SEEK_SET), 0);
  EXPECT_EQ(call(SYS_copy_file_range, from, nullptr, to, &at, 2, 0), 2);
  EXPECT_EQ(at, 3);
  EXPECT_EQ(call(SYS_copy_file_range, from, nullptr, to, &at, 2, 1), -EINVAL);
  EXPECT_EQ(call(SYS_sendfile, from, to, nullptr, 1), -EBADF);
}

TEST_F(FileCalls, TheStandardStreams) {
  ASSERT_EQ(::write(input[1], "typed\nmore", 10), 10);
  char got[6] = {};
  EXPECT_EQ(call(SYS_read, 0, got, 6), 6);
  EXPECT_EQ(std::string_view(got, 6), "typed\n");
  iovec pieces[] = {{const_cast<char*>("one "), 4}, {const_cast<char*>("line\n"), 5}};
  EXPECT_EQ(call(SYS_writev, 1, pieces, 2), 9);
  char printed[10] = {};
  EXPECT_EQ(::read(output[0], printed, 9), 9);
  EXPECT_STREQ(printed, "one line\n");
  EXPECT_EQ(call(SYS_lseek, 1, 0, SEEK_CUR), -ESPIPE);
  EXPECT_EQ(call(SYS_pread64, 0, got, 1, 0), -ESPIPE);
  EXPECT_EQ(call(SYS_write, 0, "x", 1), -EBADF);
  struct stat status{};
  EXPECT_EQ(call(SYS_fstat, 1, &status), 0);
  EXPECT_TRUE(S_ISFIFO(status.st_mode));
  termios settings{};
  EXPECT_EQ(call(SYS_ioctl, 1, 0x5401, &settings), -ENOTTY);
  const auto again = open("/dev/stdout", O_WRONLY);
  EXPECT_EQ(call(SYS_write, again, "x", 1), 1);
  EXPECT_EQ(open("/dev/stdout", O_RDONLY), -EACCES);
  EXPECT_EQ(open("/dev/tty", O_RDWR), -ENXIO);
  ::close(input[1]);
  EXPECT_EQ(call(SYS_read, 0, got, 6), 4);
  EXPECT_EQ(call(SYS_read, 0, got, 6), 0);
  input[1] = ::dup(input[0]);  // for the tear-down
}

class TerminalCalls : public FileCalls {
  void adjust(fs::FilesSetup& setup) override { setup.terminals[0] = setup.terminals[1] = true; }
};

TEST_F(TerminalCalls, TerminalsAnswerAsTerminals) {
  termios settings{};
  EXPECT_EQ(call(SYS_ioctl, 1, 0x5401, &settings), 0);
  EXPECT_NE(settings.c_lflag & ICANON, 0u);
  EXPECT_EQ(call(SYS_ioctl, 1, 0x5402, &settings), -EPERM);
  EXPECT_EQ(call(SYS_ioctl, 2, 0x5401, &settings), -ENOTTY);
  std::uint16_t window[4];
  EXPECT_EQ(call(SYS_ioctl, 1, 0x5413, window), -ENOTTY);  // the host's stream is a pipe after all
  EXPECT_GE(open("/dev/tty", O_RDWR), 3);
}

TEST_F(FileCalls, Devices) {
  const auto null = open("/dev/null", O_RDWR);
  char got[64];
  EXPECT_EQ(call(SYS_write, null, "gone", 4), 4);
  EXPECT_EQ(call(SYS_read, null, got, 4), 0);
  std::memset(got, 1, sizeof(got));
  EXPECT_EQ(call(SYS_read, open("/dev/zero"), got, 64), 64);
  EXPECT_EQ(std::count(got, got + 64, '\0'), 64);
  EXPECT_EQ(call(SYS_write, open("/dev/full", O_WRONLY), "x", 1), -ENOSPC);
  char other[64];
  EXPECT_EQ(call(SYS_read, open("/dev/urandom"), got, 64), 64);
  EXPECT_EQ(call(SYS_read, open("/dev/random"), other, 64), 64);
  EXPECT_NE(std::memcmp(got, other, 64), 0);
  EXPECT_GE(open("/dev/null", O_CREAT | O_TRUNC | O_WRONLY), 3);
  EXPECT_EQ(open("/dev/new", O_CREAT | O_WRONLY), -EACCES);
  struct stat status{};
  EXPECT_EQ(call(SYS_stat, "/dev/null", &status), 0);
  EXPECT_TRUE(S_ISCHR(status.st_mode));
  EXPECT_EQ(call(SYS_access, "/dev/null", W_OK), 0);
}

TEST_F(FileCalls, ProcTellsAboutTheProcess) {
  EXPECT_EQ(content("/proc/self/cmdline"), std::string("program\0two words\0", 18));
  EXPECT_EQ(content("/proc/1/environ"), std::string("HOME=/tmp\0", 10));
  EXPECT_EQ(content("/proc/self/comm"), "measured\n");
  EXPECT_EQ(content("/proc/self/exe"), "measured content");
  EXPECT_EQ(content("/sys/devices/system/cpu/online"), "0-1\n");
  EXPECT_EQ(content("/proc/sys/kernel/random/uuid").size(), 37u);
  EXPECT_NE(content("/proc/mounts").find("coffer /fixed coffer ro"), std::string::npos);
  struct stat fixed{};
  ASSERT_EQ(call(SYS_stat, "/fixed", &fixed), 0);
  EXPECT_NE(
      content("/proc/self/mountinfo").find(" 0:" + std::to_string(fixed.st_dev) + " / /fixed ro - coffer coffer ro\n"),
      std::string::npos)
      << content("/proc/self/mountinfo");
  EXPECT_NE(content("/proc/cpuinfo").find("processor\t: 1\n"), std::string::npos);
  EXPECT_EQ(open("/proc/self/nothing"), -ENOENT);
  EXPECT_EQ(open("/proc/2"), -ENOENT);
  EXPECT_EQ(open("/proc/self/maps", O_RDWR), -EROFS);
  const std::string stat = content("/proc/self/stat");
  EXPECT_EQ(std::count(stat.begin(), stat.end(), ' '), 51);
  char target[64] = {};
  EXPECT_EQ(call(SYS_readlink, "/proc/self/exe", target, 63), 15);
  EXPECT_STREQ(target, "/image/measured");
  EXPECT_EQ(call(SYS_readlink, "/image/measured", target, 63), -EINVAL);
  const auto fd = open("/tmp/opened", O_CREAT | O_RDWR);
  const std::string link = "/proc/self/fd/" + std::to_string(fd);
  std::memset(target, 0, sizeof(target));
  EXPECT_EQ(call(SYS_readlink, link.c_str(), target, 63), 11);
  EXPECT_STREQ(target, "/tmp/opened");
  EXPECT_EQ(call(SYS_write, open(link.c_str(), O_WRONLY), "through", 7), 7);
  EXPECT_EQ(content("/tmp/opened"), "through");
  EXPECT_EQ(open("/proc/self/fd/63"), -ENOENT);
}

TEST_F(FileCalls, StatusComesInAllItsForms) {
  ASSERT_EQ(store("/data/file", "12345"), 5);
  struct stat status{};
  EXPECT_EQ(call(SYS_newfstatat, AT_FDCWD, "/data/file", &status, 0), 0);
  EXPECT_EQ(status.st_size, 5);
  const auto fd = open("/data/file");
  struct stat same{};
  EXPECT_EQ(call(SYS_newfstatat, fd, "", &same, AT_EMPTY_PATH), 0);
  EXPECT_EQ(same.st_ino, status.st_ino);
  EXPECT_EQ(same.st_dev, status.st_dev);
  struct statx extended{};
  EXPECT_EQ(call(SYS_statx, AT_FDCWD, "/data/file", 0, STATX_ALL, &extended), 0);
  EXPECT_EQ(extended.stx_size, 5u);
  EXPECT_EQ(call(SYS_statx, AT_FDCWD, "", 0, STATX_ALL, &extended), -ENOENT);
  EXPECT_EQ(call(SYS_stat, "/data/file/", &status), -ENOTDIR);
  EXPECT_EQ(call(SYS_stat, "/data/file", 16), -EFAULT);
  struct statfs space{};
  EXPECT_EQ(call(SYS_statfs, "/tmp", &space), 0);
  EXPECT_EQ(space.f_type, 0x01021994);
  EXPECT_EQ(call(SYS_fstatfs, fd, &space), 0);
  std::filesystem::create_symlink("file", shared / "link");
  std::filesystem::create_symlink("/etc/passwd", shared / "escape");
  EXPECT_EQ(call(SYS_lstat, "/data/link", &status), 0);
  EXPECT_TRUE(S_ISLNK(status.st_mode));
  EXPECT_EQ(call(SYS_stat, "/data/link", &status), 0);
  EXPECT_TRUE(S_ISREG(status.st_mode));
  EXPECT_LT(open("/data/escape"), 0);
}

TEST_F(FileCalls, LocksConflictBetweenDescriptionsOnly) {
  const auto one = open("/data/locked", O_CREAT | O_RDWR);
  const auto two = open("/data/locked", O_RDWR);
  EXPECT_EQ(call(SYS_flock, one, LOCK_EX), 0);
  EXPECT_EQ(call(SYS_flock, two, LOCK_SH | LOCK_NB), -EAGAIN);
  EXPECT_EQ(call(SYS_flock, one, LOCK_SH), 0);
  EXPECT_EQ(call(SYS_flock, two, LOCK_SH | LOCK_NB), 0);
  EXPECT_EQ(call(SYS_flock, two, LOCK_EX | LOCK_NB), -EAGAIN);
  // A waiting lock comes when the other description ends.
  std::thread closer([&] {
    ::usleep(20'000);
    call(SYS_close, one);
  });
  EXPECT_EQ(call(SYS_flock, two, LOCK_EX), 0);
  closer.join();

  const auto three = open("/data/locked", O_RDWR);
  struct flock lock{};
  lock.l_type = F_WRLCK;
  lock.l_start = 10;
  lock.l_len = 10;
  EXPECT_EQ(call(SYS_fcntl, two, F_SETLK, &lock), 0);
  EXPECT_EQ(call(SYS_fcntl, three, F_SETLK, &lock), 0);  // the same process
  EXPECT_EQ(call(SYS_fcntl, three, F_GETLK, &lock), 0);
  EXPECT_EQ(lock.l_type, F_UNLCK);
  lock.l_type = F_WRLCK;
  EXPECT_EQ(call(SYS_fcntl, two, F_OFD_SETLK, &lock), 0);
  EXPECT_EQ(call(SYS_fcntl, three, F_OFD_SETLK, &lock), -EAGAIN);
  struct flock middle = lock;
  middle.l_type = F_UNLCK;
  middle.l_start = 12;
  middle.l_len = 2;
  EXPECT_EQ(call(SYS_fcntl, two, F_OFD_SETLK, &middle), 0);  // splits it in two
  middle.l_type = F_RDLCK;
  EXPECT_EQ(call(SYS_fcntl, three, F_OFD_SETLK, &middle), 0);
  struct flock rest = lock;
  rest.l_start = 14;
  rest.l_len = 0;
  EXPECT_EQ(call(SYS_fcntl, three, F_OFD_GETLK, &rest), 0);
  EXPECT_EQ(rest.l_type, F_WRLCK);
  EXPECT_EQ(rest.l_start, 14);
  EXPECT_EQ(rest.l_len, 6);
  const auto reader = open("/data/locked");
  EXPECT_EQ(call(SYS_fcntl, reader, F_SETLK, &lock), -EBADF);
  lock.l_type = 77;
  EXPECT_EQ(call(SYS_fcntl, two, F_SETLK, &lock), -EINVAL);
}

TEST_F(FileCalls, PipesCarryMoreThanTheyHold) {
  int ends[2];
  ASSERT_EQ(call(SYS_pipe2, ends, O_CLOEXEC), 0);
  std::string sent(300'000, '\0');
  for (std::size_t i = 0; i < sent.size(); ++i) sent[i] = static_cast<char>(i * 31 >> 3);
  std::thread writer([&] {
    EXPECT_EQ(call(SYS_write, ends[1], sent.data(), sent.size()), static_cast<std::int64_t>(sent.size()));
    call(SYS_close, ends[1]);
  });
  std::string got;
  char piece[5000];
  std::int64_t count = 0;
  while ((count = call(SYS_read, ends[0], piece, sizeof(piece))) > 0)
    got.append(piece, static_cast<std::size_t>(count));
  writer.join();
  EXPECT_EQ(count, 0);
  EXPECT_EQ(got, sent);
  ASSERT_EQ(call(SYS_pipe2, ends, O_NONBLOCK), 0);
  EXPECT_EQ(call(SYS_read, ends[0], piece, 1), -EAGAIN);
  EXPECT_EQ(call(SYS_read, ends[1], piece, 1), -EBADF);
  std::string full(fs::kPipeAtomic, 'x');
  std::int64_t filled = 0;
  while (call(SYS_write, ends[1], full.data(), full.size()) > 0) ++filled;
  EXPECT_EQ(filled, 16);
  int waiting = 0;
  EXPECT_EQ(call(SYS_ioctl, ends[0], 0x541b, &waiting), 0);
  EXPECT_EQ(waiting, 65536);
  call(SYS_close, ends[0]);
  EXPECT_EQ(call(SYS_write, ends[1], "x", 1), -EPIPE);
}

TEST_F(FileCalls, EventCounters) {
  const auto counter = call(SYS_eventfd2, 3, EFD_NONBLOCK);
  std::uint64_t value = 4;
  EXPECT_EQ(call(SYS_write, counter, &value, 8), 8);
  EXPECT_EQ(call(SYS_read, counter, &value, 8), 8);
  EXPECT_EQ(value, 7u);
  EXPECT_EQ(call(SYS_read, counter, &value, 8), -EAGAIN);
  EXPECT_EQ(call(SYS_read, counter, &value, 7), -EINVAL);
  value = ~std::uint64_t{0};
  EXPECT_EQ(call(SYS_write, counter, &value, 8), -EINVAL);
  const auto semaphore = call(SYS_eventfd2, 2, EFD_SEMAPHORE | EFD_NONBLOCK);
  EXPECT_EQ(call(SYS_read, semaphore, &value, 8), 8);
  EXPECT_EQ(value, 1u);
}

TEST_F(FileCalls, PollWaitsForPipesAndTimes) {
  int ends[2];
  ASSERT_EQ(call(SYS_pipe2, ends, 0), 0);
  pollfd all[] = {{ends[0], POLLIN, 0}, {-1, POLLIN, 0}};
  EXPECT_EQ(call(SYS_poll, all, 2, 0), 0);
  const auto before = fs::monotonic_now_ns();
  EXPECT_EQ(call(SYS_poll, all, 2, 30), 0);
  EXPECT_GE(fs::monotonic_now_ns() - before, 30'000'000u);
  std::thread writer([&] {
    ::usleep(20'000);
    call(SYS_write, ends[1], "x", 1);
  });
  EXPECT_EQ(call(SYS_poll, all, 2, -1), 1);
  EXPECT_EQ(all[0].revents, POLLIN);
  writer.join();
  pollfd odd[] = {{60, POLLIN, 0}, {1, POLLOUT, 0}};
  EXPECT_EQ(call(SYS_poll, odd, 2, -1), 2);
  EXPECT_EQ(odd[0].revents, POLLNVAL);
  EXPECT_EQ(odd[1].revents, POLLOUT);
  fd_set reads;
  FD_ZERO(&reads);
  FD_SET(ends[0], &reads);
  FD_SET(0, &reads);
  timeval none{};
  EXPECT_EQ(call(SYS_select, ends[0] + 1, &reads, nullptr, nullptr, &none), 1);  // nothing stands in standard input
  EXPECT_FALSE(FD_ISSET(0, &reads));
  ASSERT_EQ(::write(input[1], "y", 1), 1);
  FD_SET(0, &reads);
  EXPECT_EQ(call(SYS_select, ends[0] + 1, &reads, nullptr, nullptr, &none), 2);
  EXPECT_TRUE(FD_ISSET(ends[0], &reads));
  FD_SET(60, &reads);
  EXPECT_EQ(call(SYS_select, 61, &reads, nullptr, nullptr, &none), -EBADF);
}

TEST_F(FileCalls, TemporaryFilesAreBoundedAndFreed) {
  const std::string megabyte(1 << 20, 'x');
  const auto fd = open("/tmp/big", O_CREAT | O_RDWR);
  EXPECT_EQ(call(SYS_write, fd, megabyte.data(), megabyte.size()), 1 << 20);
  EXPECT_EQ(call(SYS_write, fd, megabyte.data(), megabyte.size()), 1 << 20);
  EXPECT_EQ(call(SYS_write, fd, megabyte.data(), megabyte.size()), -ENOSPC);
  EXPECT_EQ(call(SYS_unlink, "/tmp/big"), 0);
  EXPECT_EQ(store("/tmp/other", "x"), -ENOSPC);  // still open
  char got[3];
  EXPECT_EQ(call(SYS_pread64, fd, got, 3, 5), 3);
  EXPECT_EQ(call(SYS_close, fd), 0);
  EXPECT_EQ(store("/tmp/other", "x"), 1);
  // A hole reads as zeros and costs nothing; shrinking and growing again shows no old bytes.
  const auto sparse = open("/tmp/sparse", O_CREAT | O_RDWR);
  EXPECT_EQ(call(SYS_pwrite64, sparse, "end", 3, std::int64_t{1} << 30), 3);
  EXPECT_EQ(call(SYS_pread64, sparse, got, 3, 5000), 3);
  EXPECT_EQ(got[0], 0);
  EXPECT_EQ(call(SYS_pwrite64, sparse, "secret", 6, 0), 6);
  EXPECT_EQ(call(SYS_ftruncate, sparse, 2), 0);
  EXPECT_EQ(call(SYS_ftruncate, sparse, 6), 0);
  EXPECT_EQ(content("/tmp/sparse"), std::string("se\0\0\0\0", 6));
  EXPECT_EQ(call(SYS_pwrite64, sparse, "x", 1, std::int64_t{1} << 50), -EFBIG);
}

TEST_F(FileCalls, AppendersDoNotOverlap) {
  for (const char* path : {"/data/log", "/tmp/log"}) {
    std::vector<std::thread> threads;
    for (int t = 0; t < 4; ++t) {
      threads.emplace_back([path] {
        const auto fd = open(path, O_CREAT | O_WRONLY | O_APPEND);
        for (int i = 0; i < 50; ++i) EXPECT_EQ(call(SYS_write, fd, "line\n", 5), 5);
        call(SYS_close, fd);
      });
    }
    for (auto& thread : threads) thread.join();
    EXPECT_EQ(content(path).size(), 4u * 50 * 5);
  }
}

TEST(FileCallTable, NamesAndNumbersAreUnique) {
  std::set<int> numbers;
  for (const SyscallEntry& entry : file_syscalls()) {
    EXPECT_TRUE(numbers.insert(entry.number).second) << entry.name;
    EXPECT_NE(entry.handler, nullptr) << entry.name;
    EXPECT_NE(entry.host_may_return, nullptr) << entry.name;
  }
  EXPECT_GE(numbers.size(), 90u);
}

}  // namespace
}  // namespace coffer::kernel
