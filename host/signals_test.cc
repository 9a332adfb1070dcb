// Signals and timers of the program inside: the program prints what it saw, which must be what it sees outside.
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstdio>
#include <future>

#include <gmock/gmock.h>

#include "host/testing/enclaves.h"

namespace coffer::host {
namespace {

using namespace std::chrono_literals;
using testing::Setting;
using testing::Streams;

constexpr auto kHangs = 120s;

// What the same program prints as an ordinary process.
std::string outside(const std::string& what) {
  const std::string command = testing::program_file("signals").string() + " " + what;
  std::string text;
  FILE* pipe = ::popen(command.c_str(), "r");
  if (pipe == nullptr) return "popen failed";
  std::array<char, 4096> piece{};
  for (std::size_t got = 0; (got = ::fread(piece.data(), 1, piece.size(), pipe)) > 0;) text.append(piece.data(), got);
  return ::pclose(pipe) == 0 ? text : text + "exit status not 0";
}

class Signals : public ::testing::TestWithParam<Setting> {
 protected:
  ExitStatus run(std::vector<std::string> arguments) {
    auto done = std::async(std::launch::async, [&] {
      Enclave enclave = testing::load("signals", GetParam());
      return enclave.run(streams_.options(std::move(arguments)));
    });
    if (done.wait_for(kHangs) != std::future_status::ready) {
      std::fprintf(stderr, "hangs after: %s\n", streams_.output().c_str());
      std::_Exit(4);
    }
    const auto status = done.get();
    EXPECT_TRUE(status) << status.error().message;
    return status ? *status : ExitStatus{.code = -1};
  }
  void same_as_outside(const std::string& what) {
    const ExitStatus status = run({what});
    EXPECT_EQ(status.code, 0) << streams_.errors();
    EXPECT_EQ(status.signal, 0) << status.detail << streams_.errors();
    EXPECT_EQ(streams_.output(), outside(what));
  }
  // Starts the program, waits for its word, and raises what `raise` does; the program then ends by itself.
  template <class Raise>
  ExitStatus raise_in(const std::string& what, Raise raise) {
    Enclave enclave = testing::load("signals", GetParam());
    EXPECT_TRUE(enclave.start(streams_.options({what})));
    EXPECT_TRUE(streams_.wait_for("ready"));
    raise(enclave);
    auto done = std::async(std::launch::async, [&] { return enclave.wait(); });
    if (done.wait_for(kHangs) != std::future_status::ready) {
      ADD_FAILURE() << "does not end: " << streams_.output();
      enclave.destroy();
    }
    const auto status = done.get();
    return status ? *status : ExitStatus{.code = -1};
  }
  Streams streams_;
};

TEST_P(Signals, FaultsTellTheHandlerWhatAndWhere) { same_as_outside("faults"); }
TEST_P(Signals, HandlersRepairAndGoOn) { same_as_outside("repair"); }
TEST_P(Signals, AnOverflownStackHasAnotherForItsHandler) { same_as_outside("altstack"); }
TEST_P(Signals, MasksQueuesAndNesting) { same_as_outside("masks"); }
TEST_P(Signals, WaitingForSignals) { same_as_outside("waits"); }
TEST_P(Signals, InterruptedCallsEndOrAreMadeAgain) { same_as_outside("interruptions"); }
TEST_P(Signals, TimersGoOff) { same_as_outside("timers"); }
TEST_P(Signals, ProfilingTimersCountWork) { same_as_outside("profile"); }
TEST_P(Signals, EveryThreadGetsItsOwnWhateverItDoes) { same_as_outside("threads"); }
TEST_P(Signals, NoRegisterChangesInAStorm) { same_as_outside("storm"); }

TEST_P(Signals, DefaultsAndUnbearableFaultsKill) {
  const std::vector<std::pair<std::string, int>> deaths = {
      {"blocked", SIGSEGV}, {"ignored", SIGFPE}, {"in-handler", SIGSEGV}, {"no-stack", SIGSEGV},
      {"alarm", SIGALRM},   {"pipe", SIGPIPE},   {"kill", SIGKILL},       {"return-to-nowhere", SIGSEGV}};
  for (const auto& [how, signal] : deaths) EXPECT_EQ(run({"die", how}).signal, signal) << how;
}

TEST_P(Signals, OtherProcessesAreRefusedCleanly) {
  EXPECT_EQ(run({"questions"}).code, 0);
  EXPECT_EQ(streams_.output(), "fork -1 ENOSYS; pipe -1 EPIPE; rusage 0 1; priority 0 scheduler 0 max 99\n");
}

TEST_P(Signals, TheHostsSignalsReachHandlers) {
  const ExitStatus status = raise_in("daemon", [&](Enclave& enclave) {
    EXPECT_TRUE(enclave.raise(SIGINT));  // ignored inside
    EXPECT_TRUE(enclave.raise(SIGHUP));
    EXPECT_TRUE(streams_.wait_for("reloaded 1"));
    EXPECT_TRUE(enclave.raise(SIGHUP));
    EXPECT_TRUE(streams_.wait_for("reloaded 2"));
    EXPECT_TRUE(enclave.raise(SIGWINCH));
    EXPECT_FALSE(enclave.raise(SIGSEGV)) << "no signal that a host may raise";
    EXPECT_TRUE(enclave.raise(SIGTERM));
  });
  EXPECT_EQ(status.code, 5);
  EXPECT_THAT(streams_.output(), ::testing::HasSubstr("stopped 2 1\n"));
}

TEST_P(Signals, TheHostsSignalsReachThreadsThatCompute) {
  const ExitStatus status = raise_in("compute", [](Enclave& enclave) { EXPECT_TRUE(enclave.raise(SIGTERM)); });
  EXPECT_EQ(status.code, 6);
}

TEST_P(Signals, TheHostsSignalsWaitWhereTheyAreBlocked) {
  const ExitStatus status = raise_in("sigwait", [](Enclave& enclave) { EXPECT_TRUE(enclave.raise(SIGUSR1)); });
  EXPECT_EQ(status.code, 7);
  EXPECT_THAT(streams_.output(), ::testing::HasSubstr("got 10\n"));
}

TEST_P(Signals, WithoutAHandlerTheDefaultHolds) {
  const ExitStatus status = raise_in("daemon", [](Enclave& enclave) { EXPECT_TRUE(enclave.raise(SIGUSR2)); });
  EXPECT_EQ(status.signal, SIGUSR2);
}

INSTANTIATE_TEST_SUITE_P(Rungs, Signals, ::testing::ValuesIn(testing::all_settings()), testing::setting_name);

}  // namespace
}  // namespace coffer::host
