// What a host asks of cofferd, over a connection of its own to the daemon's Unix socket (SOCK_SEQPACKET): one request,
// one answer, the end. From then on host and cell talk over the control socket that came with the answer (slot.h), and
// the daemon is no party to it.
//
// Neither side believes the other: the daemon takes the caller's user from the socket (SO_PEERCRED), sizes are bounded,
// and the arena is a file of the host's that the daemon only hands on.
#pragma once

#include <cstdint>

namespace coffer::boundary {

inline constexpr std::uint32_t kDaemonVersion = 1;

// With one descriptor: the arena's file.
struct LaunchRequest {
  std::uint32_t version = kDaemonVersion;
  std::uint32_t reserved = 0;
  std::uint64_t arena_base = 0, arena_size = 0;  // where the cell is to map the arena, and its bytes
  std::uint64_t epc_size = 0;                    // bytes that are accounted to the caller until the cell has ended
};

enum class LaunchStatus : std::uint32_t {
  kStarted = 0,  // with one descriptor: the control socket
  kRefused = 1,  // a limit; `text` names it
  kFailed = 2,   // the request or the machine; `text` says what
};

struct LaunchAnswer {
  std::uint32_t version = kDaemonVersion;
  LaunchStatus status = LaunchStatus::kFailed;
  std::int32_t pid = 0;  // of the cell, for people
  std::uint32_t reserved = 0;
  char text[496] = {};  // one line, NUL-terminated
};

}  // namespace coffer::boundary
