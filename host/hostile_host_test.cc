// Hosts that lie to an enclave in every way the boundary lets them. The enclave may end; it may not be corrupted, give
// a wrong answer, or take the host's process with it.
#include <algorithm>
#include <chrono>
#include <cstring>
#include <future>
#include <random>
#include <thread>

#include "host/testing/captivity.h"

namespace coffer::host::testing {
namespace {

using boundary::EnterCommand;
using boundary::StartInfo;

// Where the answers to a request are lied in. No default: a request that comes to the boundary has to find its place
// here.
enum class Lied : std::uint8_t {
  kEverywhere,  // by the host: WrongAnswersToEachRequestDoNoHarm
  kCarrier,     // by who enters: the tests of CarrierTest
  kCalls,       // CallsWithWrongBuffersDoNoHarm
  kNoAnswer,    // there is none
};
constexpr Lied lied_in(Request request) {
  switch (request) {
    case Request::kPark:
    case Request::kUnpark:
    case Request::kClock:
    case Request::kYield:
    case Request::kInterrupt:
    case Request::kCounter:
    case Request::kRestrictPages:
    case Request::kTrimPages:
    case Request::kRemovePages:
      return Lied::kCarrier;
    case Request::kNextCall:
      return Lied::kCalls;
    case Request::kResume:
    case Request::kThreadExit:
    case Request::kExit:
    case Request::kAbort:
    case Request::kUnhandled:
      return Lied::kNoAnswer;
    case Request::kHostCall:
    case Request::kNestedReturn:
    case Request::kShareMemory:
    case Request::kUnshareMemory:
    case Request::kSpawn:
    case Request::kLog:
    case Request::kWaitEvent:
    case Request::kWakeEvent:
    case Request::kFileOpen:
    case Request::kFileClose:
    case Request::kFileRead:
    case Request::kFileWrite:
    case Request::kFileTruncate:
    case Request::kFileSync:
    case Request::kFileStat:
    case Request::kPathStat:
    case Request::kPathRemove:
    case Request::kPathRename:
    case Request::kPathMakeDir:
    case Request::kDirectoryRead:
    case Request::kPathReadLink:
    case Request::kDirectorySync:
    case Request::kTerminalSize:
    case Request::kFileChange:
    case Request::kPathChange:
    case Request::kPathLink:
    case Request::kPathSymlink:
    case Request::kSocketOpen:
    case Request::kSocketClose:
    case Request::kSocketBind:
    case Request::kSocketListen:
    case Request::kSocketAccept:
    case Request::kSocketConnect:
    case Request::kSocketSend:
    case Request::kSocketReceive:
    case Request::kSocketSetOption:
    case Request::kSocketGetOption:
    case Request::kSocketName:
    case Request::kSocketShutdown:
    case Request::kWaitFor:
    case Request::kPollerOpen:
    case Request::kPollerWait:
    case Request::kWake:
    case Request::kBytesWaiting:
      return Lied::kEverywhere;
  }
  return Lied::kNoAnswer;  // no request
}

std::vector<Request> requests_lied_in(Lied where) {
  std::vector<Request> found;
  for (std::uint64_t number = 1; number < 256; ++number) {
    if (lied_in(static_cast<Request>(number)) == where) found.push_back(static_cast<Request>(number));
  }
  return found;
}

class HostileHost : public ::testing::TestWithParam<Setting> {
 protected:
  static std::unique_ptr<Rung> rung(Attacker& attacker) {
    auto real = make_rung(hostage(), GetParam().options());
    if (!real) return nullptr;
    return std::make_unique<HostileRung>(std::move(*real), attacker);
  }
  static Outcome run(Attacker& attacker, const std::string& mode = "", bool debug = true) {
    Captivity captivity(rung(attacker), GetParam().fast_paths, debug);
    if (!captivity.start(mode)) return {ExitStatus{.code = 250}, "did not start"};
    return captivity.end();
  }
};

TEST_P(HostileHost, TheHostageDoesItsWorkForAnHonestHost) {
  Honest honest;
  const Outcome outcome = run(honest);
  ASSERT_TRUE(outcome.status);
  EXPECT_EQ(outcome.status->code, 0) << outcome.words;
  EXPECT_EQ(outcome.status->signal, 0) << outcome.words;
}

TEST_P(HostileHost, WrongAnswersToEachRequestDoNoHarm) {
  for (Request request : requests_lied_in(Lied::kEverywhere)) {
    for (unsigned of_ten : {3u, 10u}) {
      Liar liar(request, {}, of_ten, static_cast<std::uint32_t>(request) * 16 + of_ten);
      EXPECT_TRUE(unharmed(run(liar))) << "request " << static_cast<int>(request) << ", " << of_ten;
    }
  }
}

TEST_P(HostileHost, EachWrongNumberInEveryAnswerDoesNoHarm) {
  for (std::uint64_t lie : kLies) {
    Liar liar({}, lie, 2, static_cast<std::uint32_t>(lie));
    EXPECT_TRUE(unharmed(run(liar))) << std::hex << lie;
  }
}

TEST_P(HostileHost, AnyWrongAnswersDoNoHarm) {
  for (std::uint32_t seed = 1; seed <= 25; ++seed) {
    Liar liar({}, {}, 1 + seed % 3, seed);
    EXPECT_TRUE(unharmed(run(liar, seed % 2 == 0 ? "threads" : ""))) << "seed " << seed;
  }
}

// Another thread of the host changes what stands in the exchange areas all the time: copied in once or caught.
class Flipper final : public Attacker {
 public:
  Flipper(std::uint32_t seed, bool everything) : seed_(seed), everything_(everything) {}
  ~Flipper() override { stop(); }
  void on_answer(std::uint32_t, const Registers& request, Registers& answer) override {
    if (request.rdi != 0 || answer.rdi != static_cast<std::uint64_t>(EnterCommand::kStart)) return;
    StartInfo info;
    std::memcpy(&info, reinterpret_cast<const void*>(answer.rsi), sizeof(info));
    // Everything: from before the first instruction, so that the start block changes while it is read, too.
    if (everything_) {
      flip(reinterpret_cast<std::byte*>(answer.rsi), answer.rdx);
    } else {
      flip(reinterpret_cast<std::byte*>(info.exchange_base), info.thread_count * sizeof(boundary::ExchangeArea));
    }
  }
  void stop() {
    stop_ = true;
    if (thread_.joinable()) thread_.join();
  }

