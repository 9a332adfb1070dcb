// An enclave in the hands of a hostile host: the program testing/programs/hostage.cc, what a host may say instead of
// the truth, and what may come of it. Each Captivity runs one enclave from start to end.
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <csignal>
#include <filesystem>
#include <functional>
#include <future>
#include <memory>
#include <mutex>
#include <optional>
#include <random>
#include <string>

#include <gtest/gtest.h>

#include "boundary/calls.h"
#include "host/image/network_rules.h"
#include "host/loader.h"
#include "host/testing/enclaves.h"
#include "host/testing/hostile_rung.h"

namespace coffer::host::testing {

using boundary::Request;

inline constexpr auto kPatience =
    std::chrono::seconds(20);  // a host can make an enclave wait for ever: then it is ended
inline constexpr std::uint64_t kNegative = std::uint64_t{1} << 63;
inline constexpr std::array<std::uint64_t, 18> kLies = {kNegative,  // the most negative number
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

inline image::Settings hostage_settings() {
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

inline const image::CofferImage& hostage() {
  static const auto image = image::CofferImage::read(testing::enclave_of("hostage", hostage_settings()));
  return *image;
}
inline image::CofferImage fresh_hostage(bool debug = true) {
  image::Settings settings = hostage_settings();
  settings.debug = debug;
  return *image::CofferImage::read(testing::enclave_of("hostage", settings));
}

inline std::filesystem::path fresh_folder() {
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
  explicit Captivity(std::unique_ptr<Rung> rung, bool fast_paths = true, bool debug = true) {
    auto built = build_enclave(fresh_hostage(debug), std::move(rung), {.fast_paths = fast_paths});
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
    if (runtime_ == nullptr) return false;
    runtime_->serve_host_calls([this](const HostCall& call) {
      if (!call.input.empty() && !call.output.empty()) call.output.front() = call.input.front();
      // A nested call, which the program does not serve: kNotServing.
      if (call.index % 2 == 1) (void)runtime_->call(call.index, call.input, call.output);
      return CallResult{static_cast<std::int64_t>(call.index), call.output.size()};
    });
    return runtime_->start(options).has_value();
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
inline ::testing::AssertionResult unharmed(const Outcome& outcome, bool faults = false, bool illegal = false) {
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

// Answers a call out with a call in, and lies in what it says of its buffers.
class NestedLiar final : public Attacker {
 public:
  explicit NestedLiar(std::uint32_t seed) : random_(seed) {}
  void on_answer(std::uint32_t, const Registers& request, Registers& answer) override {
    const auto left_with = static_cast<Request>(request.rdi);
    if (left_with != Request::kHostCall && left_with != Request::kNestedReturn) return;
    const std::scoped_lock guard(lock_);
    if (random_() % 2 == 0) return;
    answer.rdi = static_cast<std::uint64_t>(boundary::EnterCommand::kCall);
    for (std::uint64_t* number : {&answer.rsi, &answer.rdx, &answer.r8, &answer.r9}) {
      if (random_() % 2 == 0) *number = kLies[random_() % kLies.size()];
    }
  }

 private:
  std::mutex lock_;
  std::mt19937 random_;
};

// Changes what a call into the enclave says of its buffers.
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

}  // namespace coffer::host::testing
