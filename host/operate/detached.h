// Detached runs: a folder for each, with its log and how it ended. The keeper, a process beside the host program,
// writes there and holds a lock on the folder as long as it lives, so that nobody has to guess whether a run goes on.
#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/file.h"
#include "base/result.h"

namespace coffer::operate {

inline constexpr std::size_t kEndedRunsKept = 32;  // the oldest go at the next detached run

struct DetachedRun {
  std::string id, name, image;
  std::int64_t started_ms = 0, ended_ms = 0;
  enum class State { kRunning, kExited, kKilled, kLost } state = State::kRunning;  // kLost: its keeper was killed
  int code = 0;                                                                    // kExited: exit status
  int signal = 0;                                                                  // kKilled
  std::filesystem::path folder;
};

// The keeper's end.
class DetachedRecord {
 public:
  // Makes the folder, takes its lock, writes the record. Removes the oldest of those that ended.
  [[nodiscard]] static Result<DetachedRecord> create(DetachedRun run);
  [[nodiscard]] Result<void> ended(DetachedRun::State state, int code_or_signal);
  // As if it had never been: the run did not begin.
  void discard();
  [[nodiscard]] const std::filesystem::path& folder() const { return run_.folder; }

 private:
  DetachedRecord(DetachedRun run, FileDescriptor lock) : run_(std::move(run)), lock_(std::move(lock)) {}

  DetachedRun run_;
  FileDescriptor lock_;  // inherited over fork, released when the last process with it ends
};

// All that are known, by start.
[[nodiscard]] Result<std::vector<DetachedRun>> list_detached();
// By id, name (the newest of that name) or the beginning of an id.
[[nodiscard]] Result<DetachedRun> find_detached(const std::string& id_or_name);
// Waits until the run has ended, or `milliseconds` have passed (-1: for ever), and reads its record again.
[[nodiscard]] Result<DetachedRun> wait_for_end(const DetachedRun& run, int milliseconds = -1);

}  // namespace coffer::operate
