// A cell that is a child of this process, and so is its vault.
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <thread>

#include "host/cell_process.h"
#include "host/parts.h"
#include "processor/launch/launch.h"

namespace coffer::host {

namespace {

// The cell sees only what it needs to find the platform's state.
std::vector<std::string> cell_environment() {
  std::vector<std::string> variables;
  for (const char* name : {"COFFER_HOME", "XDG_DATA_HOME", "HOME"}) {
    if (const char* value = std::getenv(name)) variables.push_back(std::string(name) + "=" + value);
  }
  return variables;
}

class ChildCell final : public CellProcess {
 public:
  ChildCell(pid_t pid, FileDescriptor socket) : CellProcess(std::move(socket)), pid_(pid) {}
  ~ChildCell() override {
    ChildCell::kill();
    if (watcher_.joinable()) watcher_.join();
    reap();
  }

  int pid() const override { return pid_; }

  void watch(std::function<void()> on_death) override {
    watcher_ = std::thread([this, on_death = std::move(on_death)] {
      siginfo_t info{};
      // Cell or vault, whichever ends first: an enclave whose processor has lost its fuses is over too. WNOWAIT: the
      // process stays a zombie, so that kill() cannot hit another one, until reap().
      while (::waitid(P_PGID, static_cast<id_t>(pid_), &info, WEXITED | WNOWAIT) != 0 && errno == EINTR) {
      }
      ::kill(-pid_, SIGKILL);
      on_death();
      reap();
    });
  }

  void kill() override {
    const std::scoped_lock guard(reap_lock_);
    if (!reaped_) ::kill(pid_, SIGKILL);
  }

 private:
  void reap() {
    const std::scoped_lock guard(reap_lock_);
    if (reaped_) return;
    // The cell leads a process group of its own, and its vault is in it: whichever of the two came into being is ended
    // and waited for, also where the cell died before it could say anything.
    ::kill(-pid_, SIGKILL);
    while (::waitpid(-pid_, nullptr, 0) > 0 || errno == EINTR) {
    }
    reaped_ = true;
  }

  pid_t pid_;
  std::mutex reap_lock_;  // against a kill() of a process id that is another's by then
  bool reaped_ = false;
  std::thread watcher_;
};

}  // namespace

Result<std::unique_ptr<CellProcess>> start_child_cell(const Arena& arena) {
  auto program = find_part("coffer-cell");
  if (!program) return std::unexpected(program.error());
  std::array<int, 2> pair{};
  if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair.data()) != 0) {
    return system_error("cannot make the cell's control socket", errno);
  }
  FileDescriptor ours(pair[0]);
  const FileDescriptor theirs(pair[1]);
  auto pid = processor::start_cell({.program = *program,
                                    .control = theirs.get(),
                                    .arena = arena.fd(),
                                    .arena_base = arena.base(),
                                    .arena_size = arena.size(),
                                    .environment = cell_environment()});
  if (!pid) return std::unexpected(pid.error());
  return std::make_unique<ChildCell>(*pid, std::move(ours));
}

}  // namespace coffer::host
