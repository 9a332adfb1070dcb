// Sealing against what it cannot do without: AES-GCM and EGETKEY. All of it inside, on the rung `process`.
#include "bench/items.h"

namespace coffer::bench {

namespace {

constexpr double kMicrosecond = 1e3;
constexpr double kReach = 1.5;
constexpr int kBatch = 50;

Result<std::vector<Row>> sealing(Bench& bench, const std::string& name, const std::string& work,
                                 std::optional<double> reach) {
  auto inside = bench.inside();
  if (!inside) return std::unexpected(inside.error());
  const auto each = [&](const std::string& what) -> Result<double> {
    auto all = (*inside)->ask(what + " " + std::to_string(kBatch));
    return all ? Result<double>(*all / kBatch) : all;
  };
  const auto best = sample_by_turns(bench.budget(3), [&] { return each(work); }, [&] { return each("gcm-key"); });
  if (!best) return std::unexpected(best.error());
  return std::vector{compare_cost(name, "us", best->ours / kMicrosecond, "AES-GCM both ways + one EGETKEY",
                                  best->theirs / kMicrosecond, reach)};
}

}  // namespace

std::vector<Item> sealing_items() {
  // A Sealer's whole life, so that nothing is kept from one pair to the next; and two calls that keep nothing at all.
  return {{"seal + unseal 1 KiB, a Sealer each time",
           [](Bench& bench) { return sealing(bench, "seal + unseal 1 KiB, a Sealer each time", "sealer", kReach); }},
          {"seal() + unseal() 1 KiB, two EGETKEYs",
           [](Bench& bench) { return sealing(bench, "seal() + unseal() 1 KiB, two EGETKEYs", "seal", std::nullopt); }}};
}

}  // namespace coffer::bench
