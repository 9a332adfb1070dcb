#include <sys/mman.h>

#include "enclave/kernel/memory/address_space_state.h"

namespace coffer::kernel {
namespace {

using Lock = LockGuard<SpinLock>;
std::unexpected<int> error(int errno_value) { return std::unexpected(errno_value); }

// Advice by its number, as newer kernels' headers name more than older ones'.
constexpr int kRemove = 9;
constexpr int kColdAdvice = 20;
constexpr int kPageOut = 21;
constexpr int kPopulateRead = 22;
constexpr int kPopulateWrite = 23;

// Advice that changes nothing a program can see.
bool is_mere_hint(int advice) {
  switch (advice) {
    case MADV_NORMAL:
    case MADV_RANDOM:
    case MADV_SEQUENTIAL:
    case MADV_WILLNEED:
    case MADV_FREE:
    case MADV_DONTFORK:
    case MADV_DOFORK:
    case MADV_MERGEABLE:
    case MADV_UNMERGEABLE:
    case MADV_HUGEPAGE:
    case MADV_NOHUGEPAGE:
    case MADV_DONTDUMP:
    case MADV_DODUMP:
    case MADV_WIPEONFORK:
    case MADV_KEEPONFORK:
    case kColdAdvice:
    case kPageOut:
      return true;
    default:
      return false;
  }
}

}  // namespace

AddressSpace::Expected<void> AddressSpace::advise(std::uintptr_t address, std::size_t size, int advice) {
  State& state = *state_;
  const bool populates = advice == kPopulateRead || advice == kPopulateWrite;
  if (!is_mere_hint(advice) && advice != MADV_DONTNEED && !populates) return error(EINVAL);
  static_assert(kRemove == MADV_REMOVE);  // refused as for any private mapping
  std::size_t rounded = 0;
  if (!page_aligned(address) || !round_to_pages(size, &rounded) || address + rounded < address) return error(EINVAL);
  if (size == 0) return {};
  PageRange range{};
  if (!state.to_pages(address, size, &range)) return error(ENOMEM);

  return populates ? state.populate(range, advice == kPopulateWrite) : state.forget(range, advice == MADV_DONTNEED);
}

// Linux advises what is mapped and then says that there was a hole.
AddressSpace::Expected<void> AddressSpace::State::forget(PageRange range, bool zeroes) {
  bool hole = false;
  while (range.begin < range.end) {
    const Lock guard(lock);
    settle(range);
    if (holds_kernel_pages(range)) return error(ENOMEM);
    const Mapping* mapping = tree.first_ending_after(range.begin);
    if (mapping == nullptr || mapping->begin >= range.end) return error(ENOMEM);
    hole = hole || mapping->begin > range.begin;
    PageRange part{std::max(mapping->begin, range.begin), std::min(mapping->end, range.end)};
    if (zeroes) {
      part.end = piece_end(part);
      const int protection = mapping->protection;
      zero_protected(part, protection);
      const int rights = rights_of(protection);
      if (rights != (PROT_READ | PROT_WRITE)) (void)restrict_committed(part, rights);
      note_discarded(part);
    }
    range.begin = part.end;
  }
  if (hole) return error(ENOMEM);
  return {};
}

AddressSpace::Expected<void> AddressSpace::State::populate(PageRange range, bool write) {
  const int needed = write ? PROT_WRITE : PROT_READ | PROT_WRITE;
  const Lock guard(lock);
  for (CommitStep step = CommitStep::kAgain; step == CommitStep::kAgain;) {
    for (PageNumber at = range.begin; at < range.end;) {
      const Mapping* mapping = tree.find(at);
      if (mapping == nullptr || (mapping->flags & kKernelMapping) != 0) return error(ENOMEM);
      if ((mapping->protection & needed) == 0) return error(EFAULT);
      at = mapping->end;
    }
    step = commit_step(range);
    if (step == CommitStep::kExhausted && !reclaim(kMaxRun)) return error(ENOMEM);
    if (step == CommitStep::kExhausted) step = CommitStep::kAgain;
  }
  return {};
}

}  // namespace coffer::kernel
