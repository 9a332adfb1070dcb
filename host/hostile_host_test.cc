// Hosts that lie to an enclave in every way the boundary lets them. The enclave may end; it may not be corrupted, give
// a wrong answer, or take the host's process with it.
#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstring>
#include <future>
#include <limits>
#include <random>
#include <thread>

#include <gmock/gmock.h>

#include "boundary/calls.h"
#include "host/image/network_rules.h"
#include "host/loader.h"
#include "host/testing/enclaves.h"
#include "host/testing/hostile_rung.h"

namespace coffer::host {
namespace {

using boundary::EnterCommand;
using boundary::Request;
using boundary::StartInfo;
using testing::Attacker;
using testing::HostileCarrier;
using testing::HostileRung;
using testing::Meddling;
using testing::Setting;
using testing::Streams;

constexpr auto kPatience = std::chrono::seconds(20);  // a host can make an enclave wait for ever: then it is ended
constexpr std::uint64_t kNegative = std::uint64_t{1} << 63;
constexpr std::array<std::uint64_t, 18> kLies = {kNegative,  // the most negative number
                                                 ~std::uint64_t{0},
                                                 static_cast<std::uint64_t>(-4095),
                                                 static_cast<std::uint64_t>(-4096),
                                                 static_cast<std::uint64_t>(-4097),
                                                 static_cast<std::uint64_t>(-123456789),
                                                 static_cast<std::uint64_t>(-4),
                                                 static_cast<std::uint64_t>(-11),
                                                 kNegative - 1,
                                                 0x1'0000'0000,
                                                 0xffff'ffff,
                                                 0x7fff'ffff,
                                                 boundary::kExchangeSize + 1,
                                                 boundary::kExchangeSize,
                                                 boundary::kMaxPath + 1,
                                                 100'001,
                                                 0,
                                                 1};

image::Settings hostage_settings() {
  image::Settings settings = testing::usual_settings();
  settings.name = "hostage";
  settings.threads = 6;
  settings.mounts = {{"/plain", boundary::MountKind::kPlain, false, image::MountKey::kNone},
                     {"/sealed", boundary::MountKind::kEncrypted, false, image::MountKey::kMrEnclave},
                     {"/given", boundary::MountKind::kEncrypted, false, image::MountKey::kGiven}};
  settings.environment_allow = {"TZ"};
  for (const auto direction : {boundary::NetworkDirection::kBind, boundary::NetworkDirection::kConnect}) {
    settings.network.push_back(*image::parse_network_rule("tcp:127.0.0.1:*", direction));
  }
  return settings;
}

const image::CofferImage& hostage() {
  static const auto image = image::CofferImage::read(testing::enclave_of("hostage", hostage_settings()));
  return *image;
}
image::CofferImage fresh_hostage() {
  return *image::CofferImage::read(testing::enclave_of("hostage", hostage_settings()));
}

std::filesystem::path fresh_folder() {
  static std::atomic<int> number{0};
  const auto folder = testing::scratch() / ("mount" + std::to_string(++number));
  std::filesystem::create_directories(folder);
  return folder;
}

// One hostage in the hands of one attacker, from start to end.
struct Outcome {
  std::optional<ExitStatus> status;
  std::string words;  // for messages
};

class Captivity {
 public:
  explicit Captivity(std::unique_ptr<Rung> rung, bool fast_paths = true) {
    auto built = build_enclave(fresh_hostage(), std::move(rung), {.fast_paths = fast_paths});
    if (built) runtime_ = std::move(*built);
  }
  ~Captivity() {
    runtime_.reset();
    std::filesystem::remove_all(plain_);
    std::filesystem::remove_all(sealed_);
  }
  Captivity(const Captivity&) = delete;
  Captivity& operator=(const Captivity&) = delete;

