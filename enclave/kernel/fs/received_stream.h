// What was received from a stream of the host's and not yet given to the program, in the right order. Two threads can
// bring pieces in at once (one that waits for events, one that receives), so each piece says where it stands, and one
// that is early waits for the piece before it. Freestanding; thread-safe.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "enclave/kernel/core/locks.h"
#include "enclave/kernel/fs/vfs.h"

namespace coffer::kernel::fs {

class ReceivedStream {
 public:
  // Most bytes that wait here. The host chooses neither this nor the sizes of pieces: both are what was asked for.
  static constexpr std::size_t kMost = std::size_t{4} << 20;

  // Adds a piece. EIO for one that does not fit what came before: the stream is broken from then on.
  Expected<void> add(std::uint64_t offset, std::span<const std::byte> bytes);
  // True where a piece that begins at `offset` is the next one and nothing waits before it; then it counts as given.
  bool pass(std::uint64_t offset, std::size_t size);
  // Whether everything before `offset` has come in, and whether it was given, too.
  [[nodiscard]] bool reaches(std::uint64_t offset);
  [[nodiscard]] bool has_given(std::uint64_t offset);
  // Takes (or looks at) what can be given now.
  std::size_t take(std::span<std::byte> into, bool peek);
  // Bytes that can be given now.
  [[nodiscard]] std::size_t available();
  [[nodiscard]] bool broken();

 private:
  struct Piece {
    std::uint64_t offset;
    std::vector<std::byte> bytes;
  };
  void join_early();
  Expected<void> spoil();

  SpinLock lock_;
  std::uint64_t end_ = 0;         // of what is in order: given or in ready_
  std::vector<std::byte> ready_;  // in order, from taken_ on
  std::size_t taken_ = 0;
  std::vector<Piece> early_;
  bool broken_ = false;
};

}  // namespace coffer::kernel::fs
