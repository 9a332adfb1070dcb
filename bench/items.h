// Everything that is measured. Each item gives one row or more; they run in this order.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "bench/programs.h"
#include "bench/round_trips.h"
#include "bench/row.h"
#include "bench/sampling.h"

namespace coffer::bench {

// What items share, made when it is first needed.
class Bench {
 public:
  Bench(const Workshop& workshop, bool quick) : workshop_(workshop), quick_(quick) {}

  [[nodiscard]] const Workshop& workshop() const { return workshop_; }
  // `seconds` is for a full run; a quick one takes a fifth.
  [[nodiscard]] Budget budget(double seconds, int at_least = 3) const;

  // A quick run on a busy machine: leave out what can be left out.
  [[nodiscard]] bool late() const;

  // The measured program with a large heap, inside (rung process) and outside.
  [[nodiscard]] Result<Worker*> inside();
  [[nodiscard]] Result<Worker*> outside();
  [[nodiscard]] Result<MadeImage> small_image(bool debug);
  [[nodiscard]] Result<RoundTrips*> round_trips(Waiting waiting);
  // Ends the two programs, whose memory later items do not need.
  void end_programs();

 private:
  const Workshop& workshop_;
  bool quick_;
  Clock::time_point start_ = Clock::now();
  std::unique_ptr<Worker> inside_, outside_;
  std::optional<MadeImage> small_, small_debug_;
  std::unique_ptr<RoundTrips> futex_, spin_;
};

struct Item {
  std::string name;
  std::function<Result<std::vector<Row>>(Bench&)> measure;
};

[[nodiscard]] std::vector<Item> computing_items();
[[nodiscard]] std::vector<Item> call_items();
[[nodiscard]] std::vector<Item> bridge_items();  // what generated code costs
[[nodiscard]] std::vector<Item> edl_items();
[[nodiscard]] std::vector<Item> system_call_items();
[[nodiscard]] std::vector<Item> sealing_items();
[[nodiscard]] std::vector<Item> paging_items();
[[nodiscard]] std::vector<Item> file_items();
[[nodiscard]] std::vector<Item> footprint_items();  // launch time and memory
[[nodiscard]] std::vector<Item> daemon_items();
[[nodiscard]] std::vector<Item> network_items();
[[nodiscard]] std::vector<Item> attestation_items();  // verifying quotes
[[nodiscard]] std::vector<Item> evidence_items();     // verifying SNP reports, replaying event logs

}  // namespace coffer::bench
