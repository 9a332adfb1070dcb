// Where evicted pages stand: ordinary memory, one place for each, which is also one slot of a VA page. Places are used
// again, the last one first, and their memory is never given back.
#pragma once

#include <cstdint>
#include <vector>

#include "base/result.h"
#include "processor/enclave.h"

namespace coffer::processor {

inline constexpr std::uint32_t kNoPlace = ~std::uint32_t{0};

// Not thread-safe.
class PageStore {
 public:
  PageStore() = default;
  ~PageStore();
  PageStore(const PageStore&) = delete;
  PageStore& operator=(const PageStore&) = delete;

  // Reserves addresses for so many pages, before anything else.
  [[nodiscard]] Result<void> reserve(std::uint64_t pages);

  // Slots without a page: what can be taken before the next VA page.
  [[nodiscard]] std::uint32_t room() const { return static_cast<std::uint32_t>(free_.size()) + slots_made() - next_; }
  void add_version_page(std::uint32_t page) { version_pages_.push_back(page); }
  [[nodiscard]] std::uint32_t take();  // kNoPlace where room() is 0 or the addresses are used up
  void give_back(std::uint32_t place) { free_.push_back(place); }

  [[nodiscard]] EvictedPage& page(std::uint32_t place) { return pages_[place]; }
  [[nodiscard]] VersionSlot slot(std::uint32_t place) const {
    return {version_pages_[place / VersionSlot::kSlotsOfPage], place % VersionSlot::kSlotsOfPage};
  }
  [[nodiscard]] std::uint32_t used() const { return next_ - static_cast<std::uint32_t>(free_.size()); }

 private:
  [[nodiscard]] std::uint32_t slots_made() const {
    return static_cast<std::uint32_t>(version_pages_.size()) * VersionSlot::kSlotsOfPage;
  }

  std::byte* content_ = nullptr;
  std::uint64_t limit_ = 0;          // pages that content_ has addresses for
  std::vector<EvictedPage> pages_;   // by place
  std::vector<std::uint32_t> free_;  // places that were used before
  std::uint32_t next_ = 0;           // the first place that never was
  std::vector<std::uint32_t> version_pages_;
};

}  // namespace coffer::processor
