// Sealing, counters and local attestation by real enclaves: of two signers, two versions, two programs, debug and not.
#include <gtest/gtest.h>

#include <cstring>
#include <functional>
#include <map>
#include <memory>
#include <string>

#include "boundary/calls.h"
#include "host/loader.h"
#include "host/testing/enclaves.h"
#include "host/testing/hostile_rung.h"
#include "host/testing/programs/trusted_functions.h"

namespace coffer::host {
namespace {

using namespace testing::trusted;
using Bytes = std::vector<std::byte>;

constexpr std::int64_t kMalformed = -1002, kRefused = -1003, kDowngrade = -1004, kIdentityRefused = -1005,
                       kNotFound = -1006, kUsedUp = -1008;

struct Kind {
  std::string signer = "usual";
  std::uint16_t svn = 2;
  bool debug = false;
  bool other_program = false;  // another MRENCLAVE
  bool operator<(const Kind& other) const {
    return std::tie(signer, svn, debug, other_program) <
           std::tie(other.signer, other.svn, other.debug, other.other_program);
  }
};

struct Answer {
  std::int64_t status = 0;
  Bytes output;
  [[nodiscard]] std::uint64_t number() const {
    std::uint64_t value = ~std::uint64_t{0};
    if (output.size() == sizeof(value)) std::memcpy(&value, output.data(), sizeof(value));
    return value;
  }
};

image::Settings settings_of(const Kind& kind) {
  image::Settings settings = testing::usual_settings();
  settings.name = kind.other_program ? "trusted-other" : "trusted";  // measured: the same for all signers and versions
  settings.threads = 4;
  settings.heap_max = std::uint64_t{16} << 20;
  settings.debug = kind.debug;
  settings.svn = kind.svn;
  return settings;
}

// A running enclave of the program `trusted`.
class Trusted {
 public:
  explicit Trusted(const Kind& kind, RungKind rung = RungKind::kProcess) : enclave_(load(kind, rung)) {
    if (auto started = enclave_.start(streams_.options({})); !started)
      throw std::runtime_error(started.error().message);
  }
  Answer call(Function function, const Bytes& input) {
    Answer answer{.status = 0, .output = Bytes(65536)};
    const auto done = enclave_.call(function, input, answer.output);
    if (!done) throw std::runtime_error(done.error().message);
    answer.status = done->status;
    answer.output.resize(done->written);
    return answer;
  }
  Answer call(Function function, std::uint64_t number) {
    Bytes input(sizeof(number));
    std::memcpy(input.data(), &number, sizeof(number));
    return call(function, input);
  }

