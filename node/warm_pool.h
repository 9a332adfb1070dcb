// Protected memory that is kept warm: files of memfd_secret whose pages exist and are zero. A page of such memory costs
// ten to thirty microseconds at its first touch and next to nothing after, so a launch that gets warm files is faster
// by that. A file belongs to one cell at a time; it is zeroed between two. Not thread-safe.
#pragma once

#include <cstdint>
#include <vector>

#include "base/file.h"
#include "base/result.h"

namespace coffer::node {

class WarmPool {
 public:
  static constexpr std::uint64_t kFileSize = std::uint64_t{16} << 20;

  WarmPool() = default;  // keeps nothing
  // Makes and touches files of `bytes` together, rounded down to whole ones. An error where the machine has no
  // memfd_secret or permits less of it.
  [[nodiscard]] static Result<WarmPool> make(std::uint64_t bytes);

  // Files for a cell with `bytes` of protected memory, no more than half of those that are ready, so that one large
  // enclave does not take the warmth from all others.
  [[nodiscard]] std::vector<FileDescriptor> take(std::uint64_t bytes);
  // Takes them back from a cell that has ended: nobody else may have them open any more.
  void give_back(std::vector<FileDescriptor> files);

  // Zeroes one file that came back. True: there are more.
  bool clean_one();

  [[nodiscard]] std::size_t ready() const { return ready_.size(); }
  [[nodiscard]] std::size_t unclean() const { return unclean_.size(); }

 private:
  std::vector<FileDescriptor> ready_, unclean_;
};

}  // namespace coffer::node
