// Computing inside against the same binary outside. Both have touched their memory before: a first touch of
// memfd_secret costs several times that of ordinary memory, which the item "first touch of a page" shows by itself.
#include <fstream>
#include <limits>

#include "bench/items.h"

namespace coffer::bench {

namespace {

constexpr double kReach = 0.97;
constexpr double kReachOfPrograms = 0.95;  // of programs that others wrote, which allocate as they go

constexpr double kMillisecond = 1e6;

// One pair of fresh programs: which physical pages and CPUs a process gets decides some per cent of its speed for its
// whole life, so one pair alone may compare luck.
Result<Best> sample_fresh_programs(Bench& bench, const std::string& work, const std::string& file,
                                   const Budget& budget) {
  bench.end_programs();
  auto inside = bench.inside();
  auto outside = bench.outside();
  if (!inside || !outside) return std::unexpected(inside ? outside.error() : inside.error());
  const std::string with_count = file.empty() ? work : work + " 1 ";
  const auto ours = [&] { return (*inside)->ask(file.empty() ? work : with_count + "/host/" + file); };
  const auto theirs = [&] {
    return (*outside)->ask(file.empty() ? work : with_count + (bench.workshop().folder() / file).string());
  };
  // The first time makes the data.
  const auto first = ours();
  const auto second = theirs();
  if (!first || !second) return std::unexpected(first ? second.error() : first.error());
  return sample_by_turns(budget, ours, theirs);
}

Item computing(const std::string& name, const std::string& work, double seconds, double reach = kReach,
               const std::string& file = "") {
  return {name, [=](Bench& bench) -> Result<std::vector<Row>> {
            constexpr int kPrograms = 3;
            double inside = std::numeric_limits<double>::infinity();
            double outside = inside;
            for (int i = 0; i < kPrograms && (i == 0 || !bench.late()); ++i) {
              const auto best = sample_fresh_programs(bench, work, file, bench.budget(seconds / kPrograms, 2));
              if (!best) return std::unexpected(best.error());
              inside = std::min(inside, best->ours);
              outside = std::min(outside, best->theirs);
            }
            return std::vector{compare_speed(name, "ms", inside / kMillisecond, outside / kMillisecond, reach)};
          }};
}

constexpr const char* kRealData = "real-data";

// Text that others wrote: the IEEE's registrations of network addresses, as a table and as a listing.
void lay_out_real_data(const Workshop& workshop) {
  std::ofstream file(workshop.folder() / kRealData, std::ios::binary);
  for (const char* part : {"/usr/share/ieee-data/oui.csv", "/usr/share/ieee-data/oui.txt"}) {
    file << std::ifstream(part, std::ios::binary).rdbuf();
  }
}

Item compressing(const std::string& name, const std::string& work, double seconds) {
  Item item = computing(name, work, seconds, kReachOfPrograms, kRealData);
  return {item.name, [measure = item.measure](Bench& bench) {
            lay_out_real_data(bench.workshop());
            return measure(bench);
          }};
}

}  // namespace

std::vector<Item> computing_items() {
  return {computing("SHA-256 of 64 MB", "sha256", 8),
          computing("AES-256-GCM of 64 MB", "aes-gcm", 6),
          computing("SQLite query over 1 M rows", "sqlite", 12),
          computing("sort of 10 M integers", "sort", 20),
          compressing("zstd of 8 MB of text, there and back", "zstd", 6),
          compressing("xz of 1 MB of text, there and back", "xz", 8),
          computing("Lua: calls, floats, strings, tables", "lua", 6, kReachOfPrograms)};
}

}  // namespace coffer::bench
