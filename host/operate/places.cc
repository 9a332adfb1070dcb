#include "host/operate/places.h"

#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <random>

namespace coffer::operate {

namespace {

constexpr std::string_view kDigits = "0123456789abcdef";
constexpr std::size_t kIdLength = 12;

const char* set_variable(const char* name) {
  const char* value = std::getenv(name);
  return value != nullptr && *value != '\0' ? value : nullptr;
}

Result<std::filesystem::path> state_part(const char* name) {
  auto state = state_directory();
  if (!state) return state;
  return private_folder(*state / name);
}

bool is_alphanumeric(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9'); }

}  // namespace

Result<std::filesystem::path> private_folder(const std::filesystem::path& folder) {
  if (::mkdir(folder.c_str(), 0700) != 0 && errno != EEXIST) {
    return system_error("cannot make " + folder.string(), errno);
  }
  struct stat status{};
  if (::lstat(folder.c_str(), &status) != 0) return system_error("cannot use " + folder.string(), errno);
  if (!S_ISDIR(status.st_mode) || status.st_uid != ::geteuid() || (status.st_mode & 077) != 0) {
    return input_error(folder.string() + " is not a folder of yours alone; remove it, or make it with mode 0700");
  }
  return folder;
}

Result<std::filesystem::path> run_folder() {
  if (set_variable("COFFER_HOME") != nullptr) return state_part("run");
  if (const char* runtime = set_variable("XDG_RUNTIME_DIR"); runtime != nullptr) {
    auto made = private_folder(std::filesystem::path(runtime) / "coffer");
    if (made) return made;
  }
  return state_part("run");
}

Result<std::filesystem::path> detached_folder() { return state_part("detached"); }
Result<std::filesystem::path> crash_folder() { return state_part("crashes"); }

std::string new_id() {
  std::array<unsigned char, kIdLength / 2> random{};
  if (::getrandom(random.data(), random.size(), 0) != static_cast<ssize_t>(random.size())) {
    std::random_device device;
    for (unsigned char& byte : random) byte = static_cast<unsigned char>(device());
  }
  std::string id;
  for (const unsigned char byte : random) {
    id += kDigits[byte >> 4];
    id += kDigits[byte & 15];
  }
  return id;
}

bool is_id(std::string_view text) {
  return text.size() == kIdLength && text.find_first_not_of(kDigits) == std::string_view::npos;
}

bool is_name(std::string_view text) {
  constexpr std::size_t kLongest = 63;
  if (text.empty() || text.size() > kLongest || !is_alphanumeric(text.front())) return false;
  for (const char c : text) {
    if (!is_alphanumeric(c) && c != '.' && c != '_' && c != '-') return false;
  }
  return true;
}

std::int64_t now_ms() {
  using namespace std::chrono;
  return duration_cast<milliseconds>(system_clock::now().time_since_epoch()).count();
}

std::string iso_time(std::int64_t ms) {
  const auto seconds = static_cast<std::time_t>(ms / 1000);
  std::tm broken{};
  ::gmtime_r(&seconds, &broken);
  std::array<char, 40> text{};
  const std::size_t length = std::strftime(text.data(), text.size(), "%Y-%m-%dT%H:%M:%S", &broken);
  std::snprintf(text.data() + length, text.size() - length, ".%03dZ", static_cast<int>(ms % 1000));
  return text.data();
}

}  // namespace coffer::operate
