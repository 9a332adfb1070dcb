// coffer-bench: measures Coffer against its counterparts on this machine. Exit status 0: every reach is met, 1: one is
// missed, 2: something could not be measured.
#include <benchmark/benchmark.h>

#include <CLI/CLI.hpp>
#include <csignal>
#include <cstdio>
#include <iostream>

#include "bench/items.h"

namespace {

using namespace coffer;
using namespace coffer::bench;

// Google Benchmark runs and selects; the table at the end is ours, so progress is all that it says meanwhile.
class Progress final : public benchmark::BenchmarkReporter {
 public:
  bool ReportContext(const Context&) override { return true; }
  void ReportRuns(const std::vector<Run>& runs) override {
    for (const Run& run : runs) {
      std::fprintf(stderr, "bench: %s%s%s\n", run.run_name.function_name.c_str(), run.error_occurred ? ": " : "",
                   run.error_message.c_str());
      failed_ |= run.error_occurred;
    }
  }
  [[nodiscard]] bool failed() const { return failed_; }

 private:
  bool failed_ = false;
};

void add_item(const Item& item, Bench& bench, std::vector<Row>& rows) {
  const auto run = [&bench, &rows, measure = item.measure](benchmark::State& state) {
    for (auto _ : state) {
      auto measured = measure(bench);
      if (!measured) {
        state.SkipWithError(measured.error().message.c_str());
        break;
      }
      for (const Row& row : *measured) {
        state.counters[row.name + " [" + row.unit + "]"] = row.value;
        rows.push_back(row);
      }
    }
  };
  // One iteration: an item samples both of its sides by turns until its own time is up.
  benchmark::RegisterBenchmark(item.name.c_str(), run)->Iterations(1)->UseRealTime();
}

int run_benchmarks(bool quick, bool json, const std::string& filter) {
  auto workshop = Workshop::make();
  if (!workshop) {
    std::fprintf(stderr, "bench: %s\n", workshop.error().message.c_str());
    return 2;
  }
  Bench bench(**workshop, quick);
  std::vector<Row> rows;
  for (const auto& items : {computing_items(), system_call_items(), paging_items(), file_items(), sealing_items(),
                            footprint_items(), daemon_items(), network_items(), attestation_items(), evidence_items(),
                            call_items(), bridge_items(), edl_items()}) {
    for (const Item& item : items) add_item(item, bench, rows);
  }
  Progress progress;
  benchmark::RunSpecifiedBenchmarks(&progress, filter);
  if (json) {
    print_json(std::cout, rows);
  } else {
    print_table(std::cout, rows);
  }
  if (progress.failed() || rows.empty()) return 2;
  return std::ranges::all_of(rows, [](const Row& row) { return row.ok; }) ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  bool quick = false;
  bool json = false;
  std::string filter = ".";
  CLI::App app("Measures Coffer, each figure against its counterpart in the same run.", "bench/run");
  app.add_flag("--quick", quick, "end within 45 seconds");
  app.add_flag("--json", json, "print a JSON list instead of the table");
  app.add_option("--filter", filter, "only the items whose name matches this regular expression");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  std::signal(SIGPIPE, SIG_IGN);
  char* no_arguments[] = {argv[0], nullptr};
  int count = 1;
  benchmark::Initialize(&count, no_arguments);
  return run_benchmarks(quick, json, filter);
}
