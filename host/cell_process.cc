#include "host/cell_process.h"

#include <sys/socket.h>

#include <cerrno>
#include <sstream>

#include "base/descriptor_passing.h"
#include "processor/launch/launch.h"

namespace coffer::host {

using boundary::ControlAnswer;
using boundary::ControlHello;
using boundary::ControlMessage;

namespace {

template <class T>
bool receive(int socket, T& message) {
  while (true) {
    const ssize_t size = ::recv(socket, &message, sizeof(message), 0);
    if (size < 0 && errno == EINTR) continue;
    return size == sizeof(message);
  }
}

}  // namespace

Result<std::unique_ptr<CellProcess>> CellProcess::start(const Arena& arena, std::uint64_t epc_size) {
  const std::string daemon = processor::daemon_socket();
  auto cell = daemon.empty() ? start_child_cell(arena) : start_daemon_cell(daemon, arena, epc_size);
  if (!cell) return cell;
  if (auto ready = (*cell)->greet(); !ready) return std::unexpected(ready.error());
  return cell;
}

Result<void> CellProcess::greet() {
  ControlHello hello{};
  if (!receive(socket_.get(), hello)) return fail(ErrorKind::kSystem, "the cell ended before it was ready");
  hello.text[sizeof(hello.text) - 1] = '\0';
  if (hello.version != boundary::kControlVersion) {
    return fail(ErrorKind::kSystem, "coffer-cell is of another version; reinstall");
  }
  if (hello.status != 0) return fail(ErrorKind::kSystem, hello.text);
  std::istringstream lines(hello.text);
  for (std::string line; std::getline(lines, line);) missing_.push_back(line);
  return {};
}

Result<ControlAnswer> CellProcess::ask(const ControlMessage& message) { return ask_with(message, {}); }

Result<ControlAnswer> CellProcess::ask(const ControlMessage& message, int descriptor) {
  return ask_with(message, std::span(&descriptor, 1));
}

Result<ControlAnswer> CellProcess::ask_with(const ControlMessage& message, std::span<const int> descriptors) {
  const std::scoped_lock guard(ask_lock_);
  ControlAnswer answer{};
  if (!send_with_descriptors(socket_.get(), bytes_of(message), descriptors) || !receive(socket_.get(), answer)) {
    return fail(ErrorKind::kLost, "the cell has died");
  }
  answer.text[sizeof(answer.text) - 1] = '\0';
  return answer;
}

}  // namespace coffer::host
