// What the daemon's warm memory saves a launch.
#include <array>
#include <cstdlib>

#include "bench/items.h"
#include "host/testing/running_daemon.h"

namespace coffer::bench {

namespace {

constexpr double kMillisecond = 1e6;
constexpr std::uint64_t kHeap = std::uint64_t{64} << 20;
constexpr double kReach = 1.0 / 3;

// Load, and main() to its end, with the cell from where `daemon` says.
Result<double> launch(const std::filesystem::path& image, const std::string& daemon) {
  ::setenv("COFFER_DAEMON", daemon.c_str(), 1);
  const auto start = Clock::now();
  auto enclave = Enclave::load(image);
  if (!enclave) return std::unexpected(enclave.error());
  auto status = enclave->run({.arguments = {"touch-heap"}});
  const double took = std::chrono::duration<double, std::nano>(Clock::now() - start).count();
  if (!status) return std::unexpected(status.error());
  if (status->code != 0 || status->signal != 0) return fail(ErrorKind::kSystem, "the launched program failed");
  return took;
}

Result<std::vector<Row>> warm_launch(Bench& bench) {
  // A little more than what is touched: the program's own pages and the C library's.
  const auto image = make_image(bench.workshop(), {.name = "warm", .heap = kHeap + (kHeap >> 3)});
  if (!image) return std::unexpected(image.error());
  const auto program = measured_program().parent_path().parent_path() / "bin" / "cofferd";
  const std::array<std::string, 4> options = {"--epc", "64G", "--epc-per-user", "64G"};
  auto daemon = host::testing::RunningDaemon::start(program, bench.workshop().folder(), options);
  if (!daemon) return std::unexpected(daemon.error());
  const auto best = sample_by_turns(
      bench.budget(5, 4), [&] { return launch(image->path, (*daemon)->socket()); },
      [&] { return launch(image->path, "none"); });
  ::unsetenv("COFFER_DAEMON");
  if (!best) return std::unexpected(best.error());
  return std::vector{compare_cost("launch with the daemon, 64 MB touched", "ms", best->ours / kMillisecond,
                                  "without the daemon", best->theirs / kMillisecond, kReach)};
}

}  // namespace

std::vector<Item> daemon_items() { return {{"launch with the daemon, 64 MB touched", warm_launch}}; }

}  // namespace coffer::bench
