// Host files of which the carrier has descriptors of its own, so that reading and writing them is one system call here
// and no trip to the host program.
//
// Nothing is trusted on either side that was not before: the enclave gets what it could ask the host for, and takes
// what comes as the host's word; data goes through the thread's exchange area as ever.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <span>

#include "base/file.h"
#include "boundary/calls.h"
#include "processor/entry.h"

namespace coffer::processor {

// Thread-safe.
class SharedFiles {
 public:
  // Takes `file` for requests with `handle` (boundary/calls.h). False where the handle is out of range, taken, or
  // one of the standard streams.
  [[nodiscard]] bool add(std::uint64_t handle, FileDescriptor file);
  // False where the handle is none of the files here. One that is being read or written is closed after that.
  bool remove(std::uint64_t handle);

  // kFileRead or kFileWrite, with the registers of the answer; `area` is the thread's exchange area. False, with
  // nothing changed, where the host has to answer: another file, the current position, or anything but success, of
  // which the host then says what it was (transfers at a position can be done twice).
  [[nodiscard]] bool serve(Registers& registers, std::span<std::byte> area);

 private:
  using File = std::shared_ptr<const FileDescriptor>;
  [[nodiscard]] File find(std::uint64_t handle);

  std::mutex lock_;
  std::array<File, boundary::kMaxSharedHandles> files_;  // by handle
};

// What an entry loop needs for them; none: every request for a file goes to the host.
struct FileAccess {
  SharedFiles* files = nullptr;
  std::span<std::byte> area;  // the exchange area of the loop's thread
};

}  // namespace coffer::processor