  [[nodiscard]] bool start(const std::string& mode) {
    streams_.give("some input that the program reads");
    streams_.end_input();
    RunOptions options = streams_.options({mode, "and", "more", "arguments"});
    options.environment = {"TZ=UTC", "HOME=/nowhere"};
    options.mounts = {{.host = plain_, .enclave = "/plain", .key = {}},
                      {.host = sealed_, .enclave = "/sealed", .key = {}}};
    return runtime_ != nullptr && runtime_->start(options).has_value();
  }
  Outcome end() {
    auto waiting = std::async(std::launch::async, [this] { return runtime_->wait(); });
    if (waiting.wait_for(kPatience) != std::future_status::ready) runtime_->destroy();
    auto status = waiting.get();
    Outcome outcome;
    if (status) outcome.status = *status;
    outcome.words = streams_.errors();
    return outcome;
  }
  Runtime& runtime() { return *runtime_; }
  [[nodiscard]] bool says(std::string_view word) const { return streams_.wait_for(word); }

 private:
  Streams streams_;
  std::filesystem::path plain_ = fresh_folder(), sealed_ = fresh_folder();
  std::unique_ptr<Runtime> runtime_;
};

// The ends that a hostile host may cause. Faults of the enclave's own are not among them, but where the host gave the
// kernel memory that is not there (`faults`), or broke the protocol of entry (`illegal`).
::testing::AssertionResult unharmed(const Outcome& outcome, bool faults = false, bool illegal = false) {
  if (!outcome.status) return ::testing::AssertionSuccess();  // ended from outside
  const int code = outcome.status->code;
  const int signal = outcome.status->signal;
  // The host may raise these, and says so by a mere number; what the program does not handle ends it.
  const bool raised = std::ranges::count(boundary::kHostSignals, signal) != 0;
  const bool good = signal == SIGABRT || raised || (signal == 0 && (code == 0 || code == 1 || code == 3)) ||
                    (faults && signal == SIGSEGV) || (illegal && signal == SIGILL);
  if (good) return ::testing::AssertionSuccess();
  return ::testing::AssertionFailure() << "exit status " << code << ", signal " << signal << ' '
                                       << outcome.status->detail << "; it said: " << outcome.words;
}

// The truth: what the other tests are measured against.
class Honest final : public Attacker {
 public:
  void on_answer(std::uint32_t, const Registers&, Registers&) override {}
};

// Lies in the answers to `target` (kFirstRemote: to all) with the chance of `of_ten`.
class Liar final : public Attacker {
 public:
  Liar(std::optional<Request> target, std::optional<std::uint64_t> lie, unsigned of_ten, std::uint32_t seed)
      : target_(target), lie_(lie), of_ten_(of_ten), random_(seed) {}

  void on_answer(std::uint32_t, const Registers& request, Registers& answer) override { consider(request, answer); }
  void on_local_answer(std::uint32_t, const Registers& request, Registers& answer) override {
    consider(request, answer);
  }

