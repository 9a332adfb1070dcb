// Which pages of an address space are committed: one bit a page, in bitmap pages that are themselves committed only
// when a bit in them is set. Freestanding; not thread-safe: the address space's lock covers it.
#pragma once

#include <cstddef>
#include <cstdint>

#include "enclave/kernel/memory/mapping_tree.h"

namespace coffer::kernel {

class CommittedPages {
 public:
  static constexpr PageNumber kPagesPerBitmapPage = 4096 * 8;
  static constexpr std::size_t kMaxBitmapPages = 2048;  // 256 GiB of address space

  // Makes one zeroed page of the bitmap usable.
  using CommitBitmapPage = bool (*)(void* context, std::size_t index);

  // `bitmap` has room for one page per kPagesPerBitmapPage pages; nothing of it needs to be committed yet.
  void init(std::uint64_t* bitmap, CommitBitmapPage commit, void* context);

  // The first (un)committed page in [from, to), or `to`.
  [[nodiscard]] PageNumber next_committed(PageNumber from, PageNumber to) const { return next<true>(from, to); }
  [[nodiscard]] PageNumber next_uncommitted(PageNumber from, PageNumber to) const { return next<false>(from, to); }
  [[nodiscard]] bool is_committed(PageNumber page) const {
    return present(page / kPagesPerBitmapPage) && ((bitmap_[page / 64] >> (page % 64)) & 1) != 0;
  }
  // How many of [from, to) are committed.
  [[nodiscard]] std::size_t count(PageNumber from, PageNumber to) const;
  // Makes sure that set() on [from, to) will succeed.
  [[nodiscard]] bool reserve(PageNumber from, PageNumber to);
  void set(PageNumber from, PageNumber to) { change<true>(from, to); }
  // What was set before.
  void clear(PageNumber from, PageNumber to) { change<false>(from, to); }

 private:
  template <bool kWanted>
  PageNumber next(PageNumber from, PageNumber to) const;
  template <bool kCommitted>
  void change(PageNumber from, PageNumber to);
  bool present(std::size_t bitmap_page) const { return ((present_[bitmap_page / 64] >> (bitmap_page % 64)) & 1) != 0; }

  std::uint64_t* bitmap_ = nullptr;
  CommitBitmapPage commit_ = nullptr;
  void* context_ = nullptr;
  std::uint64_t present_[kMaxBitmapPages / 64] = {};
};

}  // namespace coffer::kernel
