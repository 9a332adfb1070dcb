// Computing inside against the same binary outside. Both have touched their memory before: a first touch of
// memfd_secret costs several times that of ordinary memory, which the item "first touch of a page" shows by itself.
#include "bench/items.h"

namespace coffer::bench {

namespace {

constexpr double kReach = 0.97;
constexpr double kMillisecond = 1e6;

Item computing(const std::string& name, const std::string& work, double seconds) {
  return {
      name, [=](Bench& bench) -> Result<std::vector<Row>> {
        auto inside = bench.inside();
        auto outside = bench.outside();
        if (!inside || !outside) return std::unexpected(inside ? outside.error() : inside.error());
        // The first time makes the data.
        for (Worker* worker : {*inside, *outside}) {
          if (auto first = worker->ask(work); !first) return std::unexpected(first.error());
        }
        const auto best = sample_by_turns(
            bench.budget(seconds), [&] { return (*inside)->ask(work); }, [&] { return (*outside)->ask(work); });
        if (!best) return std::unexpected(best.error());
        return std::vector{compare_speed(name, "ms", best->ours / kMillisecond, best->theirs / kMillisecond, kReach)};
      }};
}

}  // namespace

std::vector<Item> computing_items() {
  return {computing("SHA-256 of 64 MB", "sha256", 8), computing("AES-256-GCM of 64 MB", "aes-gcm", 6),
          computing("SQLite query over 1 M rows", "sqlite", 18), computing("sort of 10 M integers", "sort", 24)};
}

}  // namespace coffer::bench
