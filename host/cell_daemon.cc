// A cell that cofferd started: another user's process, of which this one has the control socket alone. Closing it ends
// the cell, and its end closes it.
#include <poll.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <thread>

#include "base/descriptor_passing.h"
#include "base/local_socket.h"
#include "boundary/daemon.h"
#include "host/cell_process.h"

namespace coffer::host {

using boundary::LaunchAnswer;
using boundary::LaunchRequest;
using boundary::LaunchStatus;

namespace {

class DaemonCell final : public CellProcess {
 public:
  explicit DaemonCell(FileDescriptor socket) : CellProcess(std::move(socket)) {}
  ~DaemonCell() override {
    DaemonCell::kill();
    if (watcher_.joinable()) watcher_.join();
  }

  void watch(std::function<void()> on_death) override {
    watcher_ = std::thread([this, on_death = std::move(on_death)] {
      pollfd end{.fd = socket(), .events = POLLRDHUP, .revents = 0};
      while (::poll(&end, 1, -1) < 0 && errno == EINTR) {
      }
      on_death();
    });
  }

  void kill() override { ::shutdown(socket(), SHUT_RDWR); }

 private:
  std::thread watcher_;
};

}  // namespace

Result<std::unique_ptr<CellProcess>> start_daemon_cell(const std::string& socket_path, const Arena& arena,
                                                       std::uint64_t epc_size) {
  const Connected daemon = connect_to(socket_path, SocketKind::kPackets);
  if (!daemon.socket) {
    return system_error(
        "cannot reach cofferd at " + socket_path + " (start it, or set COFFER_DAEMON=none to run cells of your own)",
        daemon.error);
  }
  const LaunchRequest request{.arena_base = arena.base(), .arena_size = arena.size(), .epc_size = epc_size};
  if (auto sent = send_with_descriptors(daemon.socket.get(), bytes_of(request), std::array{arena.fd()}); !sent) {
    return std::unexpected(sent.error());
  }
  LaunchAnswer answer;
  auto descriptors = receive_with_descriptors(daemon.socket.get(), std::as_writable_bytes(std::span(&answer, 1)));
  if (!descriptors) return fail(ErrorKind::kSystem, "cofferd: " + descriptors.error().message);
  answer.text[sizeof(answer.text) - 1] = '\0';
  if (answer.version != boundary::kDaemonVersion) return fail(ErrorKind::kSystem, "cofferd is of another version");
  if (answer.status != LaunchStatus::kStarted || descriptors->size() != 1) {
    return fail(answer.status == LaunchStatus::kRefused ? ErrorKind::kRefused : ErrorKind::kSystem,
                std::string("cofferd: ") + answer.text);
  }
  return std::make_unique<DaemonCell>(std::move(descriptors->front()));
}

}  // namespace coffer::host
