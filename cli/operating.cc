#include "cli/operating.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <nlohmann/json.hpp>

namespace coffer::cli {

std::string size_text(std::uint64_t bytes) {
  constexpr const char* kUnits[] = {"B", "K", "M", "G", "T"};
  auto value = static_cast<double>(bytes);
  std::size_t unit = 0;
  for (; value >= 1024 && unit + 1 < std::size(kUnits); ++unit) value /= 1024;
  return fmt::format("{:.{}f}{}", value, unit == 0 || value >= 100 ? 0 : 1, kUnits[unit]);
}

std::string age_text(std::int64_t milliseconds) {
  const std::int64_t seconds = std::max<std::int64_t>(milliseconds, 0) / 1000;
  constexpr std::int64_t kMinute = 60, kHour = 3600, kDay = 86400;
  if (seconds < 2 * kMinute) return fmt::format("{} s", seconds);
  if (seconds < 2 * kHour) return fmt::format("{} min", seconds / kMinute);
  if (seconds < 2 * kDay) return fmt::format("{} h", seconds / kHour);
  return fmt::format("{} days", seconds / kDay);
}

std::string end_text(const operate::DetachedRun& run) {
  using State = operate::DetachedRun::State;
  switch (run.state) {
    case State::kExited:
      return fmt::format("exited ({})", run.code);
    case State::kKilled: {
      const char* name = ::sigabbrev_np(run.signal);
      return fmt::format("killed ({})", name != nullptr ? fmt::format("SIG{}", name) : std::to_string(run.signal));
    }
    case State::kLost:
      return "lost";
    case State::kRunning:
      break;
  }
  return "running";
}

std::string detached_json(const operate::DetachedRun& run) {
  using State = operate::DetachedRun::State;
  nlohmann::ordered_json json = {{"id", run.id},       {"name", run.name},
                                 {"image", run.image}, {"started_ms", run.started_ms},
                                 {"detached", true},   {"state", "running"}};
  if (run.state == State::kLost) json["state"] = "lost";
  if (run.state == State::kExited || run.state == State::kKilled) {
    json["state"] = run.state == State::kExited ? "exited" : "killed";
    json["ended_ms"] = run.ended_ms;
    json[run.state == State::kExited ? "code" : "signal"] = run.state == State::kExited ? run.code : run.signal;
  }
  return json.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
}

}  // namespace coffer::cli
