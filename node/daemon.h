// cofferd's listening socket and its one thread: connections, their requests, the ends of cells, its own end.
#pragma once

#include <chrono>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/file.h"
#include "base/result.h"
#include "node/cells.h"

namespace coffer::node {

// A listening socket that every user may connect to: who may have how much is the limits' affair. Removes its path at
// the end, where this process still may.
class Listener {
 public:
  // Replaces the socket of a daemon that has ended; a living one's is an error.
  [[nodiscard]] static Result<Listener> at(const std::filesystem::path& path);
  ~Listener();
  Listener(Listener&&) = default;
  Listener& operator=(Listener&&) = delete;

  [[nodiscard]] int get() const { return socket_.get(); }

 private:
  Listener(std::filesystem::path path, FileDescriptor socket) : path_(std::move(path)), socket_(std::move(socket)) {}

  std::filesystem::path path_;
  FileDescriptor socket_;
};

class Daemon {
 public:
  // SIGCHLD, SIGTERM and SIGINT are this object's from here on, so no other thread may exist. `log` gets one line for
  // what operators want to know.
  [[nodiscard]] static Result<std::unique_ptr<Daemon>> make(Listener listener, Cells& cells,
                                                            std::function<void(const std::string&)> log);

  // Serves until SIGTERM or SIGINT.
  [[nodiscard]] Result<void> serve();

 private:
  using Clock = std::chrono::steady_clock;
  struct Connection {
    FileDescriptor socket;
    uid_t user = 0;
    Clock::time_point deadline;  // a client that says nothing by then is dropped
  };

  Daemon(Listener listener, FileDescriptor signals, Cells& cells, std::function<void(const std::string&)> log)
      : listener_(std::move(listener)), signals_(std::move(signals)), cells_(cells), log_(std::move(log)) {}

  // True: it is time to end.
  [[nodiscard]] bool take_signals();
  void accept_one();
  void answer(Connection& connection);
  void drop_silent_ones();

  Listener listener_;
  FileDescriptor signals_;
  Cells& cells_;
  std::function<void(const std::string&)> log_;
  std::vector<Connection> connections_;
};

}  // namespace coffer::node
