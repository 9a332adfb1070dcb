#include "node/cells.h"

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>

#include "processor/launch/launch.h"

namespace coffer::node {

namespace {

constexpr std::uint64_t kPage = 4096;
constexpr std::uint64_t kAddressLimit = std::uint64_t{1} << 47;  // of a program, SDM volume 1, 3.3.7.1

Result<void> check(const boundary::LaunchRequest& request, const FileDescriptor& arena) {
  if (request.version != boundary::kDaemonVersion) return input_error("the request is of another version of Coffer");
  if (request.arena_base % kPage != 0 || request.arena_size == 0 || request.arena_base == 0 ||
      request.arena_base >= kAddressLimit || request.arena_size > kAddressLimit - request.arena_base) {
    return input_error("the arena's place makes no sense");
  }
  struct stat file{};
  if (::fstat(arena.get(), &file) != 0 || !S_ISREG(file.st_mode)) return input_error("the arena is no memory file");
  return {};
}

}  // namespace

Cells::~Cells() {
  for (const Cell& cell : cells_) ::kill(-cell.group, SIGKILL);
  for (const Cell& cell : cells_) {
    while (::waitpid(-cell.group, nullptr, 0) > 0 || errno == EINTR) {
    }
  }
}

Result<Cells::Started> Cells::start(uid_t user, const boundary::LaunchRequest& request, const FileDescriptor& arena) {
  if (auto checked = check(request, arena); !checked) return std::unexpected(checked.error());
  if (auto reserved = accounts_.reserve(user, request.epc_size); !reserved) return std::unexpected(reserved.error());
  const auto give_up = [&](Error error) {
    accounts_.release(user, request.epc_size);
    return std::unexpected(std::move(error));
  };
  std::array<int, 2> pair{};
  if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair.data()) != 0) {
    return give_up(system_error("cannot make a control socket", errno).error());
  }
  FileDescriptor hosts(pair[0]);
  const FileDescriptor cells(pair[1]);
  std::vector<FileDescriptor> warm = pool_.take(request.epc_size);
  std::vector<int> warm_numbers;
  for (const FileDescriptor& file : warm) warm_numbers.push_back(file.get());
  auto pid = processor::start_cell({.program = program_,
                                    .control = cells.get(),
                                    .arena = arena.get(),
                                    .arena_base = request.arena_base,
                                    .arena_size = request.arena_size,
                                    .warm = std::move(warm_numbers),
                                    .environment = {"COFFER_HOME=" + state_.string()}});
  if (!pid) {
    pool_.give_back(std::move(warm));
    return give_up(pid.error());
  }
  cells_.push_back({*pid, user, request.epc_size, std::move(warm)});
  return Started{*pid, std::move(hosts)};
}

void Cells::reap() {
  siginfo_t ended{};
  // First a look, so that the process group can still be asked for; then the end of it.
  while (::waitid(P_ALL, 0, &ended, WEXITED | WNOHANG | WNOWAIT) == 0 && ended.si_pid != 0) {
    const pid_t group = ::getpgid(ended.si_pid);
    if (group > 1 && group != ::getpgrp()) ::kill(-group, SIGKILL);
    ::waitpid(ended.si_pid, nullptr, WNOHANG);
    ended = {};
  }
  std::erase_if(cells_, [this](Cell& cell) {
    if (::kill(-cell.group, 0) == 0 || errno != ESRCH) return false;
    accounts_.release(cell.user, cell.epc_size);
    pool_.give_back(std::move(cell.warm));
    return true;
  });
}

}  // namespace coffer::node
