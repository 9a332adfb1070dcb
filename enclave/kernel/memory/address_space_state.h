// The insides of AddressSpace, shared by its sources. Freestanding.
#pragma once

#include <sys/mman.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <span>

#include "enclave/kernel/core/locks.h"
#include "enclave/kernel/memory/address_space.h"
#include "enclave/kernel/memory/committed_pages.h"
#include "enclave/kernel/memory/mapping_tree.h"

namespace coffer::kernel {

inline constexpr std::size_t kPageSize = 4096;
inline constexpr std::uint32_t kKernelMapping = 1U << 31;
inline constexpr std::uint32_t kKeptFlags = MAP_SHARED | MAP_PRIVATE | MAP_GROWSDOWN | MAP_STACK | MAP_NORESERVE;

// The longest run that is committed or zeroed in one go, in pages.
inline constexpr PageNumber kMaxRun = 256;

// Pages in no mapping that are kept for the next mapping, however long nobody wants them.
inline constexpr PageNumber kKeptFree = 256;

struct PageRange {
  PageNumber begin, end;
};

// What MADV_DONTNEED emptied in mappings. `old`: before the last release_unused().
struct Discarded {
  PageRange range;
  bool old;
};

// What one step of committing came to. kAgain: the lock was let go, so everything is to be looked at anew.
enum class CommitStep { kDone, kAgain, kExhausted };

// All methods but the constructor, forget() and populate() expect the lock to be held.
struct AddressSpace::State {
  SpinLock lock;
  std::atomic<std::uint64_t> changes{1};
  PageSource& source;
  const std::uintptr_t base;
  const PageNumber end;     // pages of the range
  PageNumber first = 0;     // the first page behind the bookkeeping
  PageNumber map_base = 0;  // where first fit starts
  std::uintptr_t break_address = 0;
  std::size_t bookkeeping_committed = 1;  // pages
  PageNumber bitmap_page = 0;             // where the bitmap and the nodes stand
  PageNumber nodes_page = 0;
  CommittedPages committed;
  // Runs that threads are committing right now, without the lock. They lie in mappings: what removes a mapping or looks
  // at its committed pages settles the range first.
  static constexpr std::size_t kMaxPending = 32;
  PageRange pending[kMaxPending] = {};
  std::size_t pending_count = 0;
  MappingTree tree;
  // Committed pages in no mapping, and the fewest that there were since the last release_unused().
  std::atomic<PageNumber> free_pages{0};
  PageNumber least_free = 0;
  bool code_allowed = false;  // set before there are threads
  static constexpr std::size_t kMaxDiscarded = 64;
  static constexpr PageNumber kWorthDiscarding = 16;  // a thread's stack that is emptied for the next is no news
  Discarded discarded[kMaxDiscarded] = {};
  std::size_t discarded_count = 0;

  State(std::uintptr_t range_base, PageNumber pages, PageSource& page_source);

  [[nodiscard]] std::uintptr_t address_of(PageNumber page) const { return base + std::uintptr_t{page} * kPageSize; }
  [[nodiscard]] PageNumber page_of(std::uintptr_t address) const {
    return static_cast<PageNumber>((address - base) / kPageSize);
  }
  // The pages of [address, address + size), where all of them lie behind the bookkeeping.
  [[nodiscard]] bool to_pages(std::uintptr_t address, std::size_t size, PageRange* range) const;

  // Commits what is not committed yet; false where the EPC ends (some pages may be committed then). With the lock held:
  // for pages that are in no mapping.
  [[nodiscard]] bool commit_locked(PageRange range);
  // Commits one run of what is not committed yet in the range, which must lie in mappings, and lets go of the lock
  // meanwhile. To be called again until it does not say kAgain.
  [[nodiscard]] CommitStep commit_step(PageRange range);
  // Waits until nobody is committing in the range; lets go of the lock meanwhile.
  void settle(PageRange range);
  [[nodiscard]] bool is_pending(PageRange range) const;
  void zero(PageRange range);
  // What protect() leaves a mapping's committed pages for the processor: PROT_NONE, PROT_READ, PROT_READ | PROT_WRITE.
  [[nodiscard]] static int rights_of(int protection);
  // Takes rights of the committed pages in the range, or gives them.
  [[nodiscard]] bool restrict_committed(PageRange range, int rights);
  void extend_committed(PageRange range, int rights);
  // Takes from the committed pages of a mapping with this protection that they can be executed. Before they are written
  // or become anybody else's; panics where the host does not do its part.
  void disarm(PageRange range, int protection);
  // Zeroes committed pages of a mapping with this protection.
  void zero_protected(PageRange range, int protection);
  void copy(PageRange from, PageNumber to);
  // The end of a leading part of the range (not empty) with no more than kMaxRun committed pages.
  [[nodiscard]] PageNumber piece_end(PageRange range) const;

  [[nodiscard]] bool holds_kernel_pages(PageRange range);
  [[nodiscard]] bool fully_mapped(PageRange range);
  [[nodiscard]] bool is_free(PageRange range);
  // True where both ends of the range can be made borders of mappings and `more` mappings inserted.
  [[nodiscard]] bool reserve_for(PageRange range, std::uint32_t more);
  void split_at(PageNumber page);
  // Joins the mappings that touch [begin, end] where they are of one kind.
  void join(PageRange range);
  // True where remove(range) and then `more` insertions will succeed.
  [[nodiscard]] bool reserve_for_removal(PageRange range, std::uint32_t more);
  // Unmaps and zeroes.
  void remove(PageRange range);
  // The range must be free and room for one more mapping reserved.
  void add(PageRange range, int protection, std::uint32_t flags);
  // A place for `pages` pages, or MappingTree::kNoPage.
  [[nodiscard]] PageNumber place(PageNumber pages);

  // Gives back pages of a committed run; how many, from its first on.
  [[nodiscard]] PageNumber give_back(PageRange run);
  // A run of at most kMaxRun committed pages in no mapping, at `from` or behind it; empty at the end.
  [[nodiscard]] PageRange next_free_run(PageNumber from);
  // Gives back so many pages that nobody has, but leaves the first `skip` ones. How many it were.
  PageNumber release_free(PageNumber skip, PageNumber count);
  // Where committing came to the end of the EPC: true where something could be given back, and it may go on.
  [[nodiscard]] bool reclaim(PageNumber pages) { return release_free(0, pages) != 0; }
  void note_discarded(PageRange range);
  void release_discarded(PageRange range);
  [[nodiscard]] PageNumber release_empty(PageRange run);

  // madvise: MADV_DONTNEED or a mere check, and the populating kinds.
  Expected<void> forget(PageRange range, bool zeroes);
  Expected<void> populate(PageRange range, bool write);

 private:
  // Commits a run and returns where the committed part of it ends. Touches nothing that the lock protects.
  [[nodiscard]] PageNumber accept(PageRange run);
  void wait_unlocked();
};

[[nodiscard]] inline bool page_aligned(std::uintptr_t value) { return value % kPageSize == 0; }
// False on overflow.
[[nodiscard]] inline bool round_to_pages(std::size_t size, std::size_t* rounded) {
  *rounded = (size + kPageSize - 1) & ~(kPageSize - 1);
  return *rounded >= size;
}

}  // namespace coffer::kernel
