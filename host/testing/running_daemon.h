// A cofferd of a test or a measurement: its own socket, its own platform, ended with the object.
#pragma once

#include <sys/types.h>

#include <filesystem>
#include <memory>
#include <span>
#include <string>

#include "base/result.h"

namespace coffer::host::testing {

class RunningDaemon {
 public:
  // Listens at `folder`/cofferd.sock and keeps its state in `folder`/platform; `options` come behind. It serves when
  // this returns: its warm memory is there.
  static Result<std::unique_ptr<RunningDaemon>> start(const std::filesystem::path& program,
                                                      const std::filesystem::path& folder,
                                                      std::span<const std::string> options);
  ~RunningDaemon();
  RunningDaemon(const RunningDaemon&) = delete;
  RunningDaemon& operator=(const RunningDaemon&) = delete;

  [[nodiscard]] const std::string& socket() const { return socket_; }
  [[nodiscard]] pid_t pid() const { return pid_; }
  // Ends it and waits until it is gone; the status of waitpid().
  int stop();

 private:
  explicit RunningDaemon(std::string socket) : socket_(std::move(socket)) {}
  std::string socket_;
  pid_t pid_ = -1;
};

}  // namespace coffer::host::testing