 private:
  void flip(std::byte* begin, std::size_t size) {
    thread_ = std::thread([this, begin, size] {
      std::mt19937 random(seed_);
      const std::size_t front = everything_ ? size : 4096;  // where paths, names and records stand
      while (!stop_) {
        for (int i = 0; i < 64; ++i) {
          const std::size_t area = random() % (size / front) * front;
          auto& byte = reinterpret_cast<volatile unsigned char&>(begin[area + random() % front]);
          byte = static_cast<unsigned char>(byte ^ 1U << random() % 8);
        }
        std::this_thread::yield();
      }
    });
  }
  std::uint32_t seed_;
  bool everything_;
  std::atomic<bool> stop_{false};
  std::thread thread_;
};

#if !defined(__SANITIZE_THREAD__)  // races are what this is about
TEST_P(HostileHost, MemoryThatChangesWhileItIsCopiedDoesNoHarm) {
  for (std::uint32_t seed = 1; seed <= 10; ++seed) {
    Flipper flipper(seed, false);
    Captivity captivity(rung(flipper), GetParam().fast_paths);
    ASSERT_TRUE(captivity.start(seed % 2 == 0 ? "threads" : ""));
    EXPECT_TRUE(unharmed(captivity.end())) << "seed " << seed;
    flipper.stop();
  }
}

TEST_P(HostileHost, AStartBlockThatChangesWhileItIsCopiedDoesNoHarm) {
  for (std::uint32_t seed = 1; seed <= 12; ++seed) {
    Flipper flipper(seed, true);
    Captivity captivity(rung(flipper), GetParam().fast_paths);
    ASSERT_TRUE(captivity.start(""));
    // Addresses of the arena and the exchange areas may have been changed to memory that is not there.
    EXPECT_TRUE(unharmed(captivity.end(), true)) << "seed " << seed;
    flipper.stop();
  }
}
#endif

// Enters with a wrong command: instead of an answer, at the n-th time.
class WrongCommand final : public Attacker {
 public:
  WrongCommand(std::uint64_t command, int when) : command_(command), left_(when) {}
  void on_answer(std::uint32_t, const Registers&, Registers& answer) override {
    if (left_-- == 0) answer.rdi = command_;
  }

