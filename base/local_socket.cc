#include "base/local_socket.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>

namespace coffer {

namespace {

// An address through an open folder: short whatever the folder's path is.
sockaddr_un address_in(int folder, const std::string& name) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::snprintf(address.sun_path, sizeof(address.sun_path), "/proc/self/fd/%d/%s", folder, name.c_str());
  return address;
}

FileDescriptor open_folder_of(const std::filesystem::path& path) {
  const std::filesystem::path folder = path.has_parent_path() ? path.parent_path() : ".";
  return FileDescriptor(::open(folder.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
}

}  // namespace

Result<FileDescriptor> listen_at(const std::filesystem::path& path, SocketKind kind, unsigned mode) {
  const FileDescriptor folder = open_folder_of(path);
  if (!folder) return system_error("cannot listen at " + path.string(), errno);
  FileDescriptor socket(::socket(AF_UNIX, static_cast<int>(kind) | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!socket) return system_error("cannot make a socket", errno);
  const std::string name = path.filename();
  const std::string early = ".new-" + name;
  const sockaddr_un address = address_in(folder.get(), early);
  ::unlinkat(folder.get(), early.c_str(), 0);  // of one who was killed right here
  if (::bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0 ||
      ::fchmodat(folder.get(), early.c_str(), mode, 0) != 0 || ::listen(socket.get(), SOMAXCONN) != 0 ||
      ::renameat(folder.get(), early.c_str(), folder.get(), name.c_str()) != 0) {
    const int error = errno;
    ::unlinkat(folder.get(), early.c_str(), 0);
    return system_error("cannot listen at " + path.string(), error);
  }
  return socket;
}

Connected connect_to(const std::filesystem::path& path, SocketKind kind) {
  const FileDescriptor folder = open_folder_of(path);
  if (!folder) return {{}, errno};
  FileDescriptor socket(::socket(AF_UNIX, static_cast<int>(kind) | SOCK_CLOEXEC, 0));
  if (!socket) return {{}, errno};
  const sockaddr_un address = address_in(folder.get(), path.filename());
  constexpr int kPatience = 1000;  // ms, for a full queue of one who does not answer
  set_timeout(socket.get(), kPatience);
  if (::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0) return {{}, errno};
  set_timeout(socket.get(), 0);
  return {std::move(socket), 0};
}

int trusted_peer(int socket) {
  ucred peer{};
  socklen_t size = sizeof(peer);
  if (::getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0) return 0;
  return peer.uid == ::geteuid() || peer.uid == 0 ? peer.pid : 0;
}

void set_timeout(int socket, int milliseconds) {
  const timeval time{.tv_sec = milliseconds / 1000, .tv_usec = milliseconds % 1000 * 1000};
  ::setsockopt(socket, SOL_SOCKET, SO_RCVTIMEO, &time, sizeof(time));
  ::setsockopt(socket, SOL_SOCKET, SO_SNDTIMEO, &time, sizeof(time));
}

bool send_whole(int socket, std::string_view text) {
  while (!text.empty()) {
    const ssize_t sent = ::send(socket, text.data(), text.size(), MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent <= 0) return false;
    text.remove_prefix(static_cast<std::size_t>(sent));
  }
  return true;
}

bool receive_whole(int socket, std::size_t limit, std::string& text) {
  std::array<char, 16384> piece{};
  while (true) {
    const ssize_t got = ::recv(socket, piece.data(), piece.size(), 0);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return false;
    if (got == 0) return true;
    if (text.size() + static_cast<std::size_t>(got) > limit) return false;
    text.append(piece.data(), static_cast<std::size_t>(got));
  }
}

}  // namespace coffer
