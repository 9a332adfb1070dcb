// Computing inside against the same binary outside. Both have touched their memory before: a first touch of
// memfd_secret costs several times that of ordinary memory, which the item "first touch of a page" shows by itself.
#include <limits>

#include "bench/items.h"

namespace coffer::bench {

namespace {

constexpr double kReach = 0.97;
constexpr double kMillisecond = 1e6;

// One pair of fresh programs: which physical pages and CPUs a process gets decides some per cent of its speed for its
// whole life, so one pair alone may compare luck.
Result<Best> sample_fresh_programs(Bench& bench, const std::string& work, const Budget& budget) {
  bench.end_programs();
  auto inside = bench.inside();
  auto outside = bench.outside();
  if (!inside || !outside) return std::unexpected(inside ? outside.error() : inside.error());
  // The first time makes the data.
  for (Worker* worker : {*inside, *outside}) {
    if (auto first = worker->ask(work); !first) return std::unexpected(first.error());
  }
  return sample_by_turns(budget, [&] { return (*inside)->ask(work); }, [&] { return (*outside)->ask(work); });
}

Item computing(const std::string& name, const std::string& work, double seconds) {
  return {name, [=](Bench& bench) -> Result<std::vector<Row>> {
            constexpr int kPrograms = 3;
            double inside = std::numeric_limits<double>::infinity();
            double outside = inside;
            for (int i = 0; i < kPrograms && (i == 0 || !bench.late()); ++i) {
              const auto best = sample_fresh_programs(bench, work, bench.budget(seconds / kPrograms, 2));
              if (!best) return std::unexpected(best.error());
              inside = std::min(inside, best->ours);
              outside = std::min(outside, best->theirs);
            }
            return std::vector{compare_speed(name, "ms", inside / kMillisecond, outside / kMillisecond, kReach)};
          }};
}

}  // namespace

std::vector<Item> computing_items() {
  return {computing("SHA-256 of 64 MB", "sha256", 8), computing("AES-256-GCM of 64 MB", "aes-gcm", 6),
          computing("SQLite query over 1 M rows", "sqlite", 12), computing("sort of 10 M integers", "sort", 20)};
}

}  // namespace coffer::bench
