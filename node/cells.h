// The cells that this daemon has started and who they are accounted to. Not thread-safe: the daemon has one thread.
#pragma once

#include <sys/types.h>

#include <filesystem>
#include <vector>

#include "base/file.h"
#include "base/result.h"
#include "boundary/daemon.h"
#include "node/accounts.h"
#include "node/warm_pool.h"

namespace coffer::node {

class Cells {
 public:
  // `program` is coffer-cell, `state` the folder of the platform's keys.
  Cells(std::filesystem::path program, std::filesystem::path state, const Limits& limits, WarmPool pool)
      : program_(std::move(program)), state_(std::move(state)), accounts_(limits), pool_(std::move(pool)) {}
  ~Cells();  // ends all of them
  Cells(const Cells&) = delete;
  Cells& operator=(const Cells&) = delete;

  struct Started {
    pid_t pid = -1;
    FileDescriptor control;  // the host's end
  };
  // Refused: a limit. Input: the request makes no sense.
  [[nodiscard]] Result<Started> start(uid_t user, const boundary::LaunchRequest& request, const FileDescriptor& arena);

  // Takes the ends of children: a cell ends with its vault and a vault with its cell, and what they held is free when
  // both have. Call it at SIGCHLD.
  void reap();

  // Does a piece of what can wait until nobody asks for anything. True: there is more of it.
  bool tidy_up() { return pool_.clean_one(); }
  [[nodiscard]] bool is_tidy() const { return pool_.unclean() == 0; }

  [[nodiscard]] const Accounts& accounts() const { return accounts_; }

 private:
  struct Cell {
    pid_t group = -1;  // the cell's process id, and its vault is in the group
    uid_t user = 0;
    std::uint64_t epc_size = 0;
    std::vector<FileDescriptor> warm;
  };

  std::filesystem::path program_, state_;
  Accounts accounts_;
  WarmPool pool_;
  std::vector<Cell> cells_;
};

}  // namespace coffer::node
