#include "host/testing/running_daemon.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <vector>

#include "base/file.h"

namespace coffer::host::testing {

Result<std::unique_ptr<RunningDaemon>> RunningDaemon::start(const std::filesystem::path& program,
                                                            const std::filesystem::path& folder,
                                                            std::span<const std::string> options) {
  std::array<int, 2> pipe{};
  if (::pipe2(pipe.data(), O_CLOEXEC) != 0) return system_error("cannot make a pipe", errno);
  const FileDescriptor words(pipe[0]);
  FileDescriptor its_words(pipe[1]);
  auto daemon = std::unique_ptr<RunningDaemon>(new RunningDaemon(folder / "cofferd.sock"));
  std::vector<std::string> arguments = {program, "--socket", daemon->socket_, "--state", folder / "platform"};
  arguments.insert(arguments.end(), options.begin(), options.end());
  std::vector<char*> pointers;
  for (std::string& argument : arguments) pointers.push_back(argument.data());
  pointers.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawn_file_actions_adddup2(&actions, its_words.get(), STDOUT_FILENO);
  const int error = ::posix_spawn(&daemon->pid_, program.c_str(), &actions, nullptr, pointers.data(), environ);
  ::posix_spawn_file_actions_destroy(&actions);
  if (error != 0) {
    daemon->pid_ = -1;  // posix_spawn() may have left anything there
    return system_error("cannot start " + program.string(), error);
  }
  its_words.reset();
  // Its first line comes when its warm memory is there.
  std::array<char, 256> line{};
  if (::read(words.get(), line.data(), line.size()) <= 0) return fail(ErrorKind::kSystem, "cofferd ended at once");
  return daemon;
}

RunningDaemon::~RunningDaemon() { stop(); }

int RunningDaemon::stop() {
  int status = 0;
  if (pid_ <= 0) return status;
  ::kill(pid_, SIGTERM);
  ::waitpid(pid_, &status, 0);
  pid_ = -1;
  return status;
}

}  // namespace coffer::host::testing
