// A thousand launches through cofferd leave nothing in it and nothing in the host: no process, descriptor, thread,
// file, account or memory.
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <thread>

#include <gtest/gtest.h>

#include "host/testing/enclaves.h"
#include "host/testing/holdings.h"
#include "host/testing/running_daemon.h"

namespace coffer::host {
namespace {

using namespace std::chrono_literals;
using testing::files_left;
using testing::Holdings;
using testing::holdings_of;
using testing::RunningDaemon;
using testing::Streams;

// Enclaves of this process are cofferd's as long as this stands.
class ThroughDaemon {
 public:
  explicit ThroughDaemon(const RunningDaemon& daemon) { ::setenv("COFFER_DAEMON", daemon.socket().c_str(), 1); }
  ~ThroughDaemon() { ::unsetenv("COFFER_DAEMON"); }
  ThroughDaemon(const ThroughDaemon&) = delete;
  ThroughDaemon& operator=(const ThroughDaemon&) = delete;
};

TEST(DaemonLaunches, LeaveNothingBehind) {
  image::Settings settings = testing::usual_settings();
  settings.name = "small";
  settings.threads = 2;
  const auto image = testing::enclave_of("life", settings);
  // Room for some two hundred enclaves: accounts that stay open are noticed.
  const std::array<std::string, 4> options = {"--epc-per-user", "20G", "--warm", "64M"};
  const auto started =
      RunningDaemon::start(std::string(COFFER_BUILD_DIR) + "/bin/cofferd", testing::scratch(), options);
  ASSERT_TRUE(started) << started.error().message;
  RunningDaemon& daemon = **started;
  const ThroughDaemon through(daemon);
  const auto launch = [&](int i) {
    auto enclave = Enclave::load(image);
    ASSERT_TRUE(enclave) << enclave.error().message;
    if (i % 10 == 9) return;  // loaded and dropped
    const Streams streams;
    const auto status = enclave->run(streams.options({"exit", std::to_string(i % 200)}));
    ASSERT_TRUE(status) << status.error().message;
    ASSERT_EQ(status->code, i % 200) << status->detail;
  };
  for (int i = 0; i < 20; ++i) launch(i);  // what it keeps, it keeps from here
  const auto children = [&] { return holdings_of(daemon.pid()).children; };
  const auto gone = [&] {
    for (int tries = 0; tries < 2000 && children() != 0; ++tries) std::this_thread::sleep_for(5ms);
    return children() == 0;
  };
  ASSERT_TRUE(gone());
  const Holdings daemon_before = holdings_of(daemon.pid());
  const Holdings host_before = holdings_of(::getpid());
  const std::size_t files_before = files_left();
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  constexpr int kLaunches = 100;
#else
  constexpr int kLaunches = 1000;
#endif
  for (int i = 0; i < kLaunches && !HasFatalFailure(); ++i) launch(i);
  EXPECT_TRUE(gone()) << children() << " processes left";
  const Holdings daemon_after = holdings_of(daemon.pid());
  const Holdings host_after = holdings_of(::getpid());
  EXPECT_EQ(daemon_after.descriptors, daemon_before.descriptors);
  EXPECT_EQ(daemon_after.threads, daemon_before.threads);
  EXPECT_EQ(host_after.descriptors, host_before.descriptors);
  EXPECT_EQ(host_after.threads, host_before.threads);
  EXPECT_EQ(host_after.children, host_before.children);
  EXPECT_EQ(files_left(), files_before);
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
  // As without the daemon: the allocators may keep a little, a page for each launch would be 4000 KiB.
  // The daemon's warm pool is files in memory, of which more or less is mapped at a moment: what it was at a look
  // before or after says nothing. Its own memory does not grow at all.
  EXPECT_LE(daemon_after.anonymous_kib, daemon_before.anonymous_kib + 200);
  EXPECT_LE(daemon_after.mapped_kib, daemon_before.mapped_kib + 1000);
  EXPECT_LE(host_after.resident_kib, host_before.resident_kib + 2000);
  EXPECT_LE(host_after.mappings, host_before.mappings + 20);
#endif
  const int status = daemon.stop();
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << status;
  EXPECT_FALSE(std::filesystem::exists(daemon.socket()));
}

}  // namespace
}  // namespace coffer::host
