// Hosts that lie: whatever they answer, the kernel's side gives data within what was asked, or an errno.
#include "enclave/kernel/fs/host_directory_calls.h"

#include <dirent.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <functional>
#include <random>

#include "enclave/kernel/fs/path.h"
#include "enclave/kernel/testing/file_fixture.h"

namespace coffer::kernel::fs {
namespace {

using boundary::Request;
using testing::call;
using Serve = std::function<Answer(Request, const std::array<std::uint64_t, 4>&, std::span<std::byte>)>;

class ScriptedHost final : public testing::FakeHost {
 public:
  explicit ScriptedHost(Serve serve) : serve_(std::move(serve)) { testing::use_host(this); }
  ~ScriptedHost() override { testing::use_host(nullptr); }
  Answer serve(Request request, const std::array<std::uint64_t, 4>& arguments, std::span<std::byte> area) override {
    return serve_(request, arguments, area);
  }

 private:
  Serve serve_;
};

// Every result that is no valid answer to a request that may answer at most `most`.
std::vector<std::int64_t> lies(std::int64_t most) {
  constexpr auto kLowest = std::numeric_limits<std::int64_t>::min();
  return {most + 1, std::numeric_limits<std::int64_t>::max(), kLowest, kLowest + 1, -4096, -1'000'000};
}

TEST(HostDirectoryCalls, CountsAboveWhatWasAskedAreErrors) {
  for (const std::int64_t lie : lies(10)) {
    ScriptedHost host([&](auto...) { return Answer{lie, {}}; });
    HostDirectoryCalls directory(1);
    std::array<std::byte, 12> room{};
    EXPECT_EQ(directory.read_at(5, 0, std::span(room).first(10)).error(), EIO) << lie;
    EXPECT_EQ(directory.write_at(5, 0, std::span(room).first(10)).error(), EIO) << lie;
    EXPECT_EQ(directory.truncate(5, 1).error(), EIO) << lie;
    EXPECT_EQ(directory.sync(5, false).error(), EIO) << lie;
    EXPECT_EQ(directory.make_directory("a", 0755).error(), EIO) << lie;
    EXPECT_EQ(directory.remove("a", false).error(), EIO) << lie;
    EXPECT_EQ(directory.rename("a", "b", 0).error(), EIO) << lie;
    EXPECT_EQ(directory.status(5).error(), EIO) << lie;
    EXPECT_EQ(directory.status("a").error(), EIO) << lie;
    EXPECT_EQ(directory.sync_directory("a").error(), EIO) << lie;
    EXPECT_EQ(directory.change(5, {.set_mode = true, .mode = 0600}).error(), EIO) << lie;
    EXPECT_EQ(directory.change("a", {.set_mtime = true}, true).error(), EIO) << lie;
    EXPECT_EQ(directory.link("a", "b").error(), EIO) << lie;
    EXPECT_EQ(directory.make_symbolic_link("a", "b").error(), EIO) << lie;
    EXPECT_EQ(room[10], std::byte{0});
  }
  for (const std::int64_t lie : lies(boundary::kMaxPath)) {
    ScriptedHost host([&](auto...) { return Answer{lie, {}}; });
    EXPECT_EQ(HostDirectoryCalls(1).read_link("a").error(), EIO) << lie;
  }
  for (const std::int64_t lie : {0L, 1L, 2L, 0x80000000L, std::numeric_limits<std::int64_t>::max(), -4096L}) {
    ScriptedHost host([&](auto...) { return Answer{lie, {}}; });
    EXPECT_EQ(HostDirectoryCalls(1).open("a", O_RDONLY, 0).error(), EIO) << lie;
  }
}

TEST(HostDirectoryCalls, ErrnosPassThrough) {
  ScriptedHost host([](auto...) { return Answer{-ENOSPC, {}}; });
  std::array<std::byte, 4> room{};
  EXPECT_EQ(HostDirectoryCalls(1).write_at(5, 0, room).error(), ENOSPC);
  EXPECT_EQ(HostDirectoryCalls(1).open("a", O_RDONLY, 0).error(), ENOSPC);
}

TEST(HostDirectoryCalls, NoPathThatIsNotCleanReachesTheHost) {
  int calls = 0;
  ScriptedHost host([&](auto...) {
    ++calls;
    return Answer{0, {}};
  });
  HostDirectoryCalls directory(1);
  for (const std::string path : {"..", "a/../b", "/a", "a/", "a//b", ".", "./a"}) {
    EXPECT_EQ(directory.open(path, O_RDONLY, 0).error(), EINVAL) << path;
    EXPECT_EQ(directory.rename("fine", path, 0).error(), EINVAL) << path;
  }
  EXPECT_EQ(directory.open(std::string("a\0b", 3), O_RDONLY, 0).error(), EINVAL);
  EXPECT_EQ(directory.open(std::string(5000, 'x'), O_RDONLY, 0).error(), ENAMETOOLONG);
  EXPECT_EQ(calls, 0);
}

TEST(HostDirectoryCalls, ImpossibleStatusesAreErrors) {
  boundary::HostStat good{};
  good.mode = S_IFREG | 0644;
  good.size = 10;
  boundary::HostStat told = good;
  ScriptedHost host([&](Request, const auto&, std::span<std::byte> area) {
    std::memcpy(area.data(), &told, sizeof(told));
    return Answer{0, {}};
  });
  HostDirectoryCalls directory(1);
  EXPECT_EQ(directory.status("a")->size, 10u);
  using Change = void (*)(boundary::HostStat&);
  for (const Change change :
       {Change([](boundary::HostStat& s) { s.mode = 0; }), Change([](boundary::HostStat& s) { s.mode = 0170000; }),
        Change([](boundary::HostStat& s) { s.mode |= 1 << 20; }),
        Change([](boundary::HostStat& s) { s.size = std::uint64_t{1} << 63; }),
        Change([](boundary::HostStat& s) { s.mtime_ns = 1'000'000'000; }),
        Change([](boundary::HostStat& s) { s.atime_ns = ~0u; }),
        Change([](boundary::HostStat& s) { s.ctime_ns = ~0u; })}) {
    told = good;
    change(told);
    EXPECT_EQ(directory.status("a").error(), EIO);
    EXPECT_EQ(directory.status(7).error(), EIO);
  }
}

// Serves a directory whose first answer is `records` with result `size`.
Expected<std::vector<DirectoryEntry>> list(const std::vector<std::byte>& records, std::int64_t size) {
  ScriptedHost host([&](Request request, const auto& arguments, std::span<std::byte> area) -> Answer {
    if (request == Request::kFileOpen) return {9, {}};
    if (request != Request::kDirectoryRead || arguments[1] != 0) return {0, {}};
    std::memcpy(area.data(), records.data(), records.size());
    return {size, {}};
  });
  return HostDirectoryCalls(1).entries("");
}

std::vector<std::byte> record(std::string_view name, std::uint16_t length, std::uint8_t type = DT_REG) {
  boundary::HostDirent header{};
  header.name_length = length;
  header.type = type;
  std::vector<std::byte> bytes((sizeof(header) + name.size() + 7) / 8 * 8);
  std::memcpy(bytes.data(), &header, sizeof(header));
  std::memcpy(bytes.data() + sizeof(header), name.data(), name.size());
  return bytes;
}

TEST(HostDirectoryCalls, GarbageInDirectoriesIsAnError) {
  const auto good = record("name", 4);
  const auto good_size = static_cast<std::int64_t>(good.size());
  ASSERT_TRUE(list(good, good_size));
  EXPECT_EQ(list(good, good_size)->at(0).name, "name");
  EXPECT_EQ(list(record("name", 4, 77), good_size)->at(0).type, DT_UNKNOWN);
  for (const std::string_view name : {".", "..", "a/b", "/", ""}) {
    const auto bytes = record(name, static_cast<std::uint16_t>(name.size()));
    EXPECT_EQ(list(bytes, static_cast<std::int64_t>(bytes.size())).error(), EIO) << name;
  }
  const auto with_nul = record(std::string_view("a\0b", 3), 3);
  EXPECT_EQ(list(with_nul, static_cast<std::int64_t>(with_nul.size())).error(), EIO);
  EXPECT_EQ(list(record("name", 60000), good_size).error(), EIO);         // longer than the answer
  EXPECT_EQ(list(record(std::string(300, 'x'), 300), 320).error(), EIO);  // longer than a name can be
  EXPECT_EQ(list(good, 7).error(), EIO);                                  // not even a header
  for (const std::int64_t lie : lies(boundary::kExchangeSize)) EXPECT_EQ(list(good, lie).error(), EIO) << lie;
}

TEST(HostDirectoryCalls, ADirectoryWithoutEndStops) {
  const auto one = record("name", 4);
  std::vector<std::byte> full;
  while (full.size() + one.size() <= boundary::kExchangeSize) full.insert(full.end(), one.begin(), one.end());
  int closed = 0;
  ScriptedHost host([&](Request request, const auto&, std::span<std::byte> area) -> Answer {
    if (request == Request::kFileOpen) return {9, {}};
    if (request == Request::kFileClose) ++closed;
    if (request != Request::kDirectoryRead) return {0, {}};
    std::memcpy(area.data(), full.data(), full.size());
    return {static_cast<std::int64_t>(full.size()), {}};
  });
  EXPECT_EQ(HostDirectoryCalls(1).entries("").error(), EOVERFLOW);
  EXPECT_EQ(closed, 1);
}

TEST(HostDirectoryCalls, LinkTargetsAreText) {
  std::string target = "somewhere";
  ScriptedHost host([&](Request, const auto&, std::span<std::byte> area) {
    std::memcpy(area.data(), target.data(), target.size());
    return Answer{static_cast<std::int64_t>(target.size()), {}};
  });
  EXPECT_EQ(HostDirectoryCalls(1).read_link("a").value(), "somewhere");
  target = "";
  EXPECT_EQ(HostDirectoryCalls(1).read_link("a").error(), EIO);
  target = std::string("a\0b", 3);
  EXPECT_EQ(HostDirectoryCalls(1).read_link("a").error(), EIO);
}

// Between the kernel and an honest host, a liar who turns answers and memory into noise.
class NoisyHost final : public testing::FakeHost {
 public:
  NoisyHost(testing::FakeHost& honest, unsigned seed) : honest_(honest), random_(seed) { testing::use_host(this); }
  Answer serve(Request request, const std::array<std::uint64_t, 4>& arguments, std::span<std::byte> area) override {
    Answer answer = honest_.serve(request, arguments, area);
    if (random_() % 3 != 0) return answer;
    constexpr std::int64_t kInteresting[] = {-1,
                                             0,
                                             1,
                                             2,
                                             3,
                                             16,
                                             88,
                                             255,
                                             4096,
                                             131072,
                                             131073,
                                             -4095,
                                             -4096,
                                             1L << 31,
                                             1L << 32,
                                             std::numeric_limits<std::int64_t>::max(),
                                             std::numeric_limits<std::int64_t>::min()};
    if (random_() % 2 == 0) answer.result = kInteresting[random_() % std::size(kInteresting)];
    for (auto& extra : answer.extra) extra = random_();
    for (int flips = static_cast<int>(random_() % 40); flips > 0; --flips) {
      area[random_() % (random_() % 2 == 0 ? 128 : area.size())] = static_cast<std::byte>(random_());
    }
    return answer;
  }

 private:
  testing::FakeHost& honest_;
  std::mt19937 random_;
};

class HostileHost : public testing::FileTest {};

TEST_F(HostileHost, NoiseNeverReachesBeyondTheApplicationsBuffers) {
  std::filesystem::create_directory(shared / "directory");
  for (unsigned seed = 0; seed < 300; ++seed) {
    testing::use_host(honest.get());
    make_on_host("file", "0123456789");
    NoisyHost noisy(*honest, seed);
    struct {
      std::byte before[64];
      char room[256];
      std::byte after[64];
    } guarded;
    std::memset(&guarded, 0x5a, sizeof(guarded));
    const auto intact = [&] {
      for (const auto& guard : {guarded.before, guarded.after}) {
        for (int i = 0; i < 64; ++i) {
          if (guard[i] != std::byte{0x5a}) return false;
        }
      }
      return true;
    };
    const auto in_range = [](std::int64_t result, std::int64_t most) { return result >= -4095 && result <= most; };
    const auto fd = open("/data/file", O_RDWR);
    EXPECT_TRUE(in_range(fd, 63));
    const auto descriptor = fd >= 0 ? fd : 1;
    EXPECT_TRUE(in_range(call(SYS_read, descriptor, guarded.room, 256), 256)) << seed;
    EXPECT_TRUE(in_range(call(SYS_read, 0L + (seed % 2 ? descriptor : 60), guarded.room, 0), 0)) << seed;
    EXPECT_TRUE(in_range(call(SYS_pread64, descriptor, guarded.room, 256, 3), 256)) << seed;
    EXPECT_TRUE(in_range(call(SYS_write, descriptor, "abc", 3), 3)) << seed;
    EXPECT_TRUE(in_range(call(SYS_stat, "/data/file", guarded.room), 0)) << seed;
    EXPECT_TRUE(in_range(call(SYS_readlink, "/data/file", guarded.room, 256), 256)) << seed;
    EXPECT_TRUE(in_range(call(SYS_rename, "/data/file", "/data/other"), 0)) << seed;
    const auto directory = open("/data", O_DIRECTORY);
    if (directory >= 0) {
      const auto size = call(SYS_getdents64, directory, guarded.room, 256);
      EXPECT_TRUE(in_range(size, 256)) << seed;
      for (std::int64_t at = 0; at < size;) {
        const auto* entry = reinterpret_cast<const dirent64*>(guarded.room + at);
        EXPECT_EQ(std::string_view(entry->d_name).find('/'), std::string_view::npos);
        EXPECT_LE(at + entry->d_reclen, size);
        at += entry->d_reclen;
      }
    }
    EXPECT_TRUE(intact()) << seed;
    call(SYS_close_range, 3, ~0u, 0);
    testing::use_host(honest.get());
  }
}

TEST_F(HostileHost, AFileThatChangesItsSizeStaysWithinTheMapping) {
  std::uint64_t size = 0;
  ScriptedHost host([&](Request request, const auto& arguments, std::span<std::byte> area) -> Answer {
    switch (request) {
      case Request::kFileOpen:
        return {9, {}};
      case Request::kFileRead:  // as much as fits, for ever
        std::memset(area.data(), 0x77, arguments[2]);
        return {static_cast<std::int64_t>(arguments[2]), {}};
      case Request::kFileStat: {
        boundary::HostStat status{};
        status.mode = S_IFREG | 0600;
        status.size = size;
        size = size * 5 + 4096;
        std::memcpy(area.data(), &status, sizeof(status));
        return {0, {}};
      }
      default:
        return {0, {}};
    }
  });
  const auto fd = open("/data/file");
  ASSERT_GE(fd, 3);
  std::vector<std::byte> mapping(300'000 + 64, std::byte{1});
  EXPECT_EQ(read_for_mapping(static_cast<int>(fd), 0, std::span(mapping).first(300'000)).value(), 300'000u);
  EXPECT_EQ(mapping[299'999], std::byte{0x77});
  EXPECT_EQ(mapping[300'000], std::byte{1});
  const auto appender = open("/data/file", O_WRONLY | O_APPEND);
  EXPECT_EQ(call(SYS_write, appender, "x", 1), -EIO);  // the host says that nothing was written
  EXPECT_GE(call(SYS_lseek, fd, 0, SEEK_END), 0);
  call(SYS_close_range, 3, ~0u, 0);
}

using HostileSetup = HostileHost;
TEST_F(HostileSetup, TwoMountsAtOnePlaceEndTheEnclave) {
  const MountSetup twice[] = {{"/data", boundary::MountKind::kPlain, 1, false, nullptr},
                              {"/data/", boundary::MountKind::kPlain, 2, false, nullptr}};
  FilesSetup setup;
  setup.mounts = twice;
  EXPECT_DEATH(init_files(setup), "cannot set up the mount /data/");
  const MountSetup encrypted[] = {{"/vault", boundary::MountKind::kEncrypted, 1, false, nullptr}};
  setup.mounts = encrypted;
  EXPECT_DEATH(init_files(setup), "encrypted mount /vault");
}

}  // namespace
}  // namespace coffer::kernel::fs
