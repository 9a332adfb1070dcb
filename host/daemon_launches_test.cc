// A thousand launches through cofferd leave nothing in it and nothing in the host: no process, descriptor, thread,
// file, account or memory.
#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <cstdlib>
#include <thread>

#include <gtest/gtest.h>

#include "host/testing/enclaves.h"
#include "host/testing/holdings.h"

namespace coffer::host {
namespace {

using namespace std::chrono_literals;
using testing::files_left;
using testing::Holdings;
using testing::holdings_of;
using testing::Streams;

class RunningDaemon {
 public:
  RunningDaemon() : socket_(testing::scratch() / "cofferd.sock") {
    std::array<int, 2> pipe{};
    EXPECT_EQ(::pipe2(pipe.data(), O_CLOEXEC), 0);
    const FileDescriptor words(pipe[0]);
    FileDescriptor its_words(pipe[1]);
    posix_spawn_file_actions_t actions;
    ::posix_spawn_file_actions_init(&actions);
    ::posix_spawn_file_actions_adddup2(&actions, its_words.get(), 1);
    const std::string program = std::string(COFFER_BUILD_DIR) + "/bin/cofferd";
    const std::string platform = testing::scratch() / "platform";
    // Room for some two hundred enclaves: accounts that stay open are noticed.
    std::array<std::string, 9> arguments = {program,          "--socket", socket_,  "--state", platform,
                                            "--epc-per-user", "20G",      "--warm", "64M"};
    std::vector<char*> pointers;
    for (std::string& argument : arguments) pointers.push_back(argument.data());
    pointers.push_back(nullptr);
    EXPECT_EQ(::posix_spawn(&pid_, program.c_str(), &actions, nullptr, pointers.data(), environ), 0);
    ::posix_spawn_file_actions_destroy(&actions);
    its_words.reset();
    std::array<char, 256> line{};
    EXPECT_GT(::read(words.get(), line.data(), line.size()), 0) << "cofferd ended at once";
    ::setenv("COFFER_DAEMON", socket_.c_str(), 1);
  }
  ~RunningDaemon() {
    ::unsetenv("COFFER_DAEMON");
    ::kill(pid_, SIGTERM);
    int status = 0;
    ::waitpid(pid_, &status, 0);
    EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << status;
    EXPECT_FALSE(std::filesystem::exists(socket_));
  }
  RunningDaemon(const RunningDaemon&) = delete;
  RunningDaemon& operator=(const RunningDaemon&) = delete;

  [[nodiscard]] pid_t pid() const { return pid_; }

 private:
  std::string socket_;
  pid_t pid_ = -1;
};

TEST(DaemonLaunches, LeaveNothingBehind) {
  image::Settings settings = testing::usual_settings();
  settings.name = "small";
  settings.threads = 2;
  const auto image = testing::enclave_of("life", settings);
  const RunningDaemon daemon;
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
}

}  // namespace
}  // namespace coffer::host
