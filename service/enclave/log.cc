#include "service/enclave/log.h"

#include <chrono>
#include <nlohmann/json.hpp>

#include "coffer/attest/time.h"

namespace coffer::service {
namespace {

constexpr std::size_t kLongestValue = 200;

std::string now_text() {
  const auto since = std::chrono::system_clock::now().time_since_epoch();
  return attest::to_iso8601({std::chrono::duration_cast<std::chrono::seconds>(since).count()});
}

}  // namespace

void Log::write(std::string_view level, std::string_view event, const Fields& fields) {
  nlohmann::ordered_json line;
  line["time"] = now_text();
  line["level"] = level;
  line["event"] = event;
  for (const auto& [name, value] : fields) {
    if (const auto* text = std::get_if<std::string>(&value)) {
      line[std::string(name)] = text->substr(0, kLongestValue);
    } else if (const auto* number = std::get_if<std::int64_t>(&value)) {
      line[std::string(name)] = *number;
    } else {
      line[std::string(name)] = std::get<double>(value);
    }
  }
  const std::string text = line.dump(-1, ' ', true, nlohmann::json::error_handler_t::replace);
  const std::lock_guard lock(mutex_);
  if (lines_.size() + text.size() >= kMost) {
    ++dropped_;
    return;
  }
  lines_ += text;
  lines_ += '\n';
}

std::string Log::take(std::size_t most) {
  std::uint64_t dropped = 0;
  std::string taken;
  {
    const std::lock_guard lock(mutex_);
    const std::size_t end = lines_.size() <= most ? lines_.size() : lines_.rfind('\n', most - 1) + 1;
    if (most != 0 && end != 0) {
      taken = lines_.substr(0, end);
      lines_.erase(0, end);
      std::swap(dropped, dropped_);
    }
  }
  if (dropped != 0) write("warning", "log_lines_dropped", {{"count", static_cast<std::int64_t>(dropped)}});
  return taken;
}

}  // namespace coffer::service
