// What a mount is after its enclave was killed or its machine lost power, at every point of a workload.
#include <errno.h>

#include <map>
#include <set>

#include "enclave/kernel/fs/encrypted/test_support.h"

namespace coffer::kernel::fs::testing {
namespace {

// What each file may be after the crash: every content that it had at a sync or close since its last acknowledged one.
class Expectation {
 public:
  // The file is about to get this content; it may be there from now on.
  void may(const std::string& name, const Bytes& content) { states_[name].insert(content); }
  // The content was acknowledged: nothing older may come back.
  void must(const std::string& name, const Bytes& content) { states_[name] = {content}; }
  void may_be_absent(const std::string& name) { absent_.insert(name); }
  void must_be_absent(const std::string& name) {
    absent_.insert(name);
    states_[name].clear();
  }
  void must_exist(const std::string& name) { absent_.erase(name); }

  void check(Mount& mount) const {
    for (const auto& [name, states] : states_) {
      const Bytes found = mount.read(name);
      if (mount.error() == ENOENT) {
        EXPECT_TRUE(absent_.contains(name)) << name << " has gone";
        continue;
      }
      ASSERT_EQ(mount.error(), 0) << name;
      EXPECT_TRUE(states.contains(found)) << name << " is a mixture of " << found.size() << " bytes";
    }
    for (const std::string& name : mount.names()) EXPECT_TRUE(states_.contains(name)) << name;
  }

 private:
  std::map<std::string, std::set<Bytes>> states_;
  std::set<std::string> absent_;
};

// Rewrites parts of two files, makes, renames and removes others; `killed` is whether the machine lives on. False where
// the host stopped before the end.
bool workload(Mount& mount, Expectation& expected, bool killed) {
  std::map<std::string, Bytes> content;
  for (const std::string name : {"first", "second"}) {
    content[name] = noise(60'000, name.size());
    expected.may_be_absent(name);
    expected.may(name, {});
    expected.may(name, content[name]);
    if (mount.write(name, content[name], true) != 0) return false;
    expected.must(name, content[name]);
    expected.must_exist(name);
  }
  std::mt19937_64 random(99);
  for (int round = 0; round < 6; ++round) {
    const std::string name = round % 2 == 0 ? "first" : "second";
    Ref<File> file = mount.open(name, O_RDWR);
    if (!file) return false;
    Bytes& bytes = content[name];
    for (int i = 0; i < 6; ++i) {
      const std::size_t at = random() % 59'000;
      const Bytes change = noise(1000, random());
      if (!file->write_at(at, change)) return false;
      std::ranges::copy(change, bytes.begin() + static_cast<std::ptrdiff_t>(at));
    }
    // Whole blocks, past the cache: twice, the second time over what no record refers to yet.
    for (int i = 0; i < 2; ++i) {
      const Bytes change = noise(40'960, random());
      if (!file->write_at(8192, change)) return false;
      std::ranges::copy(change, bytes.begin() + 8192);
    }
    expected.may(name, bytes);
    const bool acknowledged = round % 3 != 2;
    if (acknowledged && !file->sync(false)) return false;
    if (acknowledged) expected.must(name, bytes);
    file = {};
    // A file is written beside its name and put in its place.
    const Bytes fresh = noise(9'000 + 100 * static_cast<std::size_t>(round), 1000 + static_cast<unsigned>(round));
    expected.may_be_absent("temporary");
    expected.may("temporary", {});
    expected.may("temporary", fresh);
    if (mount.write("temporary", fresh) != 0) return false;
    if (round == 0) expected.may_be_absent("target");
    expected.may("target", fresh);
    if (!mount->rename("temporary", "target", 0)) return false;
    if (killed) {  // what was done stays done when only the enclave dies
      expected.must("target", fresh);
      expected.must_exist("target");
      expected.must_be_absent("temporary");
    }
    expected.may_be_absent("journal");
    expected.may("journal", {});
    expected.may("journal", fresh);
    if (mount.write("journal", fresh, round % 2 == 0) != 0) return false;
    if (!mount->remove("journal", false)) return false;
    if (killed) expected.must_be_absent("journal");
  }
  return !mount->sync().has_value() ? false : true;
}

constexpr std::uint64_t kMostChanges = 100'000;

// A close cannot report an error, so the workload may run on for a while after the host has stopped.
template <class Crash>
void crash_at_every_change(bool killed, std::uint64_t step, Crash crash) {
  std::uint64_t points = 0;
  for (std::uint64_t at = 0; at < kMostChanges; at += step) {
    SCOPED_TRACE("stopped after " + std::to_string(at) + " changes");
    MemoryHostDirectory host;
    Expectation expected;
    bool finished = false;
    {
      host.stop_after(at);
      EncryptedOptions options;
      options.cache_blocks = 64;
      Mount mount(host, options);
      if (mount.error() == 0) finished = workload(mount, expected, killed);
    }
    finished = finished && !host.stopped();
    crash(host, at);
    for (int remount = 0; remount < 2; ++remount) {
      Mount mount(host);
      ASSERT_EQ(mount.error(), 0);
      expected.check(mount);
      if (::testing::Test::HasFailure()) return;
      // It is good for more, too; and nothing of that disturbs what is there.
      ASSERT_EQ(mount.write("scratch", noise(100'000, at), true), 0);
      ASSERT_EQ(code(mount->remove("scratch", false)), 0);
    }
    ++points;
    if (finished) break;
  }
  EXPECT_GT(points * step, 100U);
}

TEST(EncryptedCrash, EnclaveKilledAtEveryChange) {
  crash_at_every_change(true, 1, [](MemoryHostDirectory& host, std::uint64_t) { host.revive(); });
}

TEST(EncryptedCrash, PowerLostAtEveryChange) {
  for (std::uint64_t seed = 0; seed < 4; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    crash_at_every_change(
        false, 1, [seed](MemoryHostDirectory& host, std::uint64_t at) { host.lose_power(seed * kMostChanges + at); });
  }
}

// Power lost again and again, each time going on from what survived.
TEST(EncryptedCrash, ManyCrashesInARow) {
  for (std::uint64_t seed = 1; seed <= 10; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    std::mt19937_64 random(seed);
    MemoryHostDirectory host;
    Bytes acknowledged;
    std::set<Bytes> possible{{}};
    bool may_be_absent = true;
    for (int crash = 0; crash < 40; ++crash) {
      host.stop_after(crash == 0 ? 1000 : random() % 120);
      {
        Mount mount(host);
        for (int i = 0; mount.error() == 0 && i < 30 && !host.stopped(); ++i) {
          const Bytes next = noise(random() % 30'000, random());
          possible.insert(next);
          possible.insert({});
          if (mount.write("file", next, random() % 2 == 0) != 0) continue;
          if (!mount->sync()) continue;
          possible = {next};
          may_be_absent = false;
        }
      }
      random() % 2 == 0 ? host.lose_power(random()) : host.revive();
      Mount mount(host);
      ASSERT_EQ(mount.error(), 0) << "crash " << crash;
      const Bytes found = mount.read("file");
      if (mount.error() == ENOENT) {
        ASSERT_TRUE(may_be_absent);
        continue;
      }
      ASSERT_EQ(mount.error(), 0) << "crash " << crash;
      ASSERT_TRUE(possible.contains(found)) << "crash " << crash << ": " << found.size() << " bytes";
      ASSERT_EQ(code(mount->sync()), 0);
      possible = {found};
      may_be_absent = false;
    }
  }
}

}  // namespace
}  // namespace coffer::kernel::fs::testing