 private:
  void consider(const Registers& request, Registers& answer) {
    const std::scoped_lock guard(lock_);
    if (request.rdi == 0 || (target_ && request.rdi != static_cast<std::uint64_t>(*target_))) return;
    if (random_() % 10 >= of_ten_) return;
    answer.rsi = lie_ ? *lie_ : kLies[random_() % kLies.size()];
    for (std::uint64_t* extra : {&answer.rdx, &answer.r8, &answer.r9}) {
      if (random_() % 2 == 0) *extra = kLies[random_() % kLies.size()];
    }
  }
  std::optional<Request> target_;
  std::optional<std::uint64_t> lie_;
  unsigned of_ten_;
  std::mutex lock_;
  std::mt19937 random_;
};

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
  static Outcome run(Attacker& attacker, const std::string& mode = "") {
    Captivity captivity(rung(attacker), GetParam().fast_paths);
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

class CallLiar final : public Attacker {
 public:
  explicit CallLiar(std::function<void(Registers&)> lie) : lie_(std::move(lie)) {}
  void on_answer(std::uint32_t, const Registers& request, Registers& answer) override {
    if (request.rdi == static_cast<std::uint64_t>(Request::kNextCall) && ++count_ > 1) lie_(answer);
  }

 private:
  std::function<void(Registers&)> lie_;
  std::atomic<int> count_{0};
};

TEST_P(HostileHost, CallsWithWrongBuffersDoNoHarm) {
  const std::vector<std::function<void(Registers&)>> lies = {
      [](Registers& r) { r.rdx = 0; },
      [](Registers& r) { r.rdx = ~std::uint64_t{0}; },
      [](Registers& r) { r.rdx = kNegative; },
      [](Registers& r) { r.rdx += std::uint64_t{1} << 40; },
      [](Registers& r) { r.rdx -= std::uint64_t{64} << 20; },
      [](Registers& r) { r.rdx += std::uint64_t{33} << 20; },
      [](Registers& r) { r.r8 = ~std::uint64_t{0}; },
      [](Registers& r) { r.r8 = std::uint64_t{40} << 20; },
      [](Registers& r) { r.r8 = 0x10001; },
      [](Registers& r) { r.r8 = kNegative; },
      [](Registers& r) { r.r9 = ~std::uint64_t{0}; },
      [](Registers& r) { r.r9 = std::uint64_t{40} << 20; },
      [](Registers& r) { r.r9 = kNegative - 1; },
      [](Registers& r) { r.r8 = r.r9 = ~std::uint64_t{0} - 4095; },
      [](Registers& r) { r.rsi = kNegative; },
      [](Registers& r) { r.rdi = 0; },
      [](Registers& r) { r.rdi = 2; },
  };
  for (std::size_t i = 0; i < lies.size(); ++i) {
    CallLiar liar(lies[i]);
    Captivity captivity(rung(liar), GetParam().fast_paths);
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

INSTANTIATE_TEST_SUITE_P(Rungs, HostileHost, ::testing::ValuesIn(testing::fast_settings()), testing::setting_name);

// --- What only a carrier can do: inside this process, where ELRANGE is known.

class CarrierTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!testing::inline_rung_works()) GTEST_SKIP() << "the software processor cannot share a process with sanitizers";
  }
  static std::unique_ptr<HostileCarrier> carrier(Attacker& attacker, const Meddling& meddling = {},
                                                 std::uint64_t epc_size = 0) {
    auto made = HostileCarrier::make(rung_options(hostage(), {.epc_size = epc_size}), attacker, meddling);
    return made ? std::move(*made) : nullptr;
  }
};

TEST_F(CarrierTest, WrongTimesAndWakeUpsDoNoHarm) {
  for (Request request : {Request::kClock, Request::kPark, Request::kUnpark, Request::kYield, Request::kInterrupt}) {
    for (std::uint32_t seed = 1; seed <= 6; ++seed) {
      Liar liar(request, {}, seed % 3 == 0 ? 10 : 4, seed);
      Captivity captivity(carrier(liar));
      ASSERT_TRUE(captivity.start(seed % 2 == 0 ? "threads" : ""));
      EXPECT_TRUE(unharmed(captivity.end())) << static_cast<int>(request) << ", seed " << seed;
    }
  }
}

// The C library protects relocated data before it runs anything of the program's, and gives up where it cannot.
TEST_F(CarrierTest, AHostThatRefusesToProtectPagesStopsTheProgramAtItsStart) {
  Liar liar(Request::kRestrictPages, static_cast<std::uint64_t>(-EFAULT), 10, 1);
  Captivity captivity(carrier(liar));
  ASSERT_TRUE(captivity.start(""));
  const Outcome outcome = captivity.end();
  ASSERT_TRUE(outcome.status);
  const ExitStatus& status = *outcome.status;
  EXPECT_EQ(status.code, 127) << "signal " << status.signal << status.detail << "; it said: " << outcome.words;
}

// Less than what the hostage frees and takes again in all.
constexpr std::uint64_t kLittleMemory = std::uint64_t{64} << 20;

TEST_F(CarrierTest, MemoryThatIsFreedComesBackFromAnHonestHost) {
  Honest honest;
  Captivity captivity(carrier(honest, {}, kLittleMemory));
  ASSERT_TRUE(captivity.start("memory"));
  const Outcome outcome = captivity.end();
  ASSERT_TRUE(outcome.status);
  EXPECT_EQ(outcome.status->code, 0) << outcome.words;
  EXPECT_EQ(outcome.status->signal, 0) << outcome.status->detail << outcome.words;
}

// The program may run out of memory, and the kernel end it; no page is ever another than it should be.
TEST_F(CarrierTest, WrongAnswersAboutPagesThatGoDoNoHarm) {
  for (Request request : {Request::kTrimPages, Request::kRemovePages}) {
    for (std::uint64_t lie : {kNegative, static_cast<std::uint64_t>(-14), std::uint64_t{0}, std::uint64_t{1},
                              std::uint64_t{257}, kNegative - 1}) {
      Liar liar(request, lie, 4, static_cast<std::uint32_t>(lie));
      Captivity captivity(carrier(liar, {}, kLittleMemory));
      ASSERT_TRUE(captivity.start("memory"));
      EXPECT_TRUE(unharmed(captivity.end(), true)) << static_cast<int>(request) << ": " << std::hex << lie;
    }
  }
}

// From the n-th time on only says that it did what `target` asks; counts how often it was asked.
class Withholder final : public Attacker {
 public:
  Withholder(Request target, int from) : target_(target), left_(from) {}
  [[nodiscard]] int withheld() const { return std::max(0, -left_.load()); }
  void on_answer(std::uint32_t, const Registers&, Registers&) override {}
  bool withholds(const Registers& request) override {
    return request.rdi == static_cast<std::uint64_t>(target_) && --left_ < 0;
  }

