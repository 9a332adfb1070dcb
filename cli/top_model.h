// What `coffer top` shows, apart from the terminal: rates from two looks, a history, and the lines of the screen. Pure.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <string>
#include <vector>

#include "host/operate/status.h"

namespace coffer::cli {

struct Rates {  // per second
  double ecalls = 0, ocalls = 0, aex = 0, system_calls = 0, trapped = 0, evictions = 0, reloads = 0;
};

struct TopRow {
  int pid = 0;
  operate::EnclaveStatus status;
  Rates rates;
  double patched_share = 1;  // of the system calls since the last look; since the start where there was none
};

struct Look {
  std::int64_t ms = 0;  // of a clock that does not jump
  std::vector<operate::ProcessStatus> processes;
};

// What happened between two looks; an enclave that is new has the rates since its start. By system-call rate.
[[nodiscard]] std::vector<TopRow> rows_between(const Look& before, const Look& now);

class TopModel {
 public:
  void add(Look look);
  [[nodiscard]] const std::vector<TopRow>& rows() const { return rows_; }
  // The screen, `width` columns and `height` lines at most, without control characters.
  [[nodiscard]] std::vector<std::string> screen(std::size_t width, std::size_t height) const;

 private:
  Look last_;
  std::vector<TopRow> rows_;
  std::deque<double> system_calls_, crossings_;  // of all enclaves, the newest last
};

// `values` as a line of bars, the newest at the right, scaled to the largest of them.
[[nodiscard]] std::string graph(const std::deque<double>& values, std::size_t width);
// "870", "12.3k", "4.5M"
[[nodiscard]] std::string rate_text(double per_second);

}  // namespace coffer::cli