 private:
  std::uint64_t command_;
  std::atomic<int> left_;
};

TEST_P(HostileHost, WrongCommandsAtEveryEntryEndTheEnclave) {
  for (std::uint64_t command : {std::uint64_t{0}, std::uint64_t{1}, std::uint64_t{2}, std::uint64_t{3},
                                std::uint64_t{4}, std::uint64_t{5}, ~std::uint64_t{0}}) {
    for (int when : {0, 1, 5, 17}) {
      if ((command == 1 && when == 0) || (command == 3 && when != 0)) continue;  // those are right
      WrongCommand attacker(command, when);
      const Outcome outcome = run(attacker);
      EXPECT_TRUE(unharmed(outcome, false, true)) << command << " at " << when;
      ASSERT_TRUE(outcome.status);
      EXPECT_NE(outcome.status->signal, 0) << command << " at " << when;
    }
  }
}

// Enters threads that nobody asked for, in the middle of everything.
class Intruder final : public Attacker {
 public:
  Intruder(std::uint64_t command, std::uint32_t into) : command_(command), into_(into) {}
  void use(Rung* rung) { rung_ = rung; }
  void on_answer(std::uint32_t thread, const Registers& request, Registers& answer) override {
    if (thread != 0) return;
    if (request.rdi == 0) start_ = answer;
    if (busy_ || ++count_ % 5 != 0) return;
    busy_ = true;
    Registers registers = start_;
    registers.rdi = command_;
    auto entered = rung_->enter(into_, registers);
    if (entered && !entered->dead) seen_.push_back(registers.rdi);
    busy_ = false;
  }
  [[nodiscard]] const std::vector<std::uint64_t>& seen() const { return seen_; }

