#include "host/operate/detached.h"

#include <fcntl.h>
#include <sys/file.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <nlohmann/json.hpp>
#include <thread>

#include "host/operate/places.h"

namespace coffer::operate {

namespace {

constexpr const char* kRecord = "run.json";
constexpr const char* kLock = "lock";
constexpr std::size_t kRecordLimit = 65536;
constexpr const char* kStates[] = {"running", "exited", "killed", "lost"};

std::string record_of(const DetachedRun& run) {
  const nlohmann::ordered_json json = {{"id", run.id},
                                       {"name", run.name},
                                       {"image", run.image},
                                       {"started_ms", run.started_ms},
                                       {"ended_ms", run.ended_ms},
                                       {"state", kStates[static_cast<std::size_t>(run.state)]},
                                       {"code", run.code},
                                       {"signal", run.signal}};
  return json.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n";
}

Result<void> write_record(const DetachedRun& run) {
  const std::string text = record_of(run);
  return write_file_atomically(run.folder / kRecord, std::as_bytes(std::span(text)), 0600);
}

bool keeper_lives(const std::filesystem::path& folder) {
  const FileDescriptor lock(::open((folder / kLock).c_str(), O_RDONLY | O_CLOEXEC));
  return lock && ::flock(lock.get(), LOCK_SH | LOCK_NB) != 0;
}

std::optional<DetachedRun> read_run(const std::filesystem::path& folder) {
  // Before the record: one that ends in between has written it.
  const bool lives = keeper_lives(folder);
  const auto content = read_file(folder / kRecord, kRecordLimit);
  if (!content) return std::nullopt;
  try {
    const auto json = nlohmann::json::parse(reinterpret_cast<const char*>(content->data()),
                                            reinterpret_cast<const char*>(content->data()) + content->size());
    DetachedRun run;
    run.id = json.at("id").get<std::string>();
    run.name = json.at("name").get<std::string>();
    run.image = json.at("image").get<std::string>();
    run.started_ms = json.at("started_ms").get<std::int64_t>();
    run.ended_ms = json.at("ended_ms").get<std::int64_t>();
    const auto state = std::ranges::find(kStates, json.at("state").get<std::string>());
    if (state == std::end(kStates)) return std::nullopt;
    run.state = static_cast<DetachedRun::State>(state - std::begin(kStates));
    run.code = json.at("code").get<int>();
    run.signal = json.at("signal").get<int>();
    run.folder = folder;
    if (run.state == DetachedRun::State::kRunning && !lives) run.state = DetachedRun::State::kLost;
    return run;
  } catch (const nlohmann::json::exception&) {
    return std::nullopt;
  }
}

void remove_oldest() {
  auto runs = list_detached();
  if (!runs) return;
  std::erase_if(*runs, [](const DetachedRun& run) { return run.state == DetachedRun::State::kRunning; });
  std::error_code ignored;
  for (std::size_t i = 0; i + kEndedRunsKept < runs->size() + 1; ++i) {
    std::filesystem::remove_all((*runs)[i].folder, ignored);
  }
}

}  // namespace

Result<DetachedRecord> DetachedRecord::create(DetachedRun run) {
  auto all = detached_folder();
  if (!all) return std::unexpected(all.error());
  remove_oldest();
  run.folder = *all / run.id;
  if (auto made = private_folder(run.folder); !made) return std::unexpected(made.error());
  FileDescriptor lock(::open((run.folder / kLock).c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  if (!lock || ::flock(lock.get(), LOCK_EX) != 0) {  // others look for a moment only
    return system_error("cannot lock " + run.folder.string(), errno);
  }
  if (auto written = write_record(run); !written) return std::unexpected(written.error());
  return DetachedRecord(std::move(run), std::move(lock));
}

Result<void> DetachedRecord::ended(DetachedRun::State state, int code_or_signal) {
  run_.state = state;
  run_.ended_ms = now_ms();
  (state == DetachedRun::State::kKilled ? run_.signal : run_.code) = code_or_signal;
  return write_record(run_);
}

void DetachedRecord::discard() {
  std::error_code ignored;
  std::filesystem::remove_all(run_.folder, ignored);
}

Result<std::vector<DetachedRun>> list_detached() {
  auto all = detached_folder();
  if (!all) return std::unexpected(all.error());
  std::vector<DetachedRun> runs;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(*all, error)) {
    if (auto run = read_run(entry.path())) runs.push_back(std::move(*run));
  }
  std::ranges::sort(runs, {}, &DetachedRun::started_ms);
  return runs;
}

Result<DetachedRun> find_detached(const std::string& wanted) {
  constexpr std::size_t kShortest = 3;
  auto runs = list_detached();
  if (!runs) return std::unexpected(runs.error());
  std::vector<DetachedRun> begins;
  for (auto run = runs->rbegin(); run != runs->rend(); ++run) {
    if (run->id == wanted || run->name == wanted) return *run;
    if (wanted.size() >= kShortest && run->id.starts_with(wanted)) begins.push_back(*run);
  }
  if (begins.size() == 1) return begins.front();
  if (begins.size() > 1) return input_error(wanted + " begins the ids of several runs; give more of it");
  return input_error("no detached run is called " + wanted + "; `coffer ps --all` lists those that are kept");
}

Result<DetachedRun> wait_for_end(const DetachedRun& run, int milliseconds) {
  const FileDescriptor lock(::open((run.folder / kLock).c_str(), O_RDONLY | O_CLOEXEC));
  if (!lock) return system_error("cannot open the record of " + run.id, errno);
  const auto end = std::chrono::steady_clock::now() + std::chrono::milliseconds(std::max(milliseconds, 0));
  constexpr std::chrono::milliseconds kPause{20};
  // The lock comes free when the keeper ends, however it does. A bounded wait has to ask again and again.
  while (::flock(lock.get(), milliseconds < 0 ? LOCK_SH : LOCK_SH | LOCK_NB) != 0) {
    if (errno == EINTR) continue;
    if (errno != EWOULDBLOCK) return system_error("cannot wait for " + run.id, errno);
    if (std::chrono::steady_clock::now() >= end) break;
    std::this_thread::sleep_for(kPause);
  }
  ::flock(lock.get(), LOCK_UN);
  auto now = read_run(run.folder);
  if (!now) return fail(ErrorKind::kSystem, "the record of " + run.id + " is gone");
  return *now;
}

}  // namespace coffer::operate
