#include "host/cell_process.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <cstdlib>
#include <sstream>

#include "host/parts.h"

namespace coffer::host {

using boundary::ControlAnswer;
using boundary::ControlHello;
using boundary::ControlMessage;

namespace {

std::string hex(std::uint64_t value) {
  std::array<char, 16> text{};
  const auto end = std::to_chars(text.data(), text.data() + text.size(), value, 16).ptr;
  return {text.data(), end};
}

// The cell sees only what it needs to find the platform's state.
std::vector<std::string> cell_environment() {
  std::vector<std::string> variables;
  for (const char* name : {"COFFER_HOME", "XDG_DATA_HOME", "HOME"}) {
    if (const char* value = std::getenv(name)) variables.push_back(std::string(name) + "=" + value);
  }
  return variables;
}

std::vector<char*> pointers(std::vector<std::string>& strings) {
  std::vector<char*> result;
  result.reserve(strings.size() + 1);
  for (std::string& s : strings) result.push_back(s.data());
  result.push_back(nullptr);
  return result;
}

// In a session of its own: the terminal's signals are for the program that owns the terminal.
Result<pid_t> spawn(const std::filesystem::path& program, int socket, int arena_fd, const Arena& arena) {
  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
  posix_spawn_file_actions_init(&actions);
  posix_spawnattr_init(&attributes);
  posix_spawn_file_actions_adddup2(&actions, socket, 3);
  posix_spawn_file_actions_adddup2(&actions, arena_fd, 4);
  sigset_t all;
  sigset_t none;
  sigfillset(&all);
  sigemptyset(&none);
  posix_spawnattr_setsigdefault(&attributes, &all);
  posix_spawnattr_setsigmask(&attributes, &none);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK);
  std::vector<std::string> arguments = {program.string(), hex(arena.base()), hex(arena.size())};
  std::vector<std::string> environment = cell_environment();
  pid_t pid = -1;
  const int error = ::posix_spawn(&pid, program.c_str(), &actions, &attributes, pointers(arguments).data(),
                                  pointers(environment).data());
  posix_spawn_file_actions_destroy(&actions);
  posix_spawnattr_destroy(&attributes);
  if (error != 0) return system_error("cannot start " + program.string(), error);
  return pid;
}

// Descriptors 3 and 4 are the cell's: keep the originals clear of them.
FileDescriptor above(const FileDescriptor& fd) { return FileDescriptor(::fcntl(fd.get(), F_DUPFD_CLOEXEC, 16)); }

template <class T>
bool receive(int socket, T& message) {
  while (true) {
    const ssize_t size = ::recv(socket, &message, sizeof(message), 0);
    if (size < 0 && errno == EINTR) continue;
    return size == sizeof(message);
  }
}

}  // namespace

Result<std::unique_ptr<CellProcess>> CellProcess::start(const Arena& arena) {
  auto program = find_part("coffer-cell");
  if (!program) return std::unexpected(program.error());
  std::array<int, 2> pair{};
  if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair.data()) != 0) {
    return system_error("cannot make the cell's control socket", errno);
  }
  FileDescriptor ours(pair[0]);
  FileDescriptor theirs(pair[1]);
  FileDescriptor their_high = above(theirs);
  FileDescriptor arena_high(::fcntl(arena.fd(), F_DUPFD_CLOEXEC, 16));
  if (!their_high || !arena_high) return system_error("too many open files to start a cell", errno);
  auto pid = spawn(*program, their_high.get(), arena_high.get(), arena);
  if (!pid) return std::unexpected(pid.error());
  theirs.reset();
  their_high.reset();
  std::unique_ptr<CellProcess> cell(new CellProcess(*pid, std::move(ours)));
  ControlHello hello{};
  if (!receive(cell->socket_.get(), hello)) {
    return fail(ErrorKind::kSystem, "the cell ended before it was ready (" + program->string() + ")");
  }
  hello.text[sizeof(hello.text) - 1] = '\0';
  if (hello.version != boundary::kControlVersion) {
    return fail(ErrorKind::kSystem, program->string() + " is of another version; reinstall");
  }
  if (hello.status != 0) return fail(ErrorKind::kSystem, hello.text);
  std::istringstream lines(hello.text);
  for (std::string line; std::getline(lines, line);) cell->missing_.push_back(line);
  return cell;
}

CellProcess::~CellProcess() {
  kill();
  if (watcher_.joinable()) watcher_.join();
  reap();
}

Result<ControlAnswer> CellProcess::ask(const ControlMessage& message) {
  const std::scoped_lock guard(ask_lock_);
  ControlAnswer answer{};
  if (::send(socket_.get(), &message, sizeof(message), MSG_NOSIGNAL) != sizeof(message) ||
      !receive(socket_.get(), answer)) {
    return fail(ErrorKind::kLost, "the cell has died");
  }
  answer.text[sizeof(answer.text) - 1] = '\0';
  return answer;
}

void CellProcess::watch(std::function<void()> on_death) {
  watcher_ = std::thread([this, on_death = std::move(on_death)] {
    siginfo_t info{};
    // WNOWAIT: the process stays a zombie, so that kill() cannot hit another one, until reap().
    while (::waitid(P_PID, static_cast<id_t>(pid_), &info, WEXITED | WNOWAIT) != 0 && errno == EINTR) {
    }
    on_death();
    reap();
  });
}

void CellProcess::kill() {
  const std::scoped_lock guard(reap_lock_);
  if (!reaped_) ::kill(pid_, SIGKILL);
}

void CellProcess::reap() {
  const std::scoped_lock guard(reap_lock_);
  if (reaped_) return;
  // The cell leads a process group of its own, and its vault, a child of ours too, is in it: whichever of the two came
  // into being is ended and waited for, also where the cell died before it could say anything.
  ::kill(-pid_, SIGKILL);
  while (::waitpid(-pid_, nullptr, 0) > 0 || errno == EINTR) {
  }
  reaped_ = true;
}

}  // namespace coffer::host
