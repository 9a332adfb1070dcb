#include "host/arena.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <random>

#include "boundary/sanitized.h"

namespace coffer::host {

namespace {

constexpr std::uint64_t kPage = 4096;
#if defined(__SANITIZE_THREAD__)
constexpr std::uint64_t kLowest = 0x10'0000'0000;  // the sanitizer keeps the usual range for itself
constexpr std::uint64_t kHighest = 0x78'0000'0000;
#else
constexpr std::uint64_t kLowest = 0x1000'0000'0000;  // between the program's mappings and the stacks and libraries
constexpr std::uint64_t kHighest = 0x5000'0000'0000;
#endif
constexpr std::uint64_t kAlignment = std::uint64_t{2} << 20;
constexpr int kAttempts = 64;

void* map_somewhere(int fd, std::uint64_t size) {
  std::random_device random;
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    const std::uint64_t pick = std::uint64_t{random()} << 32 | random();
    const std::uint64_t address = (kLowest + pick % (kHighest - kLowest)) & ~(kAlignment - 1);
    if (boundary::in_way_of_sanitized(address, size)) continue;
    void* wanted = reinterpret_cast<void*>(address);
    void* got = ::mmap(wanted, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED_NOREPLACE, fd, 0);
    if (got == wanted) return got;
    if (got != MAP_FAILED) ::munmap(got, size);
  }
  return MAP_FAILED;
}

}  // namespace

Result<Arena> Arena::make(std::uint64_t size) {
  size = (size + kPage - 1) & ~(kPage - 1);
  FileDescriptor fd(::memfd_create("coffer-arena", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  if (!fd || ::ftruncate(fd.get(), static_cast<off_t>(size)) != 0) return system_error("cannot make the arena", errno);
  // Nobody can shrink it under the other side's feet.
  if (::fcntl(fd.get(), F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) != 0) {
    return system_error("cannot seal the arena", errno);
  }
  void* base = map_somewhere(fd.get(), size);
  if (base == MAP_FAILED) return fail(ErrorKind::kSystem, "no address for the arena (ulimit -v?)");
  return Arena(std::move(fd), reinterpret_cast<std::uint64_t>(base), size);
}

Arena::Arena(FileDescriptor fd, std::uint64_t base, std::uint64_t size)
    : fd_(std::move(fd)), base_(base), size_(size), free_{{base, size}} {}

Arena::Arena(Arena&& other) noexcept
    : fd_(std::move(other.fd_)),
      base_(std::exchange(other.base_, 0)),
      size_(std::exchange(other.size_, 0)),
      free_(std::move(other.free_)),
      used_(std::move(other.used_)) {}

Arena::~Arena() {
  if (size_ != 0) ::munmap(reinterpret_cast<void*>(base_), size_);
}

std::byte* Arena::allocate(std::uint64_t size) {
  if (size == 0) size = 1;
  if (size > size_) return nullptr;
  const std::uint64_t unit = size >= kPage ? kPage : 64;
  size = (size + unit - 1) & ~(unit - 1);
  const std::scoped_lock guard(lock_);
  for (auto block = free_.begin(); block != free_.end(); ++block) {
    const auto [address, bytes] = *block;
    const std::uint64_t aligned = (address + unit - 1) & ~(unit - 1);
    const std::uint64_t lost = aligned - address;
    if (bytes < lost || bytes - lost < size) continue;
    free_.erase(block);
    if (lost != 0) free_.emplace(address, lost);
    if (bytes - lost > size) free_.emplace(aligned + size, bytes - lost - size);
    used_.emplace(aligned, size);
    return reinterpret_cast<std::byte*>(aligned);
  }
  return nullptr;
}

void Arena::release(std::byte* block) {
  const std::scoped_lock guard(lock_);
  auto found = used_.find(reinterpret_cast<std::uint64_t>(block));
  if (found == used_.end()) return;
  auto [address, bytes] = *found;
  used_.erase(found);
  auto next = free_.lower_bound(address);
  if (next != free_.end() && address + bytes == next->first) {
    bytes += next->second;
    next = free_.erase(next);
  }
  if (next != free_.begin()) {
    auto previous = std::prev(next);
    if (previous->first + previous->second == address) {
      previous->second += bytes;
      return;
    }
  }
  free_.emplace(address, bytes);
}

}  // namespace coffer::host
