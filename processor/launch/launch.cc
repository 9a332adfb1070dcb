#include "processor/launch/launch.h"

#include <fcntl.h>
#include <spawn.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <csignal>
#include <cstdlib>
#include <string_view>

#include "base/file.h"

namespace coffer::processor {

namespace {

// The low descriptors are the cell's: keep the originals clear of them.
constexpr int kFirstFree = kFirstWarmFile + static_cast<int>(kMaxWarmFiles);
constexpr const char* kSystemDaemon = "/run/coffer/cofferd.sock";

std::string hexadecimal(std::uint64_t value) {
  std::array<char, 16> text{};
  const auto end = std::to_chars(text.data(), text.data() + text.size(), value, 16).ptr;
  return {text.data(), end};
}

std::vector<char*> pointers(std::vector<std::string>& strings) {
  std::vector<char*> result;
  result.reserve(strings.size() + 1);
  for (std::string& s : strings) result.push_back(s.data());
  result.push_back(nullptr);
  return result;
}

// In a session of its own: the terminal's signals are for the program that owns the terminal.
class Attributes {
 public:
  Attributes() {
    ::posix_spawnattr_init(&attributes_);
    sigset_t all;
    sigset_t none;
    sigfillset(&all);
    sigemptyset(&none);
    ::posix_spawnattr_setsigdefault(&attributes_, &all);
    ::posix_spawnattr_setsigmask(&attributes_, &none);
    ::posix_spawnattr_setflags(&attributes_, POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK);
    ::posix_spawn_file_actions_init(&actions_);
  }
  ~Attributes() {
    ::posix_spawn_file_actions_destroy(&actions_);
    ::posix_spawnattr_destroy(&attributes_);
  }
  Attributes(const Attributes&) = delete;
  Attributes& operator=(const Attributes&) = delete;

  void hand(int fd, int as) { ::posix_spawn_file_actions_adddup2(&actions_, fd, as); }
  [[nodiscard]] const posix_spawn_file_actions_t* actions() const { return &actions_; }
  [[nodiscard]] const posix_spawnattr_t* attributes() const { return &attributes_; }

 private:
  posix_spawn_file_actions_t actions_{};
  posix_spawnattr_t attributes_{};
};

}  // namespace

Result<pid_t> start_cell(const CellLaunch& launch) {
  const FileDescriptor control(::fcntl(launch.control, F_DUPFD_CLOEXEC, kFirstFree));
  const FileDescriptor arena(::fcntl(launch.arena, F_DUPFD_CLOEXEC, kFirstFree));
  if (!control || !arena) return system_error("too many open files to start a cell", errno);
  Attributes attributes;
  attributes.hand(control.get(), 3);
  attributes.hand(arena.get(), 4);
  if (launch.warm.size() > kMaxWarmFiles) return input_error("more warm memory than a cell takes");
  std::vector<FileDescriptor> warm;
  for (const int file : launch.warm) {
    warm.emplace_back(::fcntl(file, F_DUPFD_CLOEXEC, kFirstFree));
    if (!warm.back()) return system_error("too many open files to start a cell", errno);
    attributes.hand(warm.back().get(), kFirstWarmFile + static_cast<int>(warm.size()) - 1);
  }
  std::vector<std::string> arguments = {launch.program.string(), hexadecimal(launch.arena_base),
                                        hexadecimal(launch.arena_size), hexadecimal(launch.warm.size())};
  std::vector<std::string> environment = launch.environment;
  pid_t pid = -1;
  const int error = ::posix_spawn(&pid, launch.program.c_str(), attributes.actions(), attributes.attributes(),
                                  pointers(arguments).data(), pointers(environment).data());
  if (error != 0) return system_error("cannot start " + launch.program.string(), error);
  return pid;
}

std::string daemon_socket() {
  if (const char* set = std::getenv("COFFER_DAEMON"); set != nullptr && *set != '\0') {
    return std::string_view(set) == "none" ? "" : set;
  }
  return ::access(kSystemDaemon, F_OK) == 0 ? kSystemDaemon : "";
}

}  // namespace coffer::processor
