// mprotect over the program's own segments. What they allow at most is measured; what they allow now is known here.
#include "enclave/kernel/core/program_protection.h"

#include <sys/mman.h>

#include <algorithm>
#include <cerrno>
#include <span>

#include "base/bytes.h"
#include "enclave/kernel/core/enclu.h"
#include "enclave/kernel/core/image.h"
#include "enclave/kernel/core/locks.h"

namespace coffer::kernel {

namespace {

// A part of a segment that allows less than the segment does. Parts do not overlap.
struct Part {
  std::uint64_t begin = 0, end = 0;
  std::uint32_t rights = 0;
};

// RELRO makes one part; a program that protects its data in more pieces than this is told that memory is out.
constexpr std::size_t kMaxParts = 64;
SpinLock lock;
Part parts[kMaxParts];
std::size_t part_count = 0;

// Takes [begin, end) out of all parts. False where there is no room for what is left of them; nothing has changed then.
bool forget(std::uint64_t begin, std::uint64_t end, std::size_t more) {
  if (part_count + 1 + more > kMaxParts) return false;
  const std::size_t count = part_count;
  for (std::size_t i = 0; i < count; ++i) {
    Part& part = parts[i];
    if (part.begin >= end || part.end <= begin) continue;
    const Part whole = part;
    part.end = std::max(part.begin, std::min(whole.end, begin));
    // Only a part that reaches over both ends is split, and no two can.
    if (whole.end > end && whole.begin < begin) {
      parts[part_count++] = {end, whole.end, whole.rights};
    } else if (whole.end > end) {
      part = {end, whole.end, whole.rights};
    }
  }
  const auto kept = std::remove_if(parts, parts + part_count, [](const Part& part) { return part.begin >= part.end; });
  part_count = static_cast<std::size_t>(kept - parts);
  return true;
}

// The rights that a segment has for the whole range; 0 where none holds it. Pages of two segments are one's, as the
// image's layout has them.
std::uint32_t segment_rights(std::uint64_t address, std::uint64_t size) {
  for (std::uint32_t i = 0; i < layout().segment_count; ++i) {
    const auto& s = layout().segments[i];
    constexpr std::uint64_t kPageMask = SGX_PAGE_SIZE - 1;
    const std::uint64_t begin = (enclave_base() + s.offset) & ~kPageMask;
    const std::uint64_t end = (enclave_base() + s.offset + s.memory_size + kPageMask) & ~kPageMask;
    if (address >= begin && range_fits(address - begin, size, end - begin)) return s.permissions;
  }
  return 0;
}

}  // namespace

bool program_allows(std::uint64_t address, std::uint64_t size, std::uint32_t rights) {
  const LockGuard<SpinLock> guard(lock);
  return std::none_of(parts, parts + part_count, [&](const Part& part) {
    return part.begin < address + size && address < part.end && (part.rights & rights) != rights;
  });
}

std::int64_t protect_program(std::uint64_t address, std::uint64_t size, int protection) {
  constexpr std::uint32_t kReadWrite = 3;
  static_assert(PROT_READ == 1 && PROT_WRITE == 2);  // the bits of SECINFO
  if (address % SGX_PAGE_SIZE != 0) return -EINVAL;
  if (size == 0) return 0;
  size = (size + SGX_PAGE_SIZE - 1) & ~std::uint64_t{SGX_PAGE_SIZE - 1};
  if ((protection & PROT_EXEC) != 0) return -EACCES;
  const std::uint32_t most = segment_rights(address, size);
  if (most == 0) return -ENOMEM;
  // As on any x86 processor, what can be written can be read.
  auto rights = static_cast<std::uint32_t>(protection) & kReadWrite;
  if ((rights & 2) != 0) rights = kReadWrite;
  if ((rights & ~most) != 0) return -EACCES;
  const LockGuard<SpinLock> guard(lock);
  const bool less = rights != most;
  if (!forget(address, address + size, less ? 1 : 0)) return -ENOMEM;
  if (less) parts[part_count++] = {address, address + size, rights};
  address_space().note_change();
  // All pages come to the same rights: what they have too much goes, what they lack comes.
  if (less && !restrict_pages(address, size, rights)) {
    extend_pages(address, size, most);
    (void)forget(address, address + size, 0);
    return -ENOMEM;
  }
  if (rights != 0) extend_pages(address, size, rights);
  return 0;
}

}  // namespace coffer::kernel
