#include "emulate/user_memory.h"

#include <sys/uio.h>
#include <unistd.h>
#include <cerrno>
#include <cstring>

namespace coffer::emulate {

namespace {

enum class Direction : std::uint8_t { kRead, kWrite };

bool copy(Direction direction, std::uint64_t address, void* local, std::size_t size) {
  const iovec here{local, size};
  const iovec there{reinterpret_cast<void*>(address), size};
  const ssize_t done = direction == Direction::kRead ? ::process_vm_readv(::getpid(), &here, 1, &there, 1, 0)
                                                     : ::process_vm_writev(::getpid(), &here, 1, &there, 1, 0);
  if (done >= 0) return static_cast<std::size_t>(done) == size;
  if (errno != ENOSYS && errno != EPERM) return false;
  // A container's filter may forbid the careful way: then a bad address is the program's own fault to have.
  if (direction == Direction::kRead) {
    std::memcpy(local, reinterpret_cast<const void*>(address), size);
  } else {
    std::memcpy(reinterpret_cast<void*>(address), local, size);
  }
  return true;
}

}  // namespace

bool read_user(std::uint64_t address, void* to, std::size_t size) { return copy(Direction::kRead, address, to, size); }

bool write_user(std::uint64_t address, const void* from, std::size_t size) {
  return copy(Direction::kWrite, address, const_cast<void*>(from), size);
}

}  // namespace coffer::emulate
