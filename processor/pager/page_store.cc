#include "processor/pager/page_store.h"

#include <sys/mman.h>

namespace coffer::processor {

PageStore::~PageStore() {
  if (content_ != nullptr) ::munmap(content_, limit_ * sgx::kPageSize);
}

Result<void> PageStore::reserve(std::uint64_t pages) {
  void* place = ::mmap(nullptr, pages * sgx::kPageSize, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (place == MAP_FAILED) return fail(ErrorKind::kSystem, "no addresses for the pages that leave the EPC");
  content_ = static_cast<std::byte*>(place);
  limit_ = pages;
  return {};
}

std::uint32_t PageStore::take() {
  if (!free_.empty()) {
    const std::uint32_t place = free_.back();
    free_.pop_back();
    return place;
  }
  if (next_ == slots_made() || next_ == limit_) return kNoPlace;
  pages_.push_back({.content = content_ + std::size_t{next_} * sgx::kPageSize});
  return next_++;
}

}  // namespace coffer::processor
