// Starting a cell: whoever does it, the host itself or cofferd for it. Needs nothing of the processor but its program.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "base/result.h"

namespace coffer::processor {

// The cell's descriptors: 3 the control socket, 4 the arena, from 5 on files of warm memory.
inline constexpr int kFirstWarmFile = 5;
inline constexpr std::size_t kMaxWarmFiles = 64;

struct CellLaunch {
  std::filesystem::path program;  // coffer-cell
  int control = -1;               // the cell's end of its control socket; stays the caller's
  int arena = -1;                 // the arena's file; stays the caller's
  std::uint64_t arena_base = 0, arena_size = 0;
  std::vector<int> warm;  // memfd_secret files of one size whose pages are there and zero, at most kMaxWarmFiles
  std::vector<std::string> environment;  // "NAME=value": where the platform's state is, and nothing else
};

// Starts the cell in a session and process group of its own, whose number is the process id that is returned. Its vault
// will be a child of this process and a member of that group. The first message on the control socket is the cell's
// ControlHello (boundary/slot.h).
[[nodiscard]] Result<pid_t> start_cell(const CellLaunch& launch);

// Where the daemon that starts cells for others listens: $COFFER_DAEMON, else /run/coffer/cofferd.sock where that is
// there. Empty: no daemon ("none" in $COFFER_DAEMON says so whatever is there).
[[nodiscard]] std::string daemon_socket();

}  // namespace coffer::processor
