// How long an enclave takes to launch, and what its cell takes beside the enclave's own pages.
#include <openssl/evp.h>
#include <unistd.h>

#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "bench/items.h"

namespace coffer::bench {

namespace {

constexpr double kMillisecond = 1e6;
constexpr std::uint64_t kLaunchImage = std::uint64_t{8} << 20;
constexpr std::uint64_t kLaunchHeap = std::uint64_t{64} << 20;
constexpr double kLaunchFactor = 2;
constexpr double kLaunchExtraMs = 30;
constexpr double kCellReachMiB = 16;

double since(Clock::time_point start) { return std::chrono::duration<double, std::nano>(Clock::now() - start).count(); }

// One launch: load, and main() to its end.
struct Launch {
  double load = 0, run = 0;
};
Result<Launch> launch_once(const std::filesystem::path& image) {
  Launch times;
  const auto start = Clock::now();
  auto enclave = Enclave::load(image);
  if (!enclave) return std::unexpected(enclave.error());
  times.load = since(start);
  const auto loaded = Clock::now();
  auto status = enclave->run({.arguments = {"nothing"}});
  if (!status) return std::unexpected(status.error());
  times.run = since(loaded);
  if (status->code != 0 || status->signal != 0) return fail(ErrorKind::kSystem, "the launched program failed");
  return times;
}

Result<std::vector<Row>> launch(Bench& bench) {
  const auto image =
      make_image(bench.workshop(), {.name = "launch", .heap = kLaunchHeap, .debug = false, .fill_to = kLaunchImage});
  if (!image) return std::unexpected(image.error());
  const std::vector<std::byte> bytes(image->measured_bytes, std::byte{1});
  Launch best_launch{.load = 1e12, .run = 1e12};
  const auto best = sample_by_turns(
      bench.budget(5, 5),
      [&]() -> Result<double> {
        auto times = launch_once(image->path);
        if (!times) return std::unexpected(times.error());
        best_launch = {std::min(best_launch.load, times->load), std::min(best_launch.run, times->run)};
        return times->load + times->run;
      },
      [&]() -> Result<double> {
        std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
        const auto start = Clock::now();
        EVP_Digest(bytes.data(), bytes.size(), digest.data(), nullptr, EVP_sha256(), nullptr);
        return since(start);
      });
  if (!best) return std::unexpected(best.error());
  const double pass = best->theirs / kMillisecond;
  Row whole = compare_cost("launch, 8 MB image, 64 MB heap", "ms", best->ours / kMillisecond, "SHA-256 of its bytes",
                           pass, std::nullopt);
  whole.reach = "<= 2 x + 30 ms";
  whole.ok = whole.value <= kLaunchFactor * pass + kLaunchExtraMs;
  return std::vector{whole, compare_cost("  of it: load", "ms", best_launch.load / kMillisecond, "SHA-256 of its bytes",
                                         pass, std::nullopt)};
}

// Memory of a process that is in RAM, in KiB: the enclave's pages, and everything else.
struct Footprint {
  double enclave = 0, other = 0;
};
Result<void> add_footprint(pid_t process, Footprint& sum) {
  std::ifstream maps("/proc/" + std::to_string(process) + "/smaps");
  if (!maps) return input_error("a cell's memory can be read by root only; run bench/run as root to see it");
  bool of_enclave = false;
  for (std::string line; std::getline(maps, line);) {
    std::istringstream words(line);
    std::string first;
    double kilobytes = 0;
    words >> first;
    if (!first.ends_with(':')) {  // a mapping: its addresses, ..., the name of its file
      of_enclave = line.find("memfd:coffer-epc") != std::string::npos || line.find("secretmem") != std::string::npos;
    } else if (first == "Rss:" && words >> kilobytes) {
      (of_enclave ? sum.enclave : sum.other) += kilobytes;
    }
  }
  return {};
}

Result<std::vector<Row>> cell_memory(Bench& bench) {
  auto inside = bench.inside();
  if (!inside) return std::unexpected(inside.error());
  if (auto worked = (*inside)->ask("sort"); !worked) return std::unexpected(worked.error());
  Footprint memory;
  for (pid_t process : (*inside)->cell()) {
    if (auto added = add_footprint(process, memory); !added) return std::unexpected(added.error());
  }
  bench.end_programs();
  if (memory.enclave == 0) return fail(ErrorKind::kSystem, "the enclave's pages are not found in its cell's memory");
  constexpr double kMiB = 1024;
  Row row = limit_value("cell's memory above the enclave's", "MiB", memory.other / kMiB, kCellReachMiB);
  row.counterpart = memory.enclave / kMiB;
  row.counterpart_name = "the enclave's pages";
  row.ratio = row.value / *row.counterpart;
  return std::vector{row};
}

}  // namespace

std::vector<Item> footprint_items() {
  return {{"cell's memory above the enclave's", cell_memory}, {"launch, 8 MB image, 64 MB heap", launch}};
}

}  // namespace coffer::bench
