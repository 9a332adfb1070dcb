// Pipes and event counters between threads of the enclave. Freestanding; thread-safe.
#pragma once

#include <utility>

#include "enclave/kernel/fs/vfs.h"

namespace coffer::kernel::fs {

inline constexpr std::size_t kPipeCapacity = 64 * 1024;
inline constexpr std::size_t kPipeAtomic = 4096;  // PIPE_BUF: writes up to this size are never mixed with others

// What splice() and tee() do with one end of a pipe beside reading and writing.
class PipeAccess {
 public:
  [[nodiscard]] virtual bool is_reader() const = 0;
  [[nodiscard]] virtual bool same_pipe(const PipeAccess& other) const = 0;
  // The end to read from: what read_stream() would give, left where it is.
  virtual Expected<std::size_t> peek(std::span<std::byte> into, bool nonblocking) = 0;
  // The end to read from: what was read and could not be passed on is to be read next.
  virtual void give_back(std::span<const std::byte> bytes) = 0;
  // The end to write to: how many bytes there is room for, at least one. EPIPE where nobody can read them.
  virtual Expected<std::size_t> wait_for_room(bool nonblocking) = 0;

 protected:
  ~PipeAccess() = default;
};

// The end to read from and the end to write to.
std::pair<Ref<File>, Ref<File>> make_pipe();

// eventfd(2): reads take the counter (or 1 of it for a semaphore), writes add to it.
Ref<File> make_event_counter(std::uint64_t initial, bool semaphore);

}  // namespace coffer::kernel::fs