 private:
  Request target_;
  std::atomic<int> left_;
};

TEST_F(CarrierTest, PagesThatGoOnlyInWordsDoNoHarm) {
  for (int from : {0, 3}) {
    Withholder trimmer(Request::kTrimPages, from);
    Captivity captivity(carrier(trimmer, {}, kLittleMemory));
    ASSERT_TRUE(captivity.start("memory"));
    const Outcome outcome = captivity.end();
    ASSERT_TRUE(outcome.status);
    EXPECT_EQ(outcome.status->signal, SIGABRT) << "the kernel sees what its pages are: " << outcome.words;

    Withholder remover(Request::kRemovePages, from);
    Captivity other(carrier(remover, {}, kLittleMemory));
    ASSERT_TRUE(other.start("memory"));
    EXPECT_TRUE(unharmed(other.end(), true)) << "remove, from " << from;
    EXPECT_GT(remover.withheld(), 0) << "the hostage gives nothing back";
  }
}

// Handlers entered for nothing, twice and inside each other; faults that nobody handles at first; interrupts
// everywhere.
TEST_F(CarrierTest, MeddlingWithExceptionsDoesNoHarm) {
  long spurious = 0;
  std::uint32_t deepest = 0;
  for (std::uint32_t seed = 1; seed <= 12; ++seed) {
    Honest honest;
    auto rung = carrier(honest, {.spurious_handler = 200 + 150 * (seed % 4),
                                 .resume_unhandled = 100 * (seed % 3),
                                 .interrupts = true,
                                 .seed = seed});
    ASSERT_NE(rung, nullptr);
    HostileCarrier& view = *rung;
    Captivity captivity(std::move(rung), seed % 2 == 0);
    ASSERT_TRUE(captivity.start(seed % 3 == 0 ? "threads" : ""));
    const Outcome outcome = captivity.end();
    EXPECT_TRUE(unharmed(outcome)) << "seed " << seed;
    spurious += view.spurious_entries();
    deepest = std::max(deepest, view.deepest_entry());
  }
  EXPECT_GT(spurious, 100);
  EXPECT_GE(deepest, 1u);
  std::printf("%ld handlers entered for nothing, the deepest at CSSA %u\n", spurious, deepest);
}

TEST_F(CarrierTest, ABusyThreadCannotBeEntered) {
  Honest honest;
  auto rung = carrier(honest);
  ASSERT_NE(rung, nullptr);
  HostileCarrier& view = *rung;
  Captivity captivity(std::move(rung));
  ASSERT_TRUE(captivity.start("spin"));
  ASSERT_TRUE(captivity.says("spinning"));
  for (std::uint64_t command = 0; command < 200; ++command) {
    Registers registers{command % 6, 0, 0, 0, 0};
    const auto outcome = view.enter_once(0, registers);
    ASSERT_EQ(outcome.leaf.fault, processor::LeafOutcome::Fault::kGeneralProtection) << "EENTER of a busy TCS is #GP";
  }
  captivity.runtime().destroy();
  EXPECT_FALSE(captivity.end().status);
}

// --- Start blocks.

class WrongStart final : public Attacker {
 public:
  using Lie = std::function<void(StartInfo& info, Registers& start, std::uint64_t enclave)>;
  explicit WrongStart(Lie lie) : lie_(std::move(lie)) {}
  void on_answer(std::uint32_t, const Registers& request, Registers& answer) override {
    if (request.rdi != 0 || answer.rdi != static_cast<std::uint64_t>(EnterCommand::kStart)) return;
    lie_(*reinterpret_cast<StartInfo*>(answer.rsi), answer, enclave_);
  }
  void set_enclave(std::uint64_t base) { enclave_ = base; }

