#include <sys/mman.h>

#include "enclave/kernel/memory/address_space_state.h"

namespace coffer::kernel {
namespace {

using Lock = LockGuard<SpinLock>;
std::unexpected<int> error(int errno_value) { return std::unexpected(errno_value); }

constexpr int kDontUnmap = 4;  // MREMAP_DONTUNMAP, which older headers lack
constexpr int kKnownFlags = MREMAP_MAYMOVE | MREMAP_FIXED | kDontUnmap;

// The checks that need no look at the mappings.
bool arguments_make_sense(std::uintptr_t address, std::size_t old_size, std::size_t new_size, int flags,
                          std::uintptr_t new_address) {
  if ((flags & ~kKnownFlags) != 0 || !page_aligned(address) || old_size == 0 || new_size == 0) return false;
  const bool may_move = (flags & MREMAP_MAYMOVE) != 0;
  if ((flags & MREMAP_FIXED) != 0 && (!may_move || !page_aligned(new_address))) return false;
  return (flags & kDontUnmap) == 0 || (may_move && old_size == new_size);
}

bool overlap(PageRange a, PageRange b) { return a.begin < b.end && b.begin < a.end; }

}  // namespace

AddressSpace::Expected<std::uintptr_t> AddressSpace::remap(std::uintptr_t address, std::size_t old_size,
                                                           std::size_t new_size, int flags,
                                                           std::uintptr_t new_address) {
  State& state = *state_;
  std::size_t old_rounded = 0;
  std::size_t new_rounded = 0;
  if (!round_to_pages(old_size, &old_rounded) || !round_to_pages(new_size, &new_rounded)) return error(EINVAL);
  if (!arguments_make_sense(address, old_rounded, new_rounded, flags, new_address)) return error(EINVAL);
  PageRange from{};
  if (!state.to_pages(address, old_rounded, &from)) return error(EFAULT);

  const Lock guard(state.lock);
  if (new_rounded / kPageSize > state.end - state.first) return error(ENOMEM);
  const auto pages = static_cast<PageNumber>(new_rounded / kPageSize);
  PageRange target{};
  if ((flags & MREMAP_FIXED) != 0 && !state.to_pages(new_address, new_rounded, &target)) return error(EINVAL);
  // Waiting for the one lets go of the lock and may make the other pending again.
  while (state.is_pending(from) || state.is_pending(target)) {
    state.settle(from);
    state.settle(target);
  }
  const Mapping* found = state.tree.find(from.begin);
  if (found == nullptr || (found->flags & kKernelMapping) != 0) return error(EFAULT);
  const Mapping mapping = *found;
  const bool fixed = (flags & MREMAP_FIXED) != 0;
  const bool keep = (flags & kDontUnmap) != 0;
  // Linux shrinks across several mappings in place, but moves and grows only one.
  if (from.end > mapping.end && (fixed || keep || pages > from.end - from.begin)) return error(EFAULT);

  if (!fixed && !keep && pages <= from.end - from.begin) {
    const PageRange tail{from.begin + pages, from.end};
    if (tail.begin == tail.end) return address;
    if (state.holds_kernel_pages(tail)) return error(EFAULT);
    if (!state.reserve_for_removal(tail, 0)) return error(ENOMEM);
    state.remove(tail);
    return address;
  }
  if (!fixed && !keep && from.end == mapping.end) {
    const PageRange grown{from.end, from.begin + pages};
    if (grown.end > grown.begin && grown.end <= state.end && state.is_free(grown) && state.tree.reserve(1)) {
      state.add(grown, mapping.protection, mapping.flags);
      return address;
    }
  }
  if ((flags & MREMAP_MAYMOVE) == 0) return error(ENOMEM);
  if ((mapping.protection & PROT_EXEC) != 0) return error(EACCES);  // code stays where it was checked

  // A move: place, commit what will be copied, copy, zero what was left.
  PageRange to{};
  if (fixed) {
    to = target;
    if (overlap(from, to) || state.holds_kernel_pages(to)) return error(EINVAL);
    if (!state.reserve_for_removal(to, 3)) return error(ENOMEM);  // the new mapping, and what is left of the old
    state.remove(to);
  } else {
    const PageNumber place = state.place(pages);
    if (place == MappingTree::kNoPage || !state.tree.reserve(3)) return error(ENOMEM);
    to = {place, place + pages};
  }
  const PageRange moved{from.begin, from.begin + std::min(pages, from.end - from.begin)};
  for (PageNumber at = state.committed.next_committed(moved.begin, moved.end); at < moved.end;) {
    const PageNumber run_end = state.committed.next_uncommitted(at, moved.end);
    if (!state.commit_locked({to.begin + (at - from.begin), to.begin + (run_end - from.begin)})) return error(ENOMEM);
    at = state.committed.next_committed(run_end, moved.end);
  }
  constexpr int kAll = PROT_READ | PROT_WRITE;
  const int rights = State::rights_of(mapping.protection);
  if (rights != kAll) state.extend_committed(moved, kAll);
  state.copy(moved, to.begin);
  if (keep) {
    state.zero_protected(from, mapping.protection);
    if (rights != kAll) (void)state.restrict_committed(from, rights);
  } else {
    state.remove(from);
  }
  // A host that does not do its part leaves the pages writable: the bookkeeping stands above it.
  if (rights != kAll) (void)state.restrict_committed(to, rights);
  // What moves out of the brk area is an ordinary mapping from then on.
  state.add(to, mapping.protection, mapping.flags & ~static_cast<std::uint32_t>(kBreakMapping));
  return state.address_of(to.begin);
}

}  // namespace coffer::kernel