 private:
  std::uint64_t command_;
  std::uint32_t into_;
  Rung* rung_ = nullptr;
  Registers start_;
  std::atomic<bool> busy_{false};
  std::atomic<int> count_{0};
  std::vector<std::uint64_t> seen_;
};

TEST_P(HostileHost, ThreadsThatNobodyAskedForRunNothingOfTheProgram) {
  for (std::uint64_t command : {1u, 2u, 3u, 4u, 77u}) {
    Intruder intruder(command, 5);  // a thread that the program never uses
    auto real = make_rung(hostage(), GetParam().options());
    ASSERT_TRUE(real);
    intruder.use(real->get());
    Captivity captivity(std::make_unique<HostileRung>(std::move(*real), intruder), GetParam().fast_paths);
    ASSERT_TRUE(captivity.start(""));
    EXPECT_TRUE(unharmed(captivity.end(), true, true)) << command;
    for (std::uint64_t request : intruder.seen()) {
      EXPECT_TRUE(request == static_cast<std::uint64_t>(Request::kLog) ||
                  request == static_cast<std::uint64_t>(Request::kResume) ||  // entered again after it faulted
                  request == static_cast<std::uint64_t>(Request::kAbort) ||
                  request == static_cast<std::uint64_t>(Request::kUnhandled))
          << "command " << command << " came back with request " << request;
    }
  }
}

// A thread that runs although the host says that it does not: its stack must not be given away.
class Denier final : public Attacker {
 public:
  void on_answer(std::uint32_t, const Registers& request, Registers& answer) override {
    if (request.rdi != static_cast<std::uint64_t>(Request::kSpawn) || answer.rsi != 0) return;
    std::this_thread::sleep_for(std::chrono::milliseconds(20));  // it has begun by now
    answer.rsi = static_cast<std::uint64_t>(-EAGAIN);
  }
};

TEST_P(HostileHost, AThreadThatRunsWasStarted) {
  Denier denier;
  const Outcome outcome = run(denier, "threads");
  EXPECT_TRUE(unharmed(outcome));
  ASSERT_TRUE(outcome.status);
  EXPECT_EQ(outcome.status->signal, SIGABRT) << "the kernel must see that its host contradicts itself";
}

// --- Calls.

TEST_P(HostileHost, CallsWithWrongBuffersDoNoHarm) {
  if (GetParam().rung == RungKind::kInline) {
    GTEST_SKIP() << "a DEBUG enclave writes wherever the host says, which here is this process";
  }
  const std::vector<std::function<void(Registers&)>> lies = {
      [](Registers& r) { r.rdx = 0; },
      [](Registers& r) { r.rdx = ~std::uint64_t{0}; },
      [](Registers& r) { r.rdx = kNegative; },
      [](Registers& r) { r.rdx += std::uint64_t{1} << 40; },
      [](Registers& r) { r.rdx -= std::uint64_t{64} << 20; },
      [](Registers& r) { r.rdx += std::uint64_t{33} << 20; },
      [](Registers& r) { r.r9 = 0; },
      [](Registers& r) { r.r9 = ~std::uint64_t{0}; },
      [](Registers& r) { r.r9 = kNegative; },
      [](Registers& r) { r.r9 += std::uint64_t{1} << 40; },
      [](Registers& r) { r.r9 -= std::uint64_t{64} << 20; },
      [](Registers& r) { r.r8 = ~std::uint64_t{0}; },
      [](Registers& r) { r.r8 = std::uint64_t{40} << 20; },
      [](Registers& r) { r.r8 = std::uint64_t{40} << 52; },
      [](Registers& r) { r.r8 = 0x10001; },
      [](Registers& r) { r.r8 = kNegative; },
      [](Registers& r) { r.r8 |= std::uint64_t{0xffff'ffff} << 32; },
      [](Registers& r) { r.rdx = r.r9 = ~std::uint64_t{0} - 4095; },
      [](Registers& r) { r.rsi = kNegative; },
      [](Registers& r) { r.rdi = 0; },
      [](Registers& r) { r.rdi = 2; },
      [](Registers& r) { r.rdi = 5; },
  };
  for (std::size_t i = 0; i < lies.size(); ++i) {
    CallLiar liar(lies[i]);
    Captivity captivity(rung(liar), GetParam().fast_paths, /*debug=*/false);
    ASSERT_TRUE(captivity.start("serve"));
    std::vector<std::byte> data(5000, std::byte{7});
    for (int call = 0; call < 6; ++call) {
      std::vector<std::byte> output(100);
      if (!captivity.runtime().call(1, data, output)) break;
    }
    auto ended = std::async(std::launch::async, [&] { return captivity.runtime().wait(); });
    if (ended.wait_for(std::chrono::milliseconds(50)) != std::future_status::ready) captivity.runtime().destroy();
    const auto status = ended.get();
    Outcome outcome;
    if (status) outcome.status = *status;
    EXPECT_TRUE(unharmed(outcome)) << "lie " << i;
  }
}

TEST_P(HostileHost, CallsInPlaceOfAnswersDoNoHarm) {
  for (std::uint32_t seed = 1; seed <= 12; ++seed) {
    NestedLiar liar(seed);
    // A DEBUG enclave takes all memory that is not its own for the host's, there or not.
    const bool debug = GetParam().rung == RungKind::kInline;
    EXPECT_TRUE(unharmed(run(liar, "", debug), /*faults=*/debug)) << "seed " << seed;
  }
}

INSTANTIATE_TEST_SUITE_P(Rungs, HostileHost, ::testing::ValuesIn(testing::fast_settings()), testing::setting_name);

}  // namespace
}  // namespace coffer::host::testing
