// An enclave whose addresses belong to a program's own mappings (host_pages.h): what the operating system's driver does
// on mmap, mprotect and page faults.
#include <sys/mman.h>

#include "processor/enclave.h"

namespace coffer::processor {

using sgx::kPageSize;

namespace {

// The bits of a page fault's error code.
constexpr std::uint32_t kWrite = 2, kFetch = 0x10;

std::uint8_t access_of(std::uint32_t error_code) {
  if ((error_code & kWrite) != 0) return PROT_WRITE;
  return (error_code & kFetch) != 0 ? PROT_EXEC : PROT_READ;
}

// Faults of this thread, one after the other, at pages that were as they should be. One is another thread's work; many
// are mappings that were changed behind everybody's back, and nothing that could be done again would help.
constexpr unsigned kMostNeedless = 64;
thread_local unsigned needless_faults = 0;
thread_local std::uint64_t needless_address = 0;

}  // namespace

bool SoftEnclave::host_allows(std::uint64_t offset, int protection) const {
  if (config_.host_pages == nullptr) return true;
  const std::optional<int> mapped = config_.host_pages->protection(offset);
  return mapped && (*mapped & protection) == protection;
}

void SoftEnclave::host_pages_changed(std::uint64_t offset, std::uint64_t length) {
  const std::scoped_lock guard(lock_);
  if (!created_ || config_.host_pages == nullptr || !range_fits(offset, length, size())) return;
  pages_changed();
  const std::uint64_t end = (offset + length) / kPageSize;
  const auto mapped = [this](std::uint64_t page) { return host_allows(page * kPageSize, PROT_NONE); };
  for (std::uint64_t page = offset / kPageSize; page < end;) {
    std::uint64_t next = page + 1;
    if (!mapped(page)) {
      page = next;
      continue;
    }
    const std::uintptr_t address = base() + page * kPageSize;
    const std::uint32_t frame = frames_[page];
    if (frame == 0) {
      while (next < end && frames_[next] == 0 && mapped(next)) ++next;
      (void)ProtectedMemory::reserve(address, (next - page) * kPageSize);
    } else {
      // Neighbouring pages in neighbouring frames that allow the same are one mapping.
      const int protection = epc_.entry(frame - 1).mapped;
      const Backing backing = epc_.entry(frame - 1).backing;
      while (next < end && frames_[next] == frame + (next - page) && mapped(next) &&
             epc_.entry(frames_[next] - 1).mapped == protection) {
        ++next;
      }
      (void)epc_.memory().map(address, frame - 1, next - page, protection, backing);
    }
    page = next;
  }
}

bool SoftEnclave::demand_page(std::uint64_t address, std::uint32_t error_code, bool may_add) {
  if (!contains(address) || supply_ == nullptr) return false;
  const std::uint64_t offset = (address - base()) & ~(kPageSize - 1);
  const std::uint8_t access = access_of(error_code);
  if (!host_allows(offset, access)) return false;
  const bool needless = page_state(offset, access) == PageState::kAllowed;
  needless_faults = needless && address == needless_address ? needless_faults + 1 : 0;
  needless_address = address;
  if (needless_faults > kMostNeedless) return false;
  const FaultAnswer answer =
      supply_->resolve({.offset = offset, .permissions = access, .grow = may_add ? std::uint32_t{1} : 0});
  if (answer == FaultAnswer::kRetry) return true;
  // What the page's entry says can be told only while it has one: it may have left since the driver looked.
  const std::scoped_lock guard(lock_);
  return answer == FaultAnswer::kNotMine && *frame_slot(offset) == 0 && supply_->holds(offset);
}

std::optional<EpcmEntry> SoftEnclave::page_at(std::uint64_t offset) const {
  const std::scoped_lock guard(lock_);
  if (!created_ || offset >= size() || *frame_slot(offset) == 0) return std::nullopt;
  return epc_.entry(*frame_slot(offset) - 1);
}

}  // namespace coffer::processor
