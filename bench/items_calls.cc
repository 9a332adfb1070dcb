// Empty calls into an enclave against bare round trips between two processes. Where the worker runs is Coffer's affair:
// only the caller is pinned.
#include <array>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <thread>

#include "bench/items.h"

namespace coffer::bench {

namespace {

constexpr double kMicrosecond = 1e3;
constexpr double kWaitingReach = 1.5;
constexpr double kSpinningReach = 2;
constexpr double kInlineReachUs = 1;
constexpr double kEmulatedReachUs = 2;
constexpr auto kSpin = std::chrono::milliseconds(1);

// Nanoseconds for one of `count` empty calls.
Result<double> empty_calls(Enclave& enclave, int count) {
  const auto start = Clock::now();
  for (int i = 0; i < count; ++i) {
    auto answer = enclave.call(0, {}, {});
    if (!answer) return std::unexpected(answer.error());
    if (answer->status != 0) return fail(ErrorKind::kSystem, "an empty call returned a status");
  }
  return std::chrono::duration<double, std::nano>(Clock::now() - start).count() / count;
}

// An enclave that serves empty calls.
Result<Loaded> serving(Bench& bench, RungKind rung, std::chrono::nanoseconds spin) {
  auto image = bench.small_image(rung == RungKind::kInline);
  if (!image) return std::unexpected(image.error());
  auto loaded = load(image->path, {.rung = rung});
  if (!loaded) return loaded;
  loaded->enclave.set_spin(spin);
  if (auto started = loaded->enclave.start({.arguments = {"serve"}}); !started) return std::unexpected(started.error());
  if (auto first = empty_calls(loaded->enclave, 100); !first) return std::unexpected(first.error());
  return loaded;
}

Result<std::vector<Row>> waiting_calls(Bench& bench) {
  const Pinned pinned;
  auto loaded = serving(bench, RungKind::kProcess, std::chrono::nanoseconds(0));
  if (!loaded) return std::unexpected(loaded.error());
  auto trips = bench.round_trips(Waiting::kFutex);
  if (!trips) return std::unexpected(trips.error());
  constexpr int kBatch = 100;
  const auto best = sample_by_turns(
      bench.budget(5), [&] { return empty_calls(loaded->enclave, kBatch); },
      [&]() -> Result<double> { return (*trips)->measure(kBatch); });
  if (!best) return std::unexpected(best.error());
  return std::vector{compare_cost("empty ECALL, process, waiting", "us", best->ours / kMicrosecond,
                                  "futex round trip, one CPU", best->theirs / kMicrosecond, kWaitingReach)};
}

Result<std::vector<Row>> spinning_calls(Bench& bench) {
  if (usable_cpus() < 2) return std::vector<Row>{};  // nobody can spin on one CPU
  const Pinned pinned;
  auto loaded = serving(bench, RungKind::kProcess, kSpin);
  if (!loaded) return std::unexpected(loaded.error());
  auto trips = bench.round_trips(Waiting::kSpin);
  if (!trips) return std::unexpected(trips.error());
  constexpr int kBatch = 100;  // short: both sides must hold their CPUs all the while
  const auto best = sample_by_turns(
      bench.budget(10),
      [&] {
        (void)empty_calls(loaded->enclave, 1);  // the worker sleeps, as the partner does before its batch
        const auto time = empty_calls(loaded->enclave, kBatch);
        std::this_thread::sleep_for(2 * kSpin);  // the worker spins a while longer, on the partner's CPU
        return time;
      },
      [&]() -> Result<double> { return (*trips)->measure(kBatch); });
  if (!best) return std::unexpected(best.error());
  return std::vector{compare_cost("empty ECALL, process, spinning", "us", best->paired_ours / kMicrosecond,
                                  "spinning round trip, two CPUs", best->paired_theirs / kMicrosecond, kSpinningReach)};
}

Result<std::vector<Row>> inline_calls(Bench& bench) {
  const Pinned pinned;
  auto loaded = serving(bench, RungKind::kInline, std::chrono::nanoseconds(0));
  if (!loaded) return std::unexpected(loaded.error());
  constexpr int kBatch = 1000;
  const auto sample = [&] { return empty_calls(loaded->enclave, kBatch); };
  const auto best = sample_by_turns(bench.budget(1.5), sample, sample);
  if (!best) return std::unexpected(best.error());
  return std::vector{
      limit_value("empty ECALL, inline", "us", std::min(best->ours, best->theirs) / kMicrosecond, kInlineReachUs)};
}

// An SGX program's EENTER and EEXIT through the vDSO's function, under `coffer emulate`. Hardware, as published: 3-5
// us.
Result<std::vector<Row>> emulated_calls(Bench&) {
  const std::filesystem::path build = measured_program().parent_path().parent_path();
  const std::string program = (build / "tests/programs/sgx-program").string();
  if (!std::filesystem::exists(program)) return std::vector<Row>{};  // a build without tests
  const std::string command = (build / "bin/coffer").string() + " emulate -- " + program + " time 200000";
  std::FILE* output = ::popen(command.c_str(), "r");
  std::array<char, 64> line{};
  const bool told = output != nullptr && std::fgets(line.data(), line.size(), output) != nullptr;
  const double nanoseconds = std::strtod(line.data(), nullptr);
  if (output == nullptr || ::pclose(output) != 0 || !told || nanoseconds <= 0) {
    return fail(ErrorKind::kSystem, "'" + command + "' told no time");
  }
  return std::vector{limit_value("EENTER+EEXIT, coffer emulate", "us", nanoseconds / kMicrosecond, kEmulatedReachUs)};
}

}  // namespace

std::vector<Item> call_items() {
  return {{"empty ECALL, process, waiting", waiting_calls},
          {"empty ECALL, process, spinning", spinning_calls},
          {"empty ECALL, inline", inline_calls},
          {"EENTER+EEXIT, coffer emulate", emulated_calls}};
}

}  // namespace coffer::bench