 private:
  static Enclave load(const Kind& kind, RungKind rung) {
    auto enclave = Enclave::load(testing::enclave_of("trusted", settings_of(kind), kind.signer), {.rung = rung});
    if (!enclave) throw std::runtime_error(enclave.error().message);
    return std::move(*enclave);
  }
  testing::Streams streams_;
  Enclave enclave_;
};

// Enclaves are started when they are first needed.
Trusted& running(const Kind& kind) {
  static std::map<Kind, std::unique_ptr<Trusted>> enclaves;
  auto& found = enclaves[kind];
  if (found == nullptr) found = std::make_unique<Trusted>(kind);
  return *found;
}

Bytes bytes(std::string_view text) {
  const auto view = std::as_bytes(std::span(text));
  return {view.begin(), view.end()};
}
Bytes joined(Bytes a, const Bytes& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

constexpr std::byte kMrEnclave{1}, kMrSigner{2};
const Kind kUsual{};
const Kind kNewer{.svn = 3};
const Kind kOtherProgram{.other_program = true};
const Kind kOtherSigner{.signer = "other"};
const Kind kDebug{.debug = true};

Bytes seal(const Kind& kind, std::byte policy) {
  const Answer sealed = running(kind).call(kSeal, joined({policy}, bytes("a secret")));
  EXPECT_EQ(sealed.status, 0);
  return sealed.output;
}

TEST(TrustedSealing, WhoOpensWhat) {
  struct Case {
    const char* what;
    Kind sealed_by;
    std::byte policy;
    Kind opened_by;
    std::int64_t status;
  };
  const Case cases[] = {{"itself", kUsual, kMrEnclave, kUsual, 0},
                        {"itself, by its signer", kUsual, kMrSigner, kUsual, 0},
                        {"the same program signed by another", kUsual, kMrEnclave, kOtherSigner, 0},
                        {"the same, for the signer", kUsual, kMrSigner, kOtherSigner, kRefused},
                        {"another program of the signer", kUsual, kMrEnclave, kOtherProgram, kRefused},
                        {"the same, for the signer", kUsual, kMrSigner, kOtherProgram, 0},
                        {"a newer version", kUsual, kMrSigner, kNewer, 0},
                        {"an older version", kNewer, kMrSigner, kUsual, kDowngrade},
                        {"an older version of the program", kNewer, kMrEnclave, kUsual, kDowngrade},
                        {"a debug enclave", kUsual, kMrSigner, kDebug, kRefused},
                        {"a debug enclave of the program", kUsual, kMrEnclave, kDebug, kRefused},
                        {"production, what debug sealed", kDebug, kMrSigner, kUsual, kRefused}};
  for (const Case& c : cases) {
    const Answer opened = running(c.opened_by).call(kUnseal, seal(c.sealed_by, c.policy));
    EXPECT_EQ(opened.status, c.status) << c.what;
    EXPECT_EQ(opened.output, c.status == 0 ? bytes("a secret") : Bytes()) << c.what;
  }
}

TEST(TrustedSealing, EveryFlippedBitAndEveryCutIsRefused) {
  const Bytes blob = seal(kUsual, kMrSigner);
  Trusted& enclave = running(kUsual);
  for (std::size_t at = 0; at < blob.size(); ++at) {
    for (int bit = 0; bit < 8; ++bit) {
      Bytes flipped = blob;
      flipped[at] ^= static_cast<std::byte>(1 << bit);
      const Answer opened = enclave.call(kUnseal, flipped);
      ASSERT_TRUE(opened.status == kRefused || opened.status == kMalformed || opened.status == kDowngrade)
          << "byte " << at << " bit " << bit << ": " << opened.status;
      ASSERT_TRUE(opened.output.empty());
    }
    ASSERT_EQ(enclave.call(kUnseal, Bytes(blob.begin(), blob.begin() + static_cast<long>(at))).status, kMalformed);
  }
  EXPECT_EQ(enclave.call(kUnseal, blob).status, 0);
}

TEST(TrustedSealing, OpensOnEveryRung) {
  if (!testing::inline_rung_works()) GTEST_SKIP() << "no rung inline under sanitizers";
  const Bytes blob = seal(kDebug, kMrEnclave);
  Trusted on_inline(kDebug, RungKind::kInline);
  EXPECT_EQ(on_inline.call(kUnseal, blob).output, bytes("a secret"));
}

TEST(TrustedCounters, CountForTheirOwnerAndOutliveIt) {
  std::uint64_t own = 0;
  std::uint64_t shared = 0;
  {
    Trusted first(kUsual);
    own = first.call(kCreateCounter, Bytes{kMrEnclave}).number();
    shared = first.call(kCreateCounter, Bytes{kMrSigner}).number();
    EXPECT_EQ(first.call(kReadCounter, own).number(), 0u);
    for (std::uint64_t value = 1; value <= 3; ++value) {
      EXPECT_EQ(first.call(kIncrementCounter, own).number(), value);
    }
  }
  EXPECT_EQ(running(kUsual).call(kReadCounter, own).number(), 3u);
  EXPECT_EQ(running(kOtherProgram).call(kReadCounter, own).status, kNotFound);
  EXPECT_EQ(running(kOtherProgram).call(kIncrementCounter, shared).number(), 1u);
  EXPECT_EQ(running(kNewer).call(kIncrementCounter, shared).number(), 2u);
  for (const Kind& stranger : {kOtherSigner, kDebug}) {
    EXPECT_EQ(running(stranger).call(kReadCounter, shared).status, kNotFound);
    EXPECT_EQ(running(stranger).call(kIncrementCounter, shared).status, kNotFound);
    EXPECT_EQ(running(stranger).call(kDestroyCounter, shared).status, kNotFound);
  }
  EXPECT_EQ(running(kUsual).call(kReadCounter, shared).number(), 2u);
  EXPECT_EQ(running(kUsual).call(kDestroyCounter, own).status, 0);
  EXPECT_EQ(running(kUsual).call(kReadCounter, own).status, kNotFound);
}

TEST(TrustedCounters, AreTheSameOnTheRungInline) {
  if (!testing::inline_rung_works()) GTEST_SKIP() << "no rung inline under sanitizers";
  const std::uint64_t id = running(kDebug).call(kCreateCounter, Bytes{kMrSigner}).number();
  Trusted on_inline(kDebug, RungKind::kInline);
  EXPECT_EQ(on_inline.call(kIncrementCounter, id).number(), 1u);
  EXPECT_EQ(running(kDebug).call(kIncrementCounter, id).number(), 2u);
}

// A carrier that lies about counters.
class CounterLiar final : public testing::Attacker {
 public:
  using Lie = std::function<void(Registers& answer, const Registers& previous)>;
  void on_answer(std::uint32_t, const Registers&, Registers&) override {}
  void on_local_answer(std::uint32_t, const Registers& request, Registers& answer) override {
    if (request.rdi != static_cast<std::uint64_t>(boundary::Request::kCounter)) return;
    const Registers honest = answer;
    if (lie) lie(answer, previous_);
    previous_ = honest;
  }
  Lie lie;

 private:
  Registers previous_{};
};

TEST(TrustedCounters, AreNotBelievedFromACarrierThatLies) {
  if (!testing::inline_rung_works()) GTEST_SKIP() << "the software processor cannot share a process with sanitizers";
  (void)running(kDebug);  // its image is there
  image::Settings settings = settings_of(kDebug);
  auto image = image::CofferImage::read(testing::enclave_of("trusted", settings, kDebug.signer));
  ASSERT_TRUE(image);
  CounterLiar liar;
  auto carrier = testing::HostileCarrier::make(rung_options(*image, {}), liar, {});
  ASSERT_TRUE(carrier);
  auto runtime = build_enclave(std::move(*image), std::move(*carrier), {});
  ASSERT_TRUE(runtime) << runtime.error().message;
  const testing::Streams streams;
  ASSERT_TRUE((*runtime)->start(streams.options({})));
  const auto count = [&](Function function, std::uint64_t id) {
    Answer answer{.status = 0, .output = Bytes(8)};
    const auto done = (*runtime)->call(function, std::as_bytes(std::span(&id, 1)), answer.output);
    answer.status = done ? done->status : -1;
    return answer;
  };
  const std::uint64_t id = count(kCreateCounter, 1).number();
  EXPECT_EQ(count(kIncrementCounter, id).number(), 1u);
  EXPECT_EQ(count(kIncrementCounter, id).number(), 2u);
  const CounterLiar::Lie lies[] = {
      [](Registers& answer, const Registers&) { ++answer.rdx; },                       // another value
      [](Registers& answer, const Registers& previous) { answer = previous; },         // the last answer again
      [](Registers& answer, const Registers&) { answer.r8 ^= 1; },                     // not authenticated
      [](Registers& answer, const Registers&) { answer.r8 = answer.r9 = 0; },          // not at all
      [](Registers& answer, const Registers&) { answer.rsi = std::uint64_t{0} - 2; },  // "there is none"
      [](Registers& answer, const Registers&) { answer.rsi = std::uint64_t{1} << 63; }};
  for (std::size_t i = 0; i < std::size(lies); ++i) {
    liar.lie = lies[i];
    EXPECT_EQ(count(kReadCounter, id).status, kRefused) << "lie " << i;
    EXPECT_EQ(count(kIncrementCounter, id).status, kRefused) << "lie " << i;
  }
  liar.lie = {};
  EXPECT_EQ(count(kReadCounter, id).number(), 2 + std::size(lies));  // the vault did count
  (*runtime)->destroy();
  (void)(*runtime)->wait();
}

Bytes policy(const Kind& kind, std::uint8_t least_svn = 0, bool allow_debug = false) {
  Bytes wanted = running(kind).call(kIdentity, Bytes()).output;
  wanted.push_back(static_cast<std::byte>(least_svn));
  wanted.push_back(static_cast<std::byte>(allow_debug ? 1 : 0));
  return wanted;
}

TEST(TrustedAttestation, TwoEnclavesFindOutWhoTheyAreAndTalk) {
  Trusted& a = running(kUsual);
  Trusted& b = running(kOtherSigner);
  const Bytes first = a.call(kStart, policy(kOtherSigner)).output;
  const Bytes second = b.call(kRespond, joined(policy(kUsual), first)).output;
  const Answer third = a.call(kFinishInitiator, second);
  ASSERT_EQ(third.status, 0);
  ASSERT_EQ(b.call(kFinishResponder, third.output).status, 0);
  const Bytes record = a.call(kSend, bytes("hello")).output;
  EXPECT_EQ(b.call(kReceive, record).output, bytes("hello"));
  EXPECT_EQ(b.call(kReceive, record).status, kRefused);
  EXPECT_EQ(a.call(kReceive, b.call(kSend, bytes("and you")).output).output, bytes("and you"));
  // Nothing of it serves a second time.
  EXPECT_EQ(a.call(kFinishInitiator, second).status, kUsedUp);
  (void)a.call(kStart, policy(kOtherSigner));
  EXPECT_EQ(a.call(kFinishInitiator, second).status, kRefused);
}

TEST(TrustedAttestation, WhoIsNotExpectedIsRefused) {
  Trusted& a = running(kUsual);
  const auto between = [&](const Kind& other, const Bytes& wanted) {
    const Bytes first = a.call(kStart, wanted).output;
    const Bytes second = running(other).call(kRespond, joined(policy(kUsual), first)).output;
    return a.call(kFinishInitiator, second).status;
  };
  EXPECT_EQ(between(kOtherSigner, policy(kUsual)), kIdentityRefused);
  EXPECT_EQ(between(kOtherProgram, policy(kUsual)), 0);
  EXPECT_EQ(between(kOtherProgram, policy(kUsual, 3)), kIdentityRefused);
  EXPECT_EQ(between(kNewer, policy(kUsual, 3)), 0);
  EXPECT_EQ(between(kDebug, policy(kUsual)), kIdentityRefused);
  EXPECT_EQ(between(kDebug, policy(kUsual, 0, true)), 0);
  // The responder's policy, against the initiator.
  const Bytes first = a.call(kStart, policy(kOtherSigner)).output;
  const Bytes second = running(kOtherSigner).call(kRespond, joined(policy(kOtherSigner), first)).output;
  const Answer third = a.call(kFinishInitiator, second);
  ASSERT_EQ(third.status, 0);
  EXPECT_EQ(running(kOtherSigner).call(kFinishResponder, third.output).status, kIdentityRefused);
}

}  // namespace
}  // namespace coffer::host
