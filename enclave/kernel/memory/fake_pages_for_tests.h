// Hosted unit tests only: a PageSource over real memory that faults until it is committed.
#pragma once

#include <gtest/gtest.h>
#include <sys/mman.h>

#include <atomic>
#include <cstdint>
#include <stdexcept>
#include <thread>
#include <vector>

#include "enclave/kernel/memory/address_space.h"

namespace coffer::kernel {

class FakePages : public PageSource {
 public:
  static constexpr std::size_t kPage = 4096;

  explicit FakePages(std::size_t size) : size_(size), committed_(size / kPage), left_over_(size / kPage) {
    memory_ = mmap(nullptr, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory_ == MAP_FAILED) throw std::runtime_error("no memory for the test");
  }
  ~FakePages() override { munmap(memory_, size_); }

  bool commit(std::uintptr_t address, std::size_t size) override {
    EXPECT_EQ(address % kPage, 0U);
    EXPECT_EQ(size % kPage, 0U);
    EXPECT_GT(size, 0U);
    EXPECT_GE(address, base());
    EXPECT_LE(address + size, base() + size_);
    ++calls;
    // As with EACCEPT page by page: where the EPC ends, a leading part is there.
    for (std::size_t page = (address - base()) / kPage; page < (address - base() + size) / kPage; ++page) {
      if (left_over_[page].exchange(false)) {
        EXPECT_EQ(size, kPage) << "only a page by itself is committed again";
        continue;
      }
      if (pages_used >= page_limit) {
        for (std::size_t done = (address - base()) / kPage; done < page; ++done) left_over_[done] = true;
        return false;
      }
      ++pages_used;
      EXPECT_FALSE(committed_[page].exchange(true)) << "page " << page << " was committed before";
      if (mprotect(reinterpret_cast<void*>(base() + page * kPage), kPage, PROT_READ | PROT_WRITE) != 0) return false;
    }
    if (yields) std::this_thread::yield();
    return true;
  }

  [[nodiscard]] std::uintptr_t base() const { return reinterpret_cast<std::uintptr_t>(memory_); }
  [[nodiscard]] std::size_t size() const { return size_; }
  [[nodiscard]] bool is_committed(std::uintptr_t address) const { return committed_[(address - base()) / kPage]; }

  std::atomic<std::size_t> pages_used{0}, calls{0};
  std::size_t page_limit = SIZE_MAX;
  bool yields = false;  // gives other threads a chance to get in between

 private:
  std::size_t size_;
  void* memory_ = nullptr;
  std::vector<std::atomic<bool>> committed_, left_over_;
};

}  // namespace coffer::kernel
