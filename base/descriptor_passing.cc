#include "base/descriptor_passing.h"

#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <cstring>

namespace coffer {

namespace {

constexpr std::size_t kControlSize = CMSG_SPACE(kMaxPassedDescriptors * sizeof(int));

// The descriptors of a received message: taken over at once, so that none is lost on an error.
std::vector<FileDescriptor> take_descriptors(msghdr& header) {
  std::vector<FileDescriptor> taken;
  for (cmsghdr* part = CMSG_FIRSTHDR(&header); part != nullptr; part = CMSG_NXTHDR(&header, part)) {
    if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_RIGHTS) continue;
    const std::size_t count = (part->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (std::size_t i = 0; i < count; ++i) {
      int fd = -1;
      std::memcpy(&fd, CMSG_DATA(part) + i * sizeof(int), sizeof(fd));
      taken.emplace_back(fd);
    }
  }
  return taken;
}

}  // namespace

Result<void> send_with_descriptors(int socket, ByteView message, std::span<const int> descriptors) {
  if (descriptors.size() > kMaxPassedDescriptors) return input_error("too many descriptors for one message");
  alignas(cmsghdr) std::array<std::byte, kControlSize> control{};
  iovec data{const_cast<std::byte*>(message.data()), message.size()};
  msghdr header{};
  header.msg_iov = &data;
  header.msg_iovlen = 1;
  if (!descriptors.empty()) {
    header.msg_control = control.data();
    header.msg_controllen = CMSG_SPACE(descriptors.size_bytes());
    cmsghdr* rights = CMSG_FIRSTHDR(&header);
    rights->cmsg_level = SOL_SOCKET;
    rights->cmsg_type = SCM_RIGHTS;
    rights->cmsg_len = CMSG_LEN(descriptors.size_bytes());
    std::memcpy(CMSG_DATA(rights), descriptors.data(), descriptors.size_bytes());
  }
  ssize_t sent = 0;
  do {
    sent = ::sendmsg(socket, &header, MSG_NOSIGNAL);
  } while (sent < 0 && errno == EINTR);
  if (sent < 0) return system_error("cannot send over the socket", errno);
  if (static_cast<std::size_t>(sent) != message.size()) return fail(ErrorKind::kSystem, "a message was cut short");
  return {};
}

Result<std::vector<FileDescriptor>> receive_with_descriptors(int socket, std::span<std::byte> message) {
  alignas(cmsghdr) std::array<std::byte, kControlSize> control{};
  iovec data{message.data(), message.size()};
  msghdr header{};
  header.msg_iov = &data;
  header.msg_iovlen = 1;
  header.msg_control = control.data();
  header.msg_controllen = control.size();
  ssize_t got = 0;
  do {
    got = ::recvmsg(socket, &header, MSG_CMSG_CLOEXEC);
  } while (got < 0 && errno == EINTR);
  if (got < 0) return system_error("cannot receive from the socket", errno);
  std::vector<FileDescriptor> descriptors = take_descriptors(header);
  if (got == 0) return fail(ErrorKind::kLost, "the other end has closed the socket");
  if (static_cast<std::size_t>(got) != message.size() || (header.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) != 0) {
    return input_error("a message has the wrong size");
  }
  return descriptors;
}

}  // namespace coffer
