// Unix sockets at paths of any length, also longer than a socket's address has room for.
#pragma once

#include <sys/socket.h>

#include <filesystem>
#include <string>
#include <string_view>

#include "base/file.h"
#include "base/result.h"

namespace coffer {

enum class SocketKind { kStream = SOCK_STREAM, kPackets = SOCK_SEQPACKET };

// A socket that listens at `path`, not blocking. It appears there, in place of what was there, when it can be connected
// to, so that whoever finds one that refuses knows that it is dead. `mode`: who may connect.
[[nodiscard]] Result<FileDescriptor> listen_at(const std::filesystem::path& path, SocketKind kind, unsigned mode);
// errno in the error's place tells a dead socket (ECONNREFUSED) from others. A listener whose queue stays full for a
// second is an error too (EAGAIN).
struct Connected {
  FileDescriptor socket;
  int error = 0;
};
[[nodiscard]] Connected connect_to(const std::filesystem::path& path, SocketKind kind);
// The process at the other end, or 0 where it is of another user and not root.
[[nodiscard]] int trusted_peer(int socket);
// Bounds each later read and write on the socket; 0: no bound.
void set_timeout(int socket, int milliseconds);
// False where the other side went away or was too slow.
[[nodiscard]] bool send_whole(int socket, std::string_view text);
// Until the other side ends, at most `limit` bytes; false where it was too slow or sent more.
[[nodiscard]] bool receive_whole(int socket, std::size_t limit, std::string& text);

}  // namespace coffer
