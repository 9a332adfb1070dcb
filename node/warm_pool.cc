#include "node/warm_pool.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <iterator>

#include "processor/launch/launch.h"

namespace coffer::node {

namespace {

// Writes zeroes over the whole file, which also brings its pages into being.
bool zero(const FileDescriptor& file) {
  void* memory = ::mmap(nullptr, WarmPool::kFileSize, PROT_READ | PROT_WRITE, MAP_SHARED, file.get(), 0);
  if (memory == MAP_FAILED) return false;
  std::memset(memory, 0, WarmPool::kFileSize);
  ::munmap(memory, WarmPool::kFileSize);
  return true;
}

}  // namespace

Result<WarmPool> WarmPool::make(std::uint64_t bytes) {
  WarmPool pool;
  for (std::uint64_t i = 0; i < bytes / kFileSize; ++i) {
    FileDescriptor file(static_cast<int>(::syscall(SYS_memfd_secret, O_CLOEXEC)));
    if (!file) return system_error("no warm memory: memfd_secret", errno);
    if (::ftruncate(file.get(), static_cast<off_t>(kFileSize)) != 0) {
      return system_error("no warm memory: memfd_secret cannot be sized", errno);
    }
    if (!zero(file)) return system_error("no warm memory: the locked-memory limit is too small for it", errno);
    pool.ready_.push_back(std::move(file));
  }
  return pool;
}

std::vector<FileDescriptor> WarmPool::take(std::uint64_t bytes) {
  const std::uint64_t wanted = bytes / kFileSize + (bytes % kFileSize != 0);
  const std::uint64_t share = (ready_.size() + 1) / 2;
  const auto count = std::min<std::uint64_t>({wanted, share, processor::kMaxWarmFiles});
  const auto first = ready_.end() - static_cast<std::ptrdiff_t>(count);
  std::vector<FileDescriptor> taken(std::make_move_iterator(first), std::make_move_iterator(ready_.end()));
  ready_.erase(first, ready_.end());
  return taken;
}

void WarmPool::give_back(std::vector<FileDescriptor> files) { std::ranges::move(files, std::back_inserter(unclean_)); }

bool WarmPool::clean_one() {
  if (unclean_.empty()) return false;
  FileDescriptor file = std::move(unclean_.back());
  unclean_.pop_back();
  // One that cannot be cleaned is closed, which frees its memory: a smaller pool is better than a secret that stays.
  if (zero(file)) ready_.push_back(std::move(file));
  return !unclean_.empty();
}

}  // namespace coffer::node
