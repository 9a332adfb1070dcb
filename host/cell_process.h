// The host's end of a cell: starting the process, its control socket, its end.
#pragma once

#include <sys/types.h>

#include <atomic>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "base/file.h"
#include "base/result.h"
#include "boundary/slot.h"
#include "host/arena.h"

namespace coffer::host {

class CellProcess {
 public:
  // Starts a cell that maps `arena`. Input error "arena address taken" where the cell has that address in use.
  [[nodiscard]] static Result<std::unique_ptr<CellProcess>> start(const Arena& arena);
  ~CellProcess();  // kill()s and waits
  CellProcess(const CellProcess&) = delete;
  CellProcess& operator=(const CellProcess&) = delete;

  // One control message and its answer. Lost where the cell has died.
  [[nodiscard]] Result<boundary::ControlAnswer> ask(const boundary::ControlMessage& message);
  // Calls `on_death` once, on a thread of its own, when the process has ended for whatever reason.
  void watch(std::function<void()> on_death);
  void kill();
  [[nodiscard]] const std::vector<std::string>& missing() const { return missing_; }
  [[nodiscard]] pid_t pid() const { return pid_; }

 private:
  CellProcess(pid_t pid, FileDescriptor socket) : pid_(pid), socket_(std::move(socket)) {}
  void reap();

  pid_t pid_;
  FileDescriptor socket_;
  std::mutex ask_lock_;
  std::mutex reap_lock_;  // against a kill() of a process id that is another's by then
  bool reaped_ = false;
  std::vector<std::string> missing_;
  std::thread watcher_;
};

}  // namespace coffer::host
