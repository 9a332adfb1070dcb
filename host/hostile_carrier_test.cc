// What only a carrier of the enclave can lie about: time, sleeping, exceptions, pages, counters, and how it starts. In
// this process, where ELRANGE is known.
#include <algorithm>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstring>
#include <functional>
#include <future>
#include <limits>
#include <map>
#include <random>
#include <thread>
#include <utility>
#include <vector>

#include "host/testing/captivity.h"

namespace coffer::host::testing {
namespace {

using boundary::EnterCommand;
using boundary::StartInfo;

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

// A clock that goes 3 s further with every look at it: whatever timer is set has gone off when it is looked at next.
class Hurrier final : public Attacker {
 public:
  void on_answer(std::uint32_t, const Registers&, Registers&) override {}
  void on_local_answer(std::uint32_t, const Registers& request, Registers& answer) override {
    if (request.rdi != static_cast<std::uint64_t>(Request::kClock)) return;
    answer.rdx += 3 * static_cast<std::uint64_t>(++looks_);
  }

 private:
  std::atomic<int> looks_{0};
};

TEST_F(CarrierTest, AClockThatHurriesSetsOffEveryTimerOnceAtMost) {
  for (int round = 0; round < 5; ++round) {
    Hurrier hurrier;
    Captivity captivity(carrier(hurrier));
    ASSERT_TRUE(captivity.start("threads"));
    EXPECT_TRUE(unharmed(captivity.end())) << "round " << round;
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

// Changes one register of the answers about counters, from the `from`th on.
class CounterLiar final : public Attacker {
 public:
  CounterLiar(std::uint64_t Registers::* which, std::uint64_t lie, int from) : which_(which), lie_(lie), left_(from) {}
  [[nodiscard]] bool lied() const { return left_ < 0; }
  void on_answer(std::uint32_t, const Registers&, Registers&) override {}
  void on_local_answer(std::uint32_t, const Registers& request, Registers& answer) override {
    if (request.rdi != static_cast<std::uint64_t>(Request::kCounter) || --left_ >= 0) return;
    answer.*which_ = answer.*which_ == lie_ ? lie_ ^ 1 : lie_;  // never the truth
  }

 private:
  std::uint64_t Registers::* which_;
  std::uint64_t lie_;
  std::atomic<int> left_;
};

// Says again what the platform said earlier, whole and with its MAC: to the same question, or to any.
class Repeater final : public Attacker {
 public:
  explicit Repeater(bool same_question) : same_question_(same_question) {}
  [[nodiscard]] bool lied() const { return lied_; }
  void on_answer(std::uint32_t, const Registers&, Registers&) override {}
  void on_local_answer(std::uint32_t, const Registers& request, Registers& answer) override {
    if (request.rdi != static_cast<std::uint64_t>(Request::kCounter)) return;
    const auto [earlier, first] = said_.emplace(same_question_ ? request.rsi : 0, answer);
    if (first) return;
    lied_ = true;
    answer = earlier->second;
  }

 private:
  bool same_question_;
  std::atomic<bool> lied_{false};
  std::map<std::uint64_t, Registers> said_;
};

constexpr int kErrors = 3;  // the hostage's word for an error that it could not go on with

TEST_F(CarrierTest, CountersCountForAnHonestHost) {
  Honest honest;
  Captivity captivity(carrier(honest));
  ASSERT_TRUE(captivity.start("counters"));
  const Outcome outcome = captivity.end();
  ASSERT_TRUE(outcome.status);
  EXPECT_EQ(outcome.status->code, 0) << outcome.status->detail << outcome.words;
}

// Nothing is believed without the platform's MAC: the program learns of an error, never of a value.
TEST_F(CarrierTest, NoWrongAnswerAboutACounterIsBelieved) {
  std::vector<std::pair<std::uint64_t Registers::*, std::uint64_t>> lies;
  for (const std::uint64_t lie : kLies) {
    lies.emplace_back(&Registers::rsi, lie);
    lies.emplace_back(&Registers::rdx, lie);
  }
  for (const auto mac : {&Registers::r8, &Registers::r9}) {
    for (const std::uint64_t lie : {std::uint64_t{0}, ~std::uint64_t{0}}) lies.emplace_back(mac, lie);
  }
  int from = 0;
  for (const auto& [which, lie] : lies) {
    CounterLiar liar(which, lie, from++ % 5);  // from the creation on, or a read, or an increment
    Captivity captivity(carrier(liar));
    ASSERT_TRUE(captivity.start("counters"));
    const Outcome outcome = captivity.end();
    ASSERT_TRUE(outcome.status) << "waits for ever: " << std::hex << lie;
    EXPECT_TRUE(liar.lied());
    EXPECT_EQ(outcome.status->code, kErrors) << std::hex << lie << outcome.status->detail << outcome.words;
    EXPECT_EQ(outcome.status->signal, 0) << std::hex << lie << outcome.status->detail;
  }
}

TEST_F(CarrierTest, NoAnswerAboutACounterIsBelievedTwice) {
  for (const bool same_question : {true, false}) {
    Repeater repeater(same_question);
    Captivity captivity(carrier(repeater));
    ASSERT_TRUE(captivity.start("counters"));
    const Outcome outcome = captivity.end();
    ASSERT_TRUE(outcome.status);
    EXPECT_TRUE(repeater.lied());
    EXPECT_EQ(outcome.status->code, kErrors) << outcome.status->detail << outcome.words;
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
}  // namespace coffer::host::testing
