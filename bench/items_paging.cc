// Paging: a walk over twice the EPC, against the encryption that EWB and ELDU cannot do without.
#include "bench/items.h"

namespace coffer::bench {

namespace {

constexpr double kMicrosecond = 1e3;
constexpr std::uint64_t kEpc = std::uint64_t{32} << 20;
constexpr std::uint64_t kPages = 2 * kEpc / 4096;
constexpr std::uint64_t kRandomPages = 2000;
constexpr double kReach = 0.25;

Result<std::vector<Row>> paging(Bench& bench) {
  auto image = make_image(bench.workshop(), {.name = "paging", .heap = 3 * kEpc});
  if (!image) return std::unexpected(image.error());
  auto loaded = load(image->path, {.epc_size = kEpc});
  if (!loaded) return std::unexpected(loaded.error());
  auto paged = Worker::inside(std::move(*loaded), bench.workshop().folder());
  if (!paged) return std::unexpected(paged.error());
  auto outside = bench.outside();
  if (!outside) return std::unexpected(outside.error());
  const std::string pages = std::to_string(kPages);
  const auto each = [](Result<double> all, std::uint64_t count) -> Result<double> {
    return all ? Result<double>(*all / static_cast<double>(count)) : all;
  };
  const auto walk = [&] { return each((*paged)->ask("walk " + pages), kPages); };
  const auto best =
      sample_by_turns(bench.budget(4), walk, [&] { return each((*outside)->ask("seal-pages " + pages), kPages); });
  if (!best) return std::unexpected(best.error());
  Row sequential = compare_speed("paging, walk over 2 x EPC", "us/page", best->ours / kMicrosecond,
                                 best->theirs / kMicrosecond, kReach);
  sequential.counterpart_name = "AES-GCM, encrypt + decrypt";
  const auto random = sample_by_turns(
      bench.budget(2), [&] { return each((*paged)->ask("jump " + std::to_string(kRandomPages)), kRandomPages); },
      [&] { return each((*outside)->ask("seal-pages " + pages), kPages); });
  if (!random) return std::unexpected(random.error());
  return std::vector{sequential,
                     compare_cost("paging, jumps in 2 x EPC", "us/jump", random->ours / kMicrosecond,
                                  "AES-GCM, encrypt + decrypt", random->theirs / kMicrosecond, std::nullopt)};
}

}  // namespace

std::vector<Item> paging_items() { return {{"paging", paging}}; }

}  // namespace coffer::bench