 private:
  Lie lie_;
  std::uint64_t enclave_ = 0;
};

char* block_of(StartInfo& info) { return reinterpret_cast<char*>(&info); }
boundary::MountInfo& mount_of(StartInfo& info, std::size_t i) {
  return reinterpret_cast<boundary::MountInfo*>(block_of(info) + info.mounts_offset)[i];
}

// Each of these is told to a kernel that must refuse it before the program runs.
const std::vector<std::pair<std::string, WrongStart::Lie>>& refused_starts() {
  using Info = StartInfo;
  static const std::vector<std::pair<std::string, WrongStart::Lie>> lies = {
      {"block in ELRANGE", [](Info&, Registers& r, auto enclave) { r.rsi = enclave; }},
      {"block reaches into ELRANGE", [](Info&, Registers& r, auto enclave) { r.rsi = enclave - 64; }},
      {"block at the end of ELRANGE", [](Info&, Registers& r, auto e) { r.rsi = e + hostage().layout().size - 8; }},
      {"block outside the arena", [](Info& i, Registers&, auto) { i.arena_base += i.arena_size; }},
      {"block too small", [](Info&, Registers& r, auto) { r.rdx = sizeof(Info) - 1; }},
      {"block of no size", [](Info&, Registers& r, auto) { r.rdx = 0; }},
      {"block of all memory", [](Info&, Registers& r, auto) { r.rdx = ~std::uint64_t{0}; }},
      {"block that wraps", [](Info&, Registers& r, auto) { r.rdx = ~r.rsi + 2; }},
      {"arena is ELRANGE", [](Info& i, Registers&, auto enclave) { i.arena_base = enclave; }},
      {"arena holds ELRANGE", [](Info& i, Registers&, auto) { i.arena_base = 4096, i.arena_size = kNegative >> 16; }},
      {"arena in ELRANGE",
       [](Info& i, Registers&, auto enclave) { i.arena_base = enclave + 4096, i.arena_size = 4096; }},
      {"arena overlaps its begin",
       [](Info& i, Registers&, auto enclave) { i.arena_base = enclave - 4096, i.arena_size = 8192; }},
      {"arena overlaps its end",
       [](Info& i, Registers&, auto e) { i.arena_base = e + hostage().layout().size - 4096, i.arena_size = 8192; }},
      {"arena wraps", [](Info& i, Registers&, auto) { i.arena_size = ~std::uint64_t{0}; }},
      {"arena of no size", [](Info& i, Registers&, auto) { i.arena_size = 0; }},
      {"exchange areas in ELRANGE", [](Info& i, Registers&, auto enclave) { i.exchange_base = enclave; }},
      {"exchange areas beyond the arena",
       [](Info& i, Registers&, auto) { i.exchange_base = i.arena_base + i.arena_size - 4096; }},
      {"exchange areas not aligned", [](Info& i, Registers&, auto) { i.exchange_base += 8; }},
      {"exchange areas wrap", [](Info& i, Registers&, auto) { i.exchange_base = ~std::uint64_t{0} & ~4095ULL; }},
      {"too few threads", [](Info& i, Registers&, auto) { i.thread_count = 1; }},
      {"strings beyond the block", [](Info& i, Registers&, auto) { i.strings_size += 1; }},
      {"strings far beyond", [](Info& i, Registers&, auto) { i.strings_size = ~std::uint64_t{0}; }},
      {"strings offset wraps", [](Info& i, Registers&, auto) { i.strings_offset = ~std::uint64_t{0} - 3; }},
      {"strings offset at ELRANGE", [](Info& i, Registers& r, auto enclave) { i.strings_offset = enclave - r.rsi; }},
      {"strings not terminated",
       [](Info& i, Registers&, auto) { block_of(i)[i.strings_offset + i.strings_size - 1] = 'x'; }},
      {"one argument too many", [](Info& i, Registers&, auto) { ++i.argument_count; }},
      {"four billion arguments", [](Info& i, Registers&, auto) { i.argument_count = ~0U; }},
      {"four billion variables", [](Info& i, Registers&, auto) { i.environment_count = ~0U; }},
      {"one variable too many", [](Info& i, Registers&, auto) { ++i.environment_count; }},
      {"four billion mounts", [](Info& i, Registers&, auto) { i.mount_count = ~0U; }},
      {"mounts beyond the block", [](Info& i, Registers& r, auto) { i.mounts_offset = r.rdx - 8; }},
      {"mounts offset wraps", [](Info& i, Registers&, auto) { i.mounts_offset = ~std::uint64_t{0} - 100; }},
      {"mounts in ELRANGE", [](Info& i, Registers& r, auto enclave) { i.mounts_offset = enclave - r.rsi; }},
      {"mount path not terminated",
       [](Info& i, Registers&, auto) { std::memset(mount_of(i, 0).path, 'p', sizeof(mount_of(i, 0).path)); }},
      {"mount path not declared", [](Info& i, Registers&, auto) { std::strcpy(mount_of(i, 0).path, "/etc"); }},
      {"mount path empty", [](Info& i, Registers&, auto) { mount_of(i, 0).path[0] = 0; }},
      {"key for a mount that takes none", [](Info& i, Registers&, auto) { mount_of(i, 1).has_key = 1; }},
      {"no key for a mount that needs one",
       [](Info& i, Registers&, auto) { std::strcpy(mount_of(i, 0).path, "/given"); }},
      {"more of CPUID than there is room",
       [](Info& i, Registers&, auto) { i.cpuid_offset = 0, i.cpuid_count = boundary::kMaxCpuidEntries + 1; }},
      {"four billion entries of CPUID", [](Info& i, Registers&, auto) { i.cpuid_count = ~0U; }},
      {"CPUID's table beyond the block", [](Info& i, Registers& r, auto) { i.cpuid_offset = r.rdx - 8; }},
      {"CPUID's table wraps", [](Info& i, Registers&, auto) { i.cpuid_offset = ~std::uint64_t{0} - 8; }},
      {"CPUID's table in ELRANGE", [](Info& i, Registers& r, auto enclave) { i.cpuid_offset = enclave - r.rsi; }},
  };
  return lies;
}

// These are odd, but the program can run with them.
const std::vector<std::pair<std::string, WrongStart::Lie>>& odd_starts() {
  using Info = StartInfo;
  static const std::vector<std::pair<std::string, WrongStart::Lie>> lies = {
      {"no arguments", [](Info& i, Registers&, auto) { i.argument_count = i.environment_count = 0; }},
      {"no strings", [](Info& i, Registers&, auto) { i.argument_count = i.environment_count = 0, i.strings_size = 0; }},
      {"strings are the block itself",
       [](Info& i, Registers&, auto) { i.strings_offset = 0, i.argument_count = 3, i.environment_count = 3; }},
      {"CPUID's table is the block itself", [](Info& i, Registers&, auto) { i.cpuid_offset = 0; }},
      {"nothing of CPUID, which the CPU answers here", [](Info& i, Registers&, auto) { i.cpuid_count = 0; }},
      {"billions of CPUs", [](Info& i, Registers&, auto) { i.cpu_count = ~std::uint64_t{0}; }},
      {"no CPU", [](Info& i, Registers&, auto) { i.cpu_count = 0; }},
      {"terminals that are none",
       [](Info& i, Registers&, auto) { i.stdin_is_terminal = i.stdout_is_terminal = i.stderr_is_terminal = ~0U; }},
      {"no mounts", [](Info& i, Registers&, auto) { i.mount_count = 0; }},
      {"another kind of mount",
       [](Info& i, Registers&, auto) {
         mount_of(i, 1).kind = 1, mount_of(i, 0).kind = 2, mount_of(i, 0).read_only = 9;
       }},
      {"one mount twice", [](Info& i, Registers&, auto) { std::strcpy(mount_of(i, 0).path, "/sealed"); }},
      {"mount numbers that nobody knows",
       [](Info& i, Registers&, auto) { mount_of(i, 0).id = mount_of(i, 1).id = ~0U; }},
      {"more threads than there are", [](Info& i, Registers&, auto) { i.thread_count = ~0U; }},
  };
  return lies;
}

TEST_F(CarrierTest, WrongStartBlocksAreRefused) {
  for (const auto& [name, lie] : refused_starts()) {
    WrongStart attacker(lie);
    auto rung = carrier(attacker);
    ASSERT_NE(rung, nullptr);
    HostileCarrier& view = *rung;
    Captivity captivity(std::move(rung));
    attacker.set_enclave(view.enclave_base());
    ASSERT_TRUE(captivity.start(""));
    const Outcome outcome = captivity.end();
    ASSERT_TRUE(outcome.status) << name << ": hangs";
    EXPECT_TRUE(outcome.status->signal == SIGABRT || outcome.status->signal == SIGILL)
        << name << ": exit status " << outcome.status->code << ", signal " << outcome.status->signal << ' '
        << outcome.status->detail << "; it said: " << outcome.words;
  }
}

TEST_F(CarrierTest, OddStartBlocksDoNoHarm) {
  for (const auto& [name, lie] : odd_starts()) {
    WrongStart attacker(lie);
    auto rung = carrier(attacker);
    ASSERT_NE(rung, nullptr);
    Captivity captivity(std::move(rung));
    ASSERT_TRUE(captivity.start(""));
    EXPECT_TRUE(unharmed(captivity.end())) << name;
  }
}

// --- CPUID, where it traps.

boundary::CpuidEntry* cpuid_of(StartInfo& info) {
  return reinterpret_cast<boundary::CpuidEntry*>(block_of(info) + info.cpuid_offset);
}
void change_leaf(StartInfo& info, std::uint32_t leaf, const std::function<void(boundary::CpuidRegisters&)>& change) {
  for (std::uint32_t i = 0; i < info.cpuid_count; ++i) {
    if (cpuid_of(info)[i].leaf == leaf) change(cpuid_of(info)[i].answer);
  }
}

TEST_F(CarrierTest, ACpuThatIsToldWeakerThanAnyWithSgxIsRefused) {
  using Info = StartInfo;
  const std::vector<std::pair<std::string, WrongStart::Lie>> lies = {
      {"AES", [](Info& i, Registers&, auto) { change_leaf(i, 1, [](auto& r) { r.ecx &= ~(1U << 25); }); }},
      {"PCLMULQDQ", [](Info& i, Registers&, auto) { change_leaf(i, 1, [](auto& r) { r.ecx &= ~(1U << 1); }); }},
      {"RDRAND", [](Info& i, Registers&, auto) { change_leaf(i, 1, [](auto& r) { r.ecx &= ~(1U << 30); }); }},
      {"RDSEED", [](Info& i, Registers&, auto) { change_leaf(i, 7, [](auto& r) { r.ebx &= ~(1U << 18); }); }},
      {"AES", [](Info& i, Registers&, auto) { i.cpuid_count = 0; }},
      {"AES",  // the first of two entries counts, whichever is the better one
       [](Info& i, Registers&, auto) {
         cpuid_of(i)[1] = std::exchange(cpuid_of(i)[0], {.leaf = 1, .subleaf = 0, .answer = {}});
       }},
  };
  for (const auto& [missing, lie] : lies) {
    WrongStart attacker(lie);
    Captivity captivity(carrier(attacker), false);
    ASSERT_TRUE(captivity.start(""));
    const Outcome outcome = captivity.end();
    ASSERT_TRUE(outcome.status) << missing << ": hangs";
    EXPECT_EQ(outcome.status->signal, SIGABRT) << missing;
    EXPECT_NE(outcome.words.find("has no " + missing + ","), std::string::npos) << outcome.words;
  }
}

// Features that this CPU has not are #UD where they are used; sizes that are lies change nothing.
TEST_F(CarrierTest, LiesAboutTheCpuDoNoHarm) {
  using Info = StartInfo;
  const std::vector<std::pair<std::string, WrongStart::Lie>> lies = {
      {"everything there is",
       [](Info& i, Registers&, auto) {
         for (std::uint32_t k = 0; k < i.cpuid_count; ++k) cpuid_of(i)[k].answer = {~0U, ~0U, ~0U, ~0U};
       }},
      {"no AVX", [](Info& i, Registers&, auto) { change_leaf(i, 7, [](auto& r) { r.ebx &= 1U << 18; }); }},
      {"no form of XSAVE", [](Info& i, Registers&, auto) { change_leaf(i, 0xd, [](auto& r) { r = {}; }); }},
      {"each leaf under another's name",
       [](Info& i, Registers&, auto) {
         for (std::uint32_t k = 2; k < i.cpuid_count; ++k) cpuid_of(i)[k].leaf = 4 + k % 2 * 9;
       }},
  };
  for (const auto& [name, lie] : lies) {
    WrongStart attacker(lie);
    Captivity captivity(carrier(attacker), false);
    ASSERT_TRUE(captivity.start("threads"));
    EXPECT_TRUE(unharmed(captivity.end(), true)) << name;
  }
}

TEST_F(CarrierTest, CallBuffersInsideTheEnclaveAreRefused) {
  for (std::uint64_t shift : {std::uint64_t{0}, std::uint64_t{0x20000}, std::uint64_t{0} - 8}) {
    std::uint64_t base = 0;
    CallLiar liar([&](Registers& r) { r.rdx = base + shift; });
    auto rung = carrier(liar);
    ASSERT_NE(rung, nullptr);
    base = rung->enclave_base();
    Captivity captivity(std::move(rung));
    base = static_cast<HostileCarrier&>(captivity.runtime().rung()).enclave_base();
    ASSERT_TRUE(captivity.start("serve"));
    std::vector<std::byte> data(5000, std::byte{7});
    (void)captivity.runtime().call(1, data, data);
    EXPECT_FALSE(captivity.runtime().call(1, data, data));
    const Outcome outcome = captivity.end();
    ASSERT_TRUE(outcome.status);
    EXPECT_EQ(outcome.status->signal, SIGABRT);
  }
}

}  // namespace
}  // namespace coffer::host
