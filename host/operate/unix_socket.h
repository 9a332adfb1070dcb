// Unix sockets in folders whose path may be longer than a socket's address has room for.
#pragma once

#include <filesystem>
#include <string>

#include "base/file.h"
#include "base/result.h"

namespace coffer::operate {

// A socket that listens at folder/name. It appears there when it can be connected to, so that whoever finds one that
// refuses knows that it is dead.
[[nodiscard]] Result<FileDescriptor> listen_at(const std::filesystem::path& folder, const std::string& name);
// errno in the error's place tells a dead socket (ECONNREFUSED) from others.
struct Connected {
  FileDescriptor socket;
  int error = 0;
};
[[nodiscard]] Connected connect_to(const std::filesystem::path& folder, const std::string& name);
// The process at the other end, or 0 where it is of another user and not root.
[[nodiscard]] int trusted_peer(int socket);
// Bounds each later read and write on the socket.
void set_timeout(int socket, int milliseconds);
// False where the other side went away or was too slow.
[[nodiscard]] bool send_whole(int socket, std::string_view text);
// Until the other side ends, at most `limit` bytes; false where it was too slow or sent more.
[[nodiscard]] bool receive_whole(int socket, std::size_t limit, std::string& text);

}  // namespace coffer::operate
