// cofferd's listening socket and its one thread: connections, their requests, the ends of cells, its own end.
#pragma once

#include <chrono>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "base/file.h"
#include "base/result.h"
#include "node/cells.h"

namespace coffer::node {

class Daemon {
 public:
  // Listens at `socket`, which every user may connect to: who may have how much is the limits' affair. Replaces the
  // socket of a daemon that has ended; a living one's is an error. SIGCHLD, SIGTERM and SIGINT are this object's from
  // here on, so no other thread may exist. `log` gets one line for what operators want to know.
  [[nodiscard]] static Result<std::unique_ptr<Daemon>> listen(const std::filesystem::path& socket, Cells& cells,
                                                              std::function<void(const std::string&)> log);
  ~Daemon();  // removes the socket
  Daemon(const Daemon&) = delete;
  Daemon& operator=(const Daemon&) = delete;

  // Serves until SIGTERM or SIGINT.
  [[nodiscard]] Result<void> serve();

 private:
  using Clock = std::chrono::steady_clock;
  struct Connection {
    FileDescriptor socket;
    uid_t user = 0;
    Clock::time_point deadline;  // a client that says nothing by then is dropped
  };

  Daemon(std::filesystem::path path, FileDescriptor listener, FileDescriptor signals, Cells& cells,
         std::function<void(const std::string&)> log)
      : path_(std::move(path)),
        listener_(std::move(listener)),
        signals_(std::move(signals)),
        cells_(cells),
        log_(std::move(log)) {}

  // True: it is time to end.
  [[nodiscard]] bool take_signals();
  void accept_one();
  void answer(Connection& connection);
  void drop_silent_ones();

  std::filesystem::path path_;
  FileDescriptor listener_, signals_;
  Cells& cells_;
  std::function<void(const std::string&)> log_;
  std::vector<Connection> connections_;
};

}  // namespace coffer::node
