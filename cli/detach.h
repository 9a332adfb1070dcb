// Running in the background: a keeper process beside the host program keeps its output and how it ended.
#pragma once

#include <functional>
#include <string>

#include "base/result.h"

namespace coffer::cli {

// What the run is given, in a process of its own.
struct DetachedStreams {
  int input = 0, output = 1, error = 2;  // for the program inside
  // To be called when the program runs: the command that started it returns, and this process's own standard error goes
  // to the log.
  std::function<void()> begun;
};

// Returns the exit status of the command: 0 when the run has begun and its id was printed, what `body` returned where
// it did not get so far. Call with one thread. Where no record can be kept it says so once and runs without.
[[nodiscard]] int run_detached(const std::string& id, const std::string& name, const std::string& image,
                               const std::function<int(const DetachedStreams&)>& body);

}  // namespace coffer::cli
