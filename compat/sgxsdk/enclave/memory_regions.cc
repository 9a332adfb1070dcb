#include "compat/sgxsdk/enclave/memory_regions.h"

#include <sys/mman.h>

#include <bit>
#include <cerrno>
#include <cstring>

namespace coffer::sgxsdk {

namespace {

constexpr std::size_t kPage = 4096;
constexpr int kModes = SGX_EMA_RESERVE | SGX_EMA_COMMIT_NOW | SGX_EMA_COMMIT_ON_DEMAND;
constexpr int kReadWrite = SGX_EMA_PROT_READ_WRITE;

bool whole_pages(std::uintptr_t address, std::size_t length) {
  return address % kPage == 0 && length % kPage == 0 && length != 0 && address + length > address;
}

int machine_protection(int protection) {
  int bits = PROT_NONE;
  if ((protection & SGX_EMA_PROT_READ) != 0) bits |= PROT_READ;
  if ((protection & SGX_EMA_PROT_WRITE) != 0) bits |= PROT_WRITE;
  if ((protection & SGX_EMA_PROT_EXEC) != 0) bits |= PROT_EXEC;
  return bits;
}

std::size_t alignment_of(int flags) {
  const auto logarithm = static_cast<unsigned>(flags) >> SGX_EMA_ALIGNMENT_SHIFT & 0xffU;
  constexpr unsigned kLeast = 12, kMost = 47;
  if (logarithm == 0) return kPage;
  return logarithm < kLeast || logarithm > kMost ? 0 : std::size_t{1} << logarithm;
}

void* pointer(std::uintptr_t address) { return reinterpret_cast<void*>(address); }

}  // namespace

bool MemoryRegions::in_bounds(std::uintptr_t address, std::size_t length) const {
  return address >= bounds_.begin && address + length > address && address + length <= bounds_.end;
}

bool MemoryRegions::all_allocated(std::uintptr_t address, std::size_t length) const {
  if (!whole_pages(address, length)) return false;
  auto page = pages_.find(address);
  for (std::uintptr_t at = address; at < address + length; at += kPage, ++page) {
    if (page == pages_.end() || page->first != at) return false;
  }
  return true;
}

// Addresses for a region: those of a reservation where they are asked for, else the kernel's.
int MemoryRegions::claim(std::uintptr_t address, std::size_t length, int flags, std::uintptr_t* place) {
  const std::size_t alignment = alignment_of(flags);
  const bool fixed = (flags & SGX_EMA_FIXED) != 0;
  if (address != 0) {
    bool reserved = all_allocated(address, length);
    for (std::uintptr_t at = address; reserved && at < address + length; at += kPage) {
      reserved = pages_[at].state == State::kReserved;
    }
    if (reserved && address % alignment == 0) {
      *place = address;
      return 0;
    }
    if (!in_bounds(address, length)) return fixed ? EACCES : claim(0, length, flags, place);
    void* got = ::mmap(pointer(address), length, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
    if (got == pointer(address) && address % alignment == 0) {
      *place = address;
      return 0;
    }
    if (got != MAP_FAILED) ::munmap(got, length);
    if (fixed) return got == MAP_FAILED && errno == ENOMEM ? ENOMEM : EEXIST;
  }
  const std::size_t slack = alignment > kPage ? alignment : 0;
  if (length + slack < length) return ENOMEM;
  void* got = ::mmap(nullptr, length + slack, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (got == MAP_FAILED) return ENOMEM;
  const auto begin = reinterpret_cast<std::uintptr_t>(got);
  const std::uintptr_t aligned = (begin + alignment - 1) & ~(alignment - 1);
  if (aligned > begin) ::munmap(got, aligned - begin);
  const std::uintptr_t end = begin + length + slack;
  if (end > aligned + length) ::munmap(pointer(aligned + length), end - aligned - length);
  *place = aligned;
  return 0;
}

int MemoryRegions::set(std::uintptr_t address, Page& page, State state, int protection) {
  if (::mprotect(pointer(address), kPage, machine_protection(protection)) != 0)
    return errno == ENOMEM ? ENOMEM : EFAULT;
  page.state = state;
  page.protection = protection;
  return 0;
}

int MemoryRegions::allocate(std::uintptr_t address, std::size_t length, int flags, sgx_enclave_fault_handler_t handler,
                            void* context, std::uintptr_t* place) {
  const auto mode = static_cast<unsigned>(flags & kModes);
  const int type = flags & SGX_EMA_PAGE_TYPE_MASK;
  if (!whole_pages(address, length) || std::popcount(mode) != 1 || alignment_of(flags) == 0) return EINVAL;
  if (type != 0 && type != SGX_EMA_PAGE_TYPE_REG) return EINVAL;
  if ((flags & SGX_EMA_FIXED) != 0 && address == 0) return EINVAL;
  const std::scoped_lock guard(lock_);
  if (length > bounds_.most || pages_.size() * kPage > bounds_.most - length) return ENOMEM;
  if (const int failed = claim(address, length, flags, place); failed != 0) return failed;
  const bool now = (flags & SGX_EMA_COMMIT_NOW) != 0;
  if (now && ::mprotect(pointer(*place), length, PROT_READ | PROT_WRITE) != 0) {
    ::munmap(pointer(*place), length);
    for (std::uintptr_t at = *place; at < *place + length; at += kPage) pages_.erase(at);
    return ENOMEM;
  }
  const State state = now ? State::kCommitted : mode == SGX_EMA_RESERVE ? State::kReserved : State::kOnDemand;
  for (std::uintptr_t at = *place; at < *place + length; at += kPage) {
    pages_[at] = {state, now ? kReadWrite : SGX_EMA_PROT_NONE, handler, context};
  }
  return 0;
}

int MemoryRegions::uncommit(std::uintptr_t address, std::size_t length) {
  const std::scoped_lock guard(lock_);
  if (!all_allocated(address, length)) return EINVAL;
  if (::mprotect(pointer(address), length, PROT_READ | PROT_WRITE) != 0 ||
      ::madvise(pointer(address), length, MADV_DONTNEED) != 0 || ::mprotect(pointer(address), length, PROT_NONE) != 0) {
    return EFAULT;
  }
  for (std::uintptr_t at = address; at < address + length; at += kPage) {
    Page& page = pages_[at];
    if (page.state != State::kReserved) page.state = State::kOnDemand;
    page.protection = SGX_EMA_PROT_NONE;
  }
  return 0;
}

int MemoryRegions::release(std::uintptr_t address, std::size_t length) {
  if (!whole_pages(address, length)) return EINVAL;
  const std::scoped_lock guard(lock_);
  auto page = pages_.lower_bound(address);
  if (page == pages_.end() || page->first >= address + length) return EINVAL;
  while (page != pages_.end() && page->first < address + length) {
    if (::munmap(pointer(page->first), kPage) != 0) return EFAULT;
    page = pages_.erase(page);
  }
  return 0;
}

int MemoryRegions::protect(std::uintptr_t address, std::size_t length, int protection) {
  if ((protection & ~SGX_EMA_PROT_MASK) != 0) return EINVAL;
  if ((protection & SGX_EMA_PROT_WRITE) != 0 && (protection & SGX_EMA_PROT_EXEC) != 0) return EACCES;
  const std::scoped_lock guard(lock_);
  if (!all_allocated(address, length)) return EINVAL;
  for (std::uintptr_t at = address; at < address + length; at += kPage) {
    if (pages_[at].state == State::kTcs) return EACCES;
    if (pages_[at].state != State::kCommitted) return EINVAL;
  }
  for (std::uintptr_t at = address; at < address + length; at += kPage) {
    if (const int failed = set(at, pages_[at], State::kCommitted, protection); failed != 0) return failed;
  }
  return 0;
}

int MemoryRegions::change_type(std::uintptr_t address, std::size_t length, int type) {
  if (type == SGX_EMA_PAGE_TYPE_TRIM || type == SGX_EMA_PAGE_TYPE_SS_FIRST || type == SGX_EMA_PAGE_TYPE_SS_REST) {
    return EPERM;
  }
  if (type != SGX_EMA_PAGE_TYPE_TCS || length != kPage) return EINVAL;
  const std::scoped_lock guard(lock_);
  if (!all_allocated(address, length)) return EINVAL;
  Page& page = pages_[address];
  if (page.state == State::kTcs) return 0;
  if (page.state != State::kCommitted || page.protection != kReadWrite) return EACCES;
  return set(address, page, State::kTcs, SGX_EMA_PROT_NONE);
}

int MemoryRegions::commit(std::uintptr_t address, std::size_t length) {
  const std::scoped_lock guard(lock_);
  if (!all_allocated(address, length)) return EINVAL;
  for (std::uintptr_t at = address; at < address + length; at += kPage) {
    if (pages_[at].state == State::kReserved) return EINVAL;
  }
  for (std::uintptr_t at = address; at < address + length; at += kPage) {
    Page& page = pages_[at];
    if (page.state != State::kOnDemand) continue;
    if (const int failed = set(at, page, State::kCommitted, kReadWrite); failed != 0) return failed;
  }
  return 0;
}

int MemoryRegions::commit_data(std::uintptr_t address, std::size_t length, const std::uint8_t* data, int protection) {
  if ((protection & ~SGX_EMA_PROT_MASK) != 0 || data == nullptr) return EINVAL;
  // The source may be memory that faults itself, with a handler of its own: it is read before anything changes, and
  // without the lock. Pages here are few.
  for (std::size_t done = 0; done < length && whole_pages(address, length); done += kPage) {
    std::uint8_t content[kPage];
    std::memcpy(content, data + done, kPage);
    const std::scoped_lock guard(lock_);
    if (!all_allocated(address, length)) return EINVAL;
    const std::uintptr_t at = address + done;
    Page& page = pages_[at];
    if (page.state != State::kOnDemand) return EACCES;
    if (const int failed = set(at, page, State::kCommitted, kReadWrite); failed != 0) return failed;
    std::memcpy(pointer(at), content, kPage);
    if (const int failed = set(at, page, State::kCommitted, protection); failed != 0) return failed;
  }
  return whole_pages(address, length) ? 0 : EINVAL;
}

bool MemoryRegions::fault(const sgx_pfinfo& info) {
  const std::uintptr_t at = info.maddr & ~(std::uintptr_t{kPage} - 1);
  Page page;
  {
    const std::scoped_lock guard(lock_);
    const auto found = pages_.find(at);
    if (found == pages_.end()) return false;
    page = found->second;
  }
  if (page.handler != nullptr) {
    sgx_pfinfo shown = info;
    if (page.handler(&shown, page.context) == SGX_MM_EXCEPTION_CONTINUE_EXECUTION) return true;
  }
  return page.state == State::kOnDemand && commit(at, kPage) == 0;
}

}  // namespace coffer::sgxsdk
