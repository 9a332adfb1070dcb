#include "node/daemon.h"

#include <fmt/format.h>
#include <poll.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <memory>
#include <optional>

#include "base/descriptor_passing.h"
#include "base/local_socket.h"

namespace coffer::node {

using boundary::LaunchAnswer;
using boundary::LaunchRequest;
using boundary::LaunchStatus;

namespace {

constexpr unsigned kEveryUser = 0666;
constexpr std::size_t kMostConnections = 256;
constexpr std::size_t kMostOfOneUser = 32;  // so that no user can keep the others out
constexpr auto kPatience = std::chrono::seconds(5);
constexpr int kLook = 1000;  // ms between looks at silent connections, while there are any

Result<FileDescriptor> own_signals() {
  sigset_t set;
  sigemptyset(&set);
  for (const int signal : {SIGCHLD, SIGTERM, SIGINT}) sigaddset(&set, signal);
  FileDescriptor signals(::signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
  if (!signals || ::sigprocmask(SIG_BLOCK, &set, nullptr) != 0) return system_error("cannot wait for signals", errno);
  return signals;
}

std::optional<uid_t> user_of(const FileDescriptor& socket) {
  ucred peer{};
  socklen_t size = sizeof(peer);
  if (::getsockopt(socket.get(), SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0) return std::nullopt;
  return peer.uid;
}

LaunchAnswer no(const Error& error) {
  LaunchAnswer answer;
  answer.status = error.kind == ErrorKind::kRefused ? LaunchStatus::kRefused : LaunchStatus::kFailed;
  std::memcpy(answer.text, error.message.data(), std::min(error.message.size(), sizeof(answer.text) - 1));
  return answer;
}

}  // namespace

Result<Listener> Listener::at(const std::filesystem::path& path) {
  if (connect_to(path, SocketKind::kPackets).socket) {
    return input_error(path.string() + ": a daemon listens there already");
  }
  struct stat there{};
  if (::lstat(path.c_str(), &there) == 0 && !S_ISSOCK(there.st_mode)) {
    return input_error(path.string() + ": is there and is no socket");
  }
  auto socket = listen_at(path, SocketKind::kPackets, kEveryUser);
  if (!socket) return std::unexpected(socket.error());
  return Listener(path, std::move(*socket));
}

Listener::~Listener() {
  if (socket_) ::unlink(path_.c_str());
}

Result<std::unique_ptr<Daemon>> Daemon::make(Listener listener, Cells& cells,
                                             std::function<void(const std::string&)> log) {
  auto signals = own_signals();
  if (!signals) return std::unexpected(signals.error());
  return std::unique_ptr<Daemon>(new Daemon(std::move(listener), std::move(*signals), cells, std::move(log)));
}

Result<void> Daemon::serve() {
  while (true) {
    std::vector<pollfd> waiting = {{listener_.get(), POLLIN, 0}, {signals_.get(), POLLIN, 0}};
    for (const Connection& connection : connections_) waiting.push_back({connection.socket.get(), POLLIN, 0});
    const int patience = !cells_.is_tidy() ? 0 : connections_.empty() ? -1 : kLook;
    const int ready = ::poll(waiting.data(), waiting.size(), patience);
    if (ready == 0) cells_.tidy_up();
    if (ready < 0 && errno != EINTR) return system_error("cannot wait for requests", errno);
    if ((waiting[1].revents & POLLIN) != 0 && take_signals()) return {};
    for (std::size_t i = 2; i < waiting.size(); ++i) {
      if (waiting[i].revents == 0) continue;
      answer(connections_[i - 2]);
      connections_[i - 2].socket.reset();
    }
    std::erase_if(connections_, [](const Connection& connection) { return !connection.socket; });
    drop_silent_ones();
    if ((waiting[0].revents & POLLIN) != 0) accept_one();
  }
}

bool Daemon::take_signals() {
  signalfd_siginfo info{};
  bool over = false;
  bool children = false;
  while (::read(signals_.get(), &info, sizeof(info)) == sizeof(info)) {
    if (info.ssi_signo == SIGCHLD) {
      children = true;
    } else {
      over = true;
    }
  }
  if (children) cells_.reap();
  return over;
}

void Daemon::accept_one() {
  FileDescriptor socket(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
  if (!socket) return;  // gone again, or no descriptors: the next one has its chance
  const auto user = user_of(socket);
  if (!user) return;
  const auto same = std::ranges::count(connections_, *user, &Connection::user);
  if (connections_.size() >= kMostConnections || static_cast<std::size_t>(same) >= kMostOfOneUser) return;
  connections_.push_back({std::move(socket), *user, Clock::now() + kPatience});
}

void Daemon::answer(Connection& connection) {
  LaunchRequest request;
  auto descriptors = receive_with_descriptors(connection.socket.get(), std::as_writable_bytes(std::span(&request, 1)));
  if (!descriptors && descriptors.error().kind == ErrorKind::kLost) return;  // it went away
  Result<Cells::Started> started = input_error("a request comes with the arena's descriptor and nothing else");
  if (!descriptors) {
    started = std::unexpected(descriptors.error());
  } else if (descriptors->size() == 1) {
    started = cells_.start(connection.user, request, descriptors->front());
  }
  if (!started) {
    log_(fmt::format("user {}: not started: {}", connection.user, started.error().message));
    (void)send_with_descriptors(connection.socket.get(), bytes_of(no(started.error())), {});
    return;
  }
  LaunchAnswer answer;
  answer.status = LaunchStatus::kStarted;
  answer.pid = started->pid;
  // Where the client has gone meanwhile, the control socket closes here, and the cell ends by that.
  (void)send_with_descriptors(connection.socket.get(), bytes_of(answer), std::array{started->control.get()});
}

void Daemon::drop_silent_ones() {
  const auto now = Clock::now();
  std::erase_if(connections_, [now](const Connection& connection) { return connection.deadline < now; });
}

}  // namespace coffer::node
