// System calls, memory and threads of a program inside.
#include <fstream>

#include "bench/items.h"

namespace coffer::bench {

namespace {

constexpr double kMicrosecond = 1e3;
constexpr int kMostSamples = 20;  // touched pages are kept: 4 MB a sample
constexpr double kTrapReach = 1.0 / 20;

std::string with_count(const std::string& work, int count) { return work + " " + std::to_string(count); }

Result<std::vector<Row>> patched_against_trapping(Bench& bench) {
  auto patched = bench.inside();
  if (!patched) return std::unexpected(patched.error());
  auto image = bench.small_image(false);
  if (!image) return std::unexpected(image.error());
  auto loaded = load(image->path, {.fast_paths = false});
  if (!loaded) return std::unexpected(loaded.error());
  auto trapping = Worker::inside(std::move(*loaded), bench.workshop().folder());
  if (!trapping) return std::unexpected(trapping.error());
  constexpr int kFast = 20000;
  constexpr int kSlow = 200;
  const auto each = [](Worker& worker, int count) -> Result<double> {
    auto all = worker.ask(with_count("getpid", count));
    return all ? Result<double>(*all / count) : all;
  };
  const auto best =
      sample_by_turns(bench.budget(3), [&] { return each(**patched, kFast); }, [&] { return each(**trapping, kSlow); });
  if (!best) return std::unexpected(best.error());
  return std::vector{compare_cost("getpid inside, patched", "us", best->ours / kMicrosecond, "the trapping path",
                                  best->theirs / kMicrosecond, kTrapReach)};
}

// Reported only: the same work inside and outside, `count` times.
Item informative(const std::string& name, const std::string& work, int count) {
  return {name, [=](Bench& bench) -> Result<std::vector<Row>> {
            auto inside = bench.inside();
            auto outside = bench.outside();
            if (!inside || !outside) return std::unexpected(inside ? outside.error() : inside.error());
            const std::string line = with_count(work, count);
            Budget budget = bench.budget(2);
            budget.at_most = kMostSamples;
            const auto best =
                sample_by_turns(budget, [&] { return (*inside)->ask(line); }, [&] { return (*outside)->ask(line); });
            if (!best) return std::unexpected(best.error());
            return std::vector{compare_cost(name, "us", best->ours / count / kMicrosecond, "the same binary outside",
                                            best->theirs / count / kMicrosecond, std::nullopt)};
          }};
}

// An OCALL: a question about a file that the host has to answer, against a bare round trip.
Result<std::vector<Row>> host_stat(Bench& bench) {
  auto inside = bench.inside();
  if (!inside) return std::unexpected(inside.error());
  std::ofstream(bench.workshop().folder() / "byte") << "x";
  const Pinned pinned;
  auto trips = bench.round_trips(Waiting::kFutex);
  if (!trips) return std::unexpected(trips.error());
  constexpr int kBatch = 200;
  const auto best = sample_by_turns(
      bench.budget(2),
      [&]() -> Result<double> {
        auto all = (*inside)->ask(with_count("stat", kBatch) + " /host/byte");
        return all ? Result<double>(*all / kBatch) : all;
      },
      [&]() -> Result<double> { return (*trips)->measure(kBatch); });
  if (!best) return std::unexpected(best.error());
  return std::vector{compare_cost("OCALL: fstat of a mounted file", "us", best->ours / kMicrosecond,
                                  "futex round trip, one CPU", best->theirs / kMicrosecond, std::nullopt)};
}

// A read that the cell serves itself. Reported only.
Result<std::vector<Row>> file_read(Bench& bench) {
  auto inside = bench.inside();
  auto outside = bench.outside();
  if (!inside || !outside) return std::unexpected(inside ? outside.error() : inside.error());
  const auto file = bench.workshop().folder() / "byte";
  std::ofstream(file) << "x";
  constexpr int kBatch = 2000;
  const auto each = [](Worker& worker, const std::string& path) -> Result<double> {
    auto all = worker.ask(with_count("read", kBatch) + " " + path);
    return all ? Result<double>(*all / kBatch) : all;
  };
  const auto best = sample_by_turns(
      bench.budget(2), [&] { return each(**inside, "/host/byte"); }, [&] { return each(**outside, file.string()); });
  if (!best) return std::unexpected(best.error());
  return std::vector{compare_cost("pread of a byte of a mounted file", "us", best->ours / kMicrosecond,
                                  "the same binary outside", best->theirs / kMicrosecond, std::nullopt)};
}

}  // namespace

std::vector<Item> system_call_items() {
  return {
      {"getpid inside, patched", patched_against_trapping}, {"OCALL: fstat of a mounted file", host_stat},
      {"pread of a byte of a mounted file", file_read},     informative("first touch of a page", "touch", 1024),
      informative("thread: create and join", "thread", 50), informative("mutex handed over and back", "mutex", 200)};
}

}  // namespace coffer::bench
