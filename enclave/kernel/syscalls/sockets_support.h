// What the handlers of socket calls have in common. Freestanding; internal to syscalls/files_*.cc.
#pragma once

#include <fcntl.h>

#include "enclave/kernel/fs/socket.h"
#include "enclave/kernel/syscalls/files_support.h"

namespace coffer::kernel::file_calls {

// A socket and what keeps it open during a call.
struct HeldSocket {
  fs::Ref<fs::Description> description;
  fs::Socket* socket;
  [[nodiscard]] bool nonblocking() const { return (description->flags() & O_NONBLOCK) != 0; }
};
// EBADF, ENOTSOCK.
Expected<HeldSocket> user_socket(std::uint64_t number);

// Copies the application's sockaddr. EINVAL where it is longer than any.
Expected<fs::SocketAddress> user_address(std::uint64_t address, std::uint64_t size);
// Gives an address back as the ABI does: cut off at *size, which then says how long it is. Nothing for a null address.
Expected<void> give_address(const fs::SocketAddress& name, std::uint64_t address, std::uint64_t size_address);

}  // namespace coffer::kernel::file_calls
