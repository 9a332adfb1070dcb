// The life of an enclave, from load to its end in every way it can end.
#include <sys/wait.h>

#include <array>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <fstream>
#include <future>
#include <random>
#include <thread>

#include <gmock/gmock.h>

#include "host/testing/enclaves.h"

namespace coffer::host {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;
using testing::Setting;
using testing::Streams;

// The longest that anything here may take, on a busy machine and under sanitizers: beyond it, it hangs.
constexpr auto kHangs = 60s;

class Life : public ::testing::TestWithParam<Setting> {
 protected:
  // Runs the program with these arguments to its end.
  Result<ExitStatus> run(std::vector<std::string> arguments) {
    Enclave enclave = testing::load("life", GetParam());
    return enclave.run(streams_.options(std::move(arguments)));
  }
  Streams streams_;
};

template <class T>
bool ends(std::future<T>& future) {
  return future.wait_for(kHangs) == std::future_status::ready;
}

TEST_P(Life, AProgramRunsAndItsExitStatusComesOut) {
  for (int code : {0, 1, 42, 255}) {
    const auto status = run({"exit", std::to_string(code)});
    ASSERT_TRUE(status) << status.error().message;
    EXPECT_EQ(status->code, code);
    EXPECT_EQ(status->signal, 0);
  }
}

TEST_P(Life, OutputComesOutAndInputGetsIn) {
  auto status = run({"say", "good morning"});
  ASSERT_TRUE(status);
  EXPECT_EQ(streams_.output(), "good morning\n");
  Streams other;
  other.give("ping and pong");
  other.end_input();
  Enclave enclave = testing::load("life", GetParam());
  status = enclave.run(other.options({"echo"}));
  ASSERT_TRUE(status);
  EXPECT_EQ(status->code, 0);
  EXPECT_EQ(other.output(), "ping and pong");
}

TEST_P(Life, DeathsOfTheProgramAreItsSignals) {
  const std::vector<std::pair<std::vector<std::string>, int>> deaths = {
      {{"abort"}, SIGABRT},           {{"throw"}, SIGABRT},
      {{"fault", "null"}, SIGSEGV},   {{"fault", "divide"}, SIGFPE},
      {{"fault", "illegal"}, SIGILL}, {{"fault", "execute"}, SIGSEGV},
      {{"fault", "stack"}, SIGSEGV},  {{"raise"}, SIGTERM}};
  for (const auto& [arguments, signal] : deaths) {
    const auto status = run(arguments);
    ASSERT_TRUE(status) << arguments.back() << ": " << status.error().message;
    EXPECT_EQ(status->signal, signal) << arguments.back();
  }
}

TEST_P(Life, AFaultSaysWhere) {
  const auto status = run({"fault", "null"});
  ASSERT_TRUE(status);
  EXPECT_THAT(status->detail, HasSubstr("enclave offset 0x"));
  EXPECT_THAT(status->detail, HasSubstr("address 0x8"));
}

TEST_P(Life, DestroyEndsWhatComputesSleepsOrWaits) {
  const std::vector<std::pair<std::string, std::string>> lives = {
      {"loop", "looping"}, {"sleep", "sleeping"}, {"input", "waiting"}};
  for (const auto& [what, word] : lives) {
    Streams streams;
    Enclave enclave = testing::load("life", GetParam());
    ASSERT_TRUE(enclave.start(streams.options({what})));
    ASSERT_TRUE(streams.wait_for(word)) << what;
    auto waiting = std::async(std::launch::async, [&] { return enclave.wait(); });
    std::this_thread::sleep_for(10ms);
    enclave.destroy();
    ASSERT_TRUE(ends(waiting)) << what;
    const auto status = waiting.get();
    ASSERT_FALSE(status) << what;
    EXPECT_EQ(status.error().kind, ErrorKind::kLost);
    // And again: still the same answer, from every function.
    EXPECT_EQ(enclave.wait().error().kind, ErrorKind::kLost);
    EXPECT_EQ(enclave.call(0, {}, {}).error().kind, ErrorKind::kLost);
    EXPECT_FALSE(enclave.start(streams.options({})));
    enclave.destroy();
  }
}

TEST_P(Life, ExitEndsOtherThreadsWhateverTheyDo) {
  for (const char* what : {"compute", "sleep", "lock", "input"}) {
    Streams streams;
    auto done = std::async(std::launch::async, [&] {
      Enclave enclave = testing::load("life", GetParam());
      return enclave.run(streams.options({"exit-while", what}));
    });
    ASSERT_TRUE(ends(done)) << what;
    const auto status = done.get();
    ASSERT_TRUE(status) << what;
    EXPECT_EQ(status->code, 7) << what;
    EXPECT_EQ(status->signal, 0) << what;
  }
}

TEST_P(Life, ThreadsExceptionsAndThreadLocalsWork) {
  const auto status = run({"threads"});
  ASSERT_TRUE(status) << status.error().message;
  EXPECT_EQ(status->code, 0);
  EXPECT_EQ(streams_.output(), "16000 32 32 0 0 through a future\n") << streams_.errors();
}

TEST_P(Life, AnEnclaveRunsOnce) {
  Enclave enclave = testing::load("life", GetParam());
  ASSERT_TRUE(enclave.run(streams_.options({"exit", "3"})));
  const auto again = enclave.run(streams_.options({"exit", "4"}));
  ASSERT_FALSE(again);
  EXPECT_EQ(again.error().kind, ErrorKind::kInput);
  // What it ended with stays.
  EXPECT_EQ(enclave.wait()->code, 3);
  enclave.destroy();
  EXPECT_EQ(enclave.wait()->code, 3);
}

TEST_P(Life, ARefusedStartLeavesTheEnclaveToBeStartedProperly) {
  Enclave enclave = testing::load("life", GetParam());
  RunOptions wrong = streams_.options({"exit", "3"});
  wrong.mounts = {{.host = "/tmp", .enclave = "/nowhere", .key = {}}};
  const auto refused = enclave.run(wrong);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().kind, ErrorKind::kInput);
  EXPECT_THAT(refused.error().message, HasSubstr("/nowhere"));
  EXPECT_EQ(enclave.wait().error().kind, ErrorKind::kInput) << "not started: there is nothing to wait for";
  wrong.mounts.clear();
  wrong.arguments = {std::string("a\0b", 3)};
  EXPECT_EQ(enclave.run(wrong).error().kind, ErrorKind::kInput);
  wrong.arguments = {std::string(std::size_t{64} << 20, 'x')};
  EXPECT_EQ(enclave.run(wrong).error().kind, ErrorKind::kInput);
  EXPECT_EQ(enclave.run(streams_.options({"exit", "3"}))->code, 3);
}

