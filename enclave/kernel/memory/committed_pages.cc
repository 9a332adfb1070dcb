#include "enclave/kernel/memory/committed_pages.h"

#include <algorithm>
#include <bit>

namespace coffer::kernel {

void CommittedPages::init(std::uint64_t* bitmap, CommitBitmapPage commit, void* context) {
  bitmap_ = bitmap;
  commit_ = commit;
  context_ = context;
}

template <bool kWanted>
PageNumber CommittedPages::next(PageNumber from, PageNumber to) const {
  while (from < to) {
    if (!present(from / kPagesPerBitmapPage)) {
      if (!kWanted) return from;
      const std::uint64_t skip_to = (std::uint64_t{from} / kPagesPerBitmapPage + 1) * kPagesPerBitmapPage;
      if (skip_to >= to) return to;
      from = static_cast<PageNumber>(skip_to);
      continue;
    }
    std::uint64_t word = bitmap_[from / 64];
    if (!kWanted) word = ~word;
    word >>= from % 64;
    if (word != 0) {
      const auto found = std::uint64_t{from} + static_cast<unsigned>(std::countr_zero(word));
      return found < to ? static_cast<PageNumber>(found) : to;
    }
    const std::uint64_t next_word = (std::uint64_t{from} | 63) + 1;
    if (next_word >= to) return to;
    from = static_cast<PageNumber>(next_word);
  }
  return to;
}
template PageNumber CommittedPages::next<true>(PageNumber, PageNumber) const;
template PageNumber CommittedPages::next<false>(PageNumber, PageNumber) const;

std::size_t CommittedPages::count(PageNumber from, PageNumber to) const {
  std::size_t total = 0;
  for (from = next_committed(from, to); from < to; from = next_committed(from, to)) {
    const PageNumber end = next_uncommitted(from, to);
    total += end - from;
    from = end;
  }
  return total;
}

bool CommittedPages::reserve(PageNumber from, PageNumber to) {
  if (from >= to) return true;
  for (std::size_t page = from / kPagesPerBitmapPage; page <= (to - 1) / kPagesPerBitmapPage; ++page) {
    if (present(page)) continue;
    if (!commit_(context_, page)) return false;
    present_[page / 64] |= std::uint64_t{1} << (page % 64);
  }
  return true;
}

template <bool kCommitted>
void CommittedPages::change(PageNumber from, PageNumber to) {
  while (from < to) {
    const PageNumber in_word = std::min<PageNumber>(64 - from % 64, to - from);
    const std::uint64_t ones = in_word == 64 ? ~std::uint64_t{0} : (std::uint64_t{1} << in_word) - 1;
    if (kCommitted) {
      bitmap_[from / 64] |= ones << (from % 64);
    } else {
      bitmap_[from / 64] &= ~(ones << (from % 64));
    }
    from += in_word;
  }
}
template void CommittedPages::change<true>(PageNumber, PageNumber);
template void CommittedPages::change<false>(PageNumber, PageNumber);

}  // namespace coffer::kernel
