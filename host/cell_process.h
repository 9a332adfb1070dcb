// The host's end of a cell: its control socket and its end. The cell is a child of this process, or, where cofferd
// runs, a child of the daemon and another user's; whoever has a CellProcess cannot tell the two apart.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <vector>

#include "base/file.h"
#include "base/result.h"
#include "boundary/slot.h"
#include "host/arena.h"

namespace coffer::host {

class CellProcess {
 public:
  // Starts a cell that maps `arena`, with `epc_size` bytes of protected memory to come. By the daemon where there is
  // one (processor::daemon_socket()), else as a child. Input error "arena address taken" where the cell has that
  // address in use; Refused where the daemon's limits say no.
  [[nodiscard]] static Result<std::unique_ptr<CellProcess>> start(const Arena& arena, std::uint64_t epc_size);
  virtual ~CellProcess() = default;  // kill()s and waits
  CellProcess(const CellProcess&) = delete;
  CellProcess& operator=(const CellProcess&) = delete;

  // One control message and its answer. Lost where the cell has died.
  [[nodiscard]] Result<boundary::ControlAnswer> ask(const boundary::ControlMessage& message);
  // The same with a descriptor, which stays the caller's.
  [[nodiscard]] Result<boundary::ControlAnswer> ask(const boundary::ControlMessage& message, int descriptor);
  // Calls `on_death` once, on a thread of its own, when the cell or its vault has ended for whatever reason; the other
  // of the two is ended before.
  virtual void watch(std::function<void()> on_death) = 0;
  virtual void kill() = 0;
  // Of the cell, where it is a child of this process; 0 where the daemon has it.
  [[nodiscard]] virtual int pid() const { return 0; }
  [[nodiscard]] const std::vector<std::string>& missing() const { return missing_; }

 protected:
  explicit CellProcess(FileDescriptor socket) : socket_(std::move(socket)) {}
  [[nodiscard]] int socket() const { return socket_.get(); }

 private:
  // The cell's first message: that it is ready, or why not.
  [[nodiscard]] Result<void> greet();
  [[nodiscard]] Result<boundary::ControlAnswer> ask_with(const boundary::ControlMessage& message,
                                                         std::span<const int> descriptors);

  FileDescriptor socket_;
  std::mutex ask_lock_;
  std::vector<std::string> missing_;
};

// A cell that is a child of this process.
[[nodiscard]] Result<std::unique_ptr<CellProcess>> start_child_cell(const Arena& arena);
// A cell that the daemon at `socket_path` starts.
[[nodiscard]] Result<std::unique_ptr<CellProcess>> start_daemon_cell(const std::string& socket_path, const Arena& arena,
                                                                     std::uint64_t epc_size);

}  // namespace coffer::host