TEST_P(Life, AnEnclaveThatNeverStartsCanBeDroppedAndDestroyed) {
  {
    const Enclave enclave = testing::load("life", GetParam());
  }
  Enclave enclave = testing::load("life", GetParam());
  enclave.destroy();
  EXPECT_EQ(enclave.wait().error().kind, ErrorKind::kLost);
  EXPECT_FALSE(enclave.run(streams_.options({})));
}

TEST_P(Life, DestroyRacesWithStart) {
  std::mt19937 random(17);
  for (int round = 0; round < 20; ++round) {
    Enclave enclave = testing::load("life", GetParam());
    auto done = std::async(std::launch::async, [&] { return enclave.run(streams_.options({"loop"})); });
    std::this_thread::sleep_for(std::chrono::microseconds(random() % 5000));
    enclave.destroy();
    ASSERT_TRUE(ends(done)) << "round " << round;
    const auto status = done.get();
    ASSERT_FALSE(status);
    EXPECT_EQ(status.error().kind, ErrorKind::kLost) << status.error().message;
  }
}

TEST_P(Life, ARunningEnclaveCanBeDropped) {
  for (const char* what : {"loop", "sleep", "input"}) {
    Enclave enclave = testing::load("life", GetParam());
    ASSERT_TRUE(enclave.start(streams_.options({what})));
  }
}

INSTANTIATE_TEST_SUITE_P(Rungs, Life, ::testing::ValuesIn(testing::all_settings()), testing::setting_name);

// Several enclaves at once in one process, on both rungs, and the same image twice.
TEST(Lives, SeveralEnclavesAtOnceDoNotMix) {
  const std::vector<Setting> settings = testing::all_settings();
  std::vector<std::future<std::string>> outputs;
  for (std::size_t i = 0; i < 2 * settings.size(); ++i) {
    outputs.push_back(std::async(std::launch::async, [&, i]() -> std::string {
      Streams streams;
      const std::string word = "enclave " + std::to_string(i);
      Enclave enclave = testing::load("life", settings[i % settings.size()]);
      const auto status = enclave.run(streams.options({"say", word}));
      return status && status->code == 0 ? streams.output() : "failed";
    }));
  }
  for (std::size_t i = 0; i < outputs.size(); ++i) {
    ASSERT_TRUE(ends(outputs[i]));
    EXPECT_EQ(outputs[i].get(), "enclave " + std::to_string(i) + "\n");
  }
}

