#include "host/operate/unix_socket.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>

namespace coffer::operate {

namespace {

// An address through an open folder: short whatever the folder's path is.
sockaddr_un address_in(int folder, const std::string& name) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::snprintf(address.sun_path, sizeof(address.sun_path), "/proc/self/fd/%d/%s", folder, name.c_str());
  return address;
}

FileDescriptor open_folder(const std::filesystem::path& folder) {
  return FileDescriptor(::open(folder.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
}

}  // namespace

Result<FileDescriptor> listen_at(const std::filesystem::path& folder, const std::string& name) {
  const FileDescriptor place = open_folder(folder);
  if (!place) return system_error("cannot open " + folder.string(), errno);
  FileDescriptor socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!socket) return system_error("cannot make a socket", errno);
  const std::string early = ".new-" + name;
  const sockaddr_un address = address_in(place.get(), early);
  constexpr int kBacklog = 16;
  if (::bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0 ||
      ::listen(socket.get(), kBacklog) != 0 || ::renameat(place.get(), early.c_str(), place.get(), name.c_str()) != 0) {
    const int error = errno;
    ::unlinkat(place.get(), early.c_str(), 0);
    return system_error("cannot make a socket in " + folder.string(), error);
  }
  return socket;
}

Connected connect_to(const std::filesystem::path& folder, const std::string& name) {
  const FileDescriptor place = open_folder(folder);
  if (!place) return {{}, errno};
  FileDescriptor socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const sockaddr_un address = address_in(place.get(), name);
  set_timeout(socket.get(), 1000);  // a full queue of one who does not answer
  if (::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0) return {{}, errno};
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

}  // namespace coffer::operate
