#include "host/testing/holdings.h"

#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>

#include "host/testing/enclaves.h"

namespace coffer::host::testing {

namespace {

std::size_t entries(const std::filesystem::path& folder) {
  std::error_code error;
  const std::filesystem::directory_iterator list(folder, error);
  return error ? 0 : static_cast<std::size_t>(std::distance(list, {}));
}

}  // namespace

Holdings holdings_of(pid_t pid) {
  const std::filesystem::path process = "/proc/" + std::to_string(pid);
  Holdings now;
  std::ifstream maps(process / "maps");
  for (std::string line; std::getline(maps, line);) ++now.mappings;
  std::ifstream status(process / "status");
  for (std::string line; std::getline(status, line);) {
    std::istringstream words(line);
    std::string what;
    words >> what;
    if (what == "VmSize:") words >> now.mapped_kib;
    if (what == "VmRSS:") words >> now.resident_kib;
    if (what == "RssAnon:") words >> now.anonymous_kib;
  }
  now.descriptors = entries(process / "fd");
  now.threads = entries(process / "task");
  for (const auto& task : std::filesystem::directory_iterator(process / "task")) {
    std::ifstream list(task.path() / "children");
    for (pid_t child = 0; list >> child;) ++now.children;
  }
  return now;
}

std::size_t files_left() {
  std::size_t count = entries("/dev/shm");
  for (const auto& each : std::filesystem::recursive_directory_iterator(scratch())) count += each.exists() ? 1 : 0;
  return count;
}

}  // namespace coffer::host::testing