// The processes below this one, whichever thread made them.
std::vector<pid_t> children() {
  std::vector<pid_t> found;
  for (const auto& task : std::filesystem::directory_iterator("/proc/self/task")) {
    std::ifstream list(task.path() / "children");
    for (pid_t pid = 0; list >> pid;) found.push_back(pid);
  }
  return found;
}

// A processor that has lost its fuses is none: the enclave does not go on until it next needs a key.
TEST(Lives, TheEndOfTheVaultIsTheEndOfTheEnclave) {
  Streams streams;
  Enclave enclave = testing::load("life", {.rung = RungKind::kProcess});
  ASSERT_TRUE(enclave.start(streams.options({"loop"})));
  ASSERT_TRUE(streams.wait_for("looping"));
  auto waiting = std::async(std::launch::async, [&] { return enclave.wait(); });
  int killed = 0;
  for (pid_t pid : children()) {
    if (::getpgid(pid) == pid) continue;  // the cell leads the group, the vault is in it
    ++killed;
    ::kill(pid, SIGKILL);
  }
  EXPECT_EQ(killed, 1);
  ASSERT_TRUE(ends(waiting));
  const auto status = waiting.get();
  ASSERT_TRUE(status) << status.error().message;
  EXPECT_EQ(status->signal, SIGKILL);
  EXPECT_EQ(status->detail, "the cell was killed");
}

// From load() to the program's first word, on this machine as it is now.
std::chrono::microseconds time_of_a_launch() {
  const auto begin = std::chrono::steady_clock::now();
  Streams streams;
  Enclave enclave = testing::load("life", {.rung = RungKind::kProcess});
  EXPECT_TRUE(enclave.start(streams.options({"loop"})));
  EXPECT_TRUE(streams.wait_for("looping"));
  return std::chrono::duration_cast<std::chrono::microseconds>(std::chrono::steady_clock::now() - begin);
}

// The cell dies at any moment of loading, starting, computing, calling: nobody who waits in the host hangs, and the
// host sees one clear answer.
TEST(Lives, ACellKilledAtAnyMomentIsOneClearAnswer) {
  constexpr int kRounds = 120;
  std::mt19937 random(4711);
  auto launch = 0us;
  int lost_while_loading = 0;
  int killed_while_running = 0;
  for (int round = 0; round < kRounds; ++round) {
    Streams streams;
    auto life = std::async(std::launch::async, [&]() -> Result<ExitStatus> {
      auto enclave = Enclave::load(testing::enclave_of("life"), {.rung = RungKind::kProcess});
      if (!enclave) return std::unexpected(enclave.error());
      const char* what = std::array{"loop", "sleep", "threads", "input"}[static_cast<std::size_t>(round) % 4];
      auto status = enclave->run(streams.options({what}));
      return status;
    });
    // Now and then another measure: how busy the machine is changes.
    if (round % 20 == 0) launch = time_of_a_launch();
    const auto delay = launch * static_cast<int>(random() % 2000) / 1000;
    std::this_thread::sleep_for(delay);
    // Again and again: a slow machine may not have started it yet.
    const auto limit = std::chrono::steady_clock::now() + 20s;
    while (life.wait_for(1ms) != std::future_status::ready && std::chrono::steady_clock::now() < limit) {
      for (pid_t pid : children()) ::kill(pid, SIGKILL);
    }
    ASSERT_TRUE(ends(life)) << "round " << round << " hangs after " << delay.count() << " us";
    const auto status = life.get();
    if (!status) {
      ++lost_while_loading;
      EXPECT_TRUE(status.error().kind == ErrorKind::kLost || status.error().kind == ErrorKind::kSystem)
          << status.error().message;
      EXPECT_THAT(status.error().message, ::testing::Not(HasSubstr("\n")));
    } else if (status->signal != 0) {
      ++killed_while_running;
      EXPECT_EQ(status->signal, SIGKILL);
      EXPECT_EQ(status->detail, "the cell was killed");
    }
  }
  EXPECT_GT(lost_while_loading, 0);
  EXPECT_GT(killed_while_running, 0);
  std::printf("%d cells killed while loading, %d while running\n", lost_while_loading, killed_while_running);
}

}  // namespace
}  // namespace coffer::host
