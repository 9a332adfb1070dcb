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

  bool restrict(std::uintptr_t address, std::size_t size, int protection) override {
    expect_committed(address, size);
    ++restrictions;
    if (restrict_limit == 0) return false;
    --restrict_limit;
    note_rights(address, size, protection);
    return mprotect(reinterpret_cast<void*>(address), size, protection) == 0;
  }
  void extend(std::uintptr_t address, std::size_t size, int protection) override {
    expect_committed(address, size);
    EXPECT_NE(protection, PROT_NONE);
    note_rights(address, size, protection);
    EXPECT_EQ(mprotect(reinterpret_cast<void*>(address), size, protection), 0);
  }
  std::size_t release(std::uintptr_t address, std::size_t size) override {
    expect_committed(address, size);
    size = std::min(size, release_limit * kPage);
    if (size == 0) return 0;
    ++releases;
    note_rights(address, size, PROT_READ | PROT_WRITE);
    for (std::uintptr_t at = address; at < address + size; at += kPage) committed_[(at - base()) / kPage] = false;
    pages_used -= size / kPage;
    void* pages = reinterpret_cast<void*>(address);
    EXPECT_EQ(madvise(pages, size, MADV_DONTNEED), 0);
    EXPECT_EQ(mprotect(pages, size, PROT_NONE), 0);
    return size;
  }
  // What the last restrict() or extend() left of a page; PROT_READ | PROT_WRITE where there was none.
  [[nodiscard]] int rights_at(std::uintptr_t address) const { return rights_[(address - base()) / kPage]; }

  [[nodiscard]] std::uintptr_t base() const { return reinterpret_cast<std::uintptr_t>(memory_); }
  [[nodiscard]] std::size_t size() const { return size_; }
  [[nodiscard]] bool is_committed(std::uintptr_t address) const { return committed_[(address - base()) / kPage]; }

  std::atomic<std::size_t> pages_used{0}, calls{0};
  std::size_t page_limit = SIZE_MAX;
  std::atomic<std::size_t> restrictions{0};
  std::size_t restrict_limit = SIZE_MAX;  // so many succeed
  std::atomic<std::size_t> releases{0};
  std::size_t release_limit = SIZE_MAX / kPage;  // pages of one release() that go
  bool yields = false;                           // gives other threads a chance to get in between

 private:
  void note_rights(std::uintptr_t address, std::size_t size, int protection) {
    for (std::uintptr_t at = address; at < address + size; at += kPage) rights_[(at - base()) / kPage] = protection;
  }
  void expect_committed(std::uintptr_t address, std::size_t size) {
    for (std::uintptr_t at = address; at < address + size; at += kPage) EXPECT_TRUE(is_committed(at));
  }

  std::size_t size_;
  void* memory_ = nullptr;
  std::vector<std::atomic<bool>> committed_, left_over_;
  std::vector<int> rights_ = std::vector<int>(size_ / kPage, PROT_READ | PROT_WRITE);
};

}  // namespace coffer::kernel
