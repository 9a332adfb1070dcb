#include "enclave/kernel/memory/address_space_state.h"

#include "enclave/kernel/core/kernel.h"

namespace coffer::kernel {
namespace {

std::uint32_t mapping_limit(PageNumber pages) {
  // A quarter of the pages is more than programs use, and keeps the node array small for small heaps.
  return std::clamp<std::uint32_t>(pages / 4, 256, AddressSpace::kMaxMappings);
}

PageNumber pages_for(std::size_t bytes) { return static_cast<PageNumber>((bytes + kPageSize - 1) / kPageSize); }

}  // namespace

AddressSpace::State::State(std::uintptr_t range_base, PageNumber pages, PageSource& page_source)
    : source(page_source), base(range_base), end(pages) {
  const std::uint32_t limit = mapping_limit(pages) + 1;
  bitmap_page = pages_for(sizeof(State));
  bookkeeping_committed = bitmap_page;
  const PageNumber bitmap_pages =
      (pages + CommittedPages::kPagesPerBitmapPage - 1) / CommittedPages::kPagesPerBitmapPage;
  nodes_page = bitmap_page + bitmap_pages;
  first = nodes_page + pages_for(limit * MappingTree::node_bytes());
  map_base = first + (end - first) / 2;
  break_address = address_of(first);
  committed.init(
      reinterpret_cast<std::uint64_t*>(address_of(bitmap_page)),
      [](void* context, std::size_t index) {
        auto* self = static_cast<State*>(context);
        ++self->bookkeeping_committed;
        return self->source.commit(self->address_of(self->bitmap_page) + index * kPageSize, kPageSize);
      },
      this);
  tree.init(
      reinterpret_cast<void*>(address_of(nodes_page)), limit,
      [](void* context, std::size_t first_page, std::size_t count) {
        auto* self = static_cast<State*>(context);
        self->bookkeeping_committed += count;
        return self->source.commit(self->address_of(self->nodes_page) + first_page * kPageSize, count * kPageSize);
      },
      this);
}

bool AddressSpace::State::to_pages(std::uintptr_t address, std::size_t size, PageRange* range) const {
  std::size_t rounded = 0;
  if (!round_to_pages(size, &rounded) || address < base) return false;
  const std::uint64_t offset = (address - base) / kPageSize;
  const std::uint64_t count = rounded / kPageSize;
  if (offset < first || offset > end || count > end - offset) return false;
  *range = {static_cast<PageNumber>(offset), static_cast<PageNumber>(offset + count)};
  return true;
}

PageNumber AddressSpace::State::accept(PageRange run) {
  if (source.commit(address_of(run.begin), std::size_t{run.end - run.begin} * kPageSize)) return run.end;
  PageNumber accepted = run.begin;
  if (run.end - run.begin == 1) return accepted;
  // How far did it get? What was accepted must be known as such, or it would never be zeroed.
  while (accepted < run.end && source.commit(address_of(accepted), kPageSize)) ++accepted;
  return accepted;
}

bool AddressSpace::State::commit_locked(PageRange range) {
  PageNumber at = committed.next_uncommitted(range.begin, range.end);
  while (at < range.end) {
    const PageRange run{at, committed.next_committed(at, range.end)};
    if (!committed.reserve(run.begin, run.end)) return false;
    const PageNumber accepted = accept(run);
    committed.set(run.begin, accepted);
    free_pages += accepted - run.begin;
    if (accepted != run.end) return false;
    at = committed.next_uncommitted(run.end, range.end);
  }
  return true;
}

bool AddressSpace::State::is_pending(PageRange range) const {
  return std::any_of(pending, pending + pending_count,
                     [&](PageRange other) { return other.begin < range.end && range.begin < other.end; });
}

void AddressSpace::State::wait_unlocked() {
  lock.unlock();
  __builtin_ia32_pause();
  lock.lock();
}

void AddressSpace::State::settle(PageRange range) {
  while (is_pending(range)) wait_unlocked();
}

CommitStep AddressSpace::State::commit_step(PageRange range) {
  const PageNumber begin = committed.next_uncommitted(range.begin, range.end);
  if (begin == range.end) return CommitStep::kDone;
  const PageRange run{begin, std::min(committed.next_committed(begin, range.end), begin + kMaxRun)};
  if (pending_count == kMaxPending || is_pending(run)) {
    wait_unlocked();
    return CommitStep::kAgain;
  }
  if (!committed.reserve(run.begin, run.end)) return CommitStep::kExhausted;
  pending[pending_count++] = run;
  lock.unlock();
  const PageNumber accepted = accept(run);
  lock.lock();
  auto* mine =
      std::find_if(pending, pending + pending_count, [&](PageRange other) { return other.begin == run.begin; });
  *mine = pending[--pending_count];
  committed.set(run.begin, accepted);
  return accepted == run.end ? CommitStep::kAgain : CommitStep::kExhausted;
}

void AddressSpace::State::zero(PageRange range) {
  PageNumber at = committed.next_committed(range.begin, range.end);
  while (at < range.end) {
    const PageNumber run_end = committed.next_uncommitted(at, range.end);
    std::memset(reinterpret_cast<void*>(address_of(at)), 0, std::size_t{run_end - at} * kPageSize);
    at = committed.next_committed(run_end, range.end);
  }
}

int AddressSpace::State::rights_of(int protection) {
  if ((protection & PROT_WRITE) != 0) return PROT_READ | PROT_WRITE;
  return protection & PROT_READ;
}

bool AddressSpace::State::restrict_committed(PageRange range, int rights) {
  PageNumber at = committed.next_committed(range.begin, range.end);
  while (at < range.end) {
    const PageNumber run_end = committed.next_uncommitted(at, range.end);
    if (!source.restrict(address_of(at), std::size_t{run_end - at} * kPageSize, rights)) return false;
    at = committed.next_committed(run_end, range.end);
  }
  return true;
}

void AddressSpace::State::extend_committed(PageRange range, int rights) {
  if (rights == PROT_NONE) return;
  PageNumber at = committed.next_committed(range.begin, range.end);
  while (at < range.end) {
    const PageNumber run_end = committed.next_uncommitted(at, range.end);
    source.extend(address_of(at), std::size_t{run_end - at} * kPageSize, rights);
    at = committed.next_committed(run_end, range.end);
  }
}

void AddressSpace::State::disarm(PageRange range, int protection) {
  if ((protection & PROT_EXEC) == 0) return;
  if (!restrict_committed(range, rights_of(protection)))
    panic("the host does not take the right to execute from pages");
}

void AddressSpace::State::zero_protected(PageRange range, int protection) {
  disarm(range, protection);
  constexpr int kAll = PROT_READ | PROT_WRITE;
  if (rights_of(protection) != kAll) extend_committed(range, kAll);
  zero(range);
}

// Copies the committed pages of `from`; their targets must be committed.
void AddressSpace::State::copy(PageRange from, PageNumber to) {
  PageNumber at = committed.next_committed(from.begin, from.end);
  while (at < from.end) {
    const PageNumber run_end = committed.next_uncommitted(at, from.end);
    std::memcpy(reinterpret_cast<void*>(address_of(to + (at - from.begin))),
                reinterpret_cast<const void*>(address_of(at)), std::size_t{run_end - at} * kPageSize);
    at = committed.next_committed(run_end, from.end);
  }
}

PageNumber AddressSpace::State::piece_end(PageRange range) const {
  const PageNumber run = committed.next_committed(range.begin, range.end);
  if (run == range.end) return range.end;
  const PageNumber piece = std::min(range.end - run, kMaxRun) + run;
  return committed.next_uncommitted(run, piece);
}

bool AddressSpace::State::holds_kernel_pages(PageRange range) {
  for (PageNumber at = range.begin; at < range.end;) {
    const Mapping* mapping = tree.first_ending_after(at);
    if (mapping == nullptr || mapping->begin >= range.end) return false;
    if ((mapping->flags & kKernelMapping) != 0) return true;
    at = mapping->end;
  }
  return false;
}

bool AddressSpace::State::fully_mapped(PageRange range) {
  for (PageNumber at = range.begin; at < range.end;) {
    const Mapping* mapping = tree.find(at);
    if (mapping == nullptr || (mapping->flags & kKernelMapping) != 0) return false;
    at = mapping->end;
  }
  return true;
}

bool AddressSpace::State::is_free(PageRange range) {
  const Mapping* mapping = tree.first_ending_after(range.begin);
  return mapping == nullptr || mapping->begin >= range.end;
}

bool AddressSpace::State::reserve_for(PageRange range, std::uint32_t more) {
  for (const PageNumber border : {range.begin, range.end}) {
    const Mapping* mapping = tree.find(border);
    if (mapping != nullptr && mapping->begin != border) ++more;
  }
  return more == 0 || tree.reserve(more);
}

void AddressSpace::State::split_at(PageNumber page) {
  Mapping* mapping = tree.find(page);
  if (mapping == nullptr || mapping->begin == page) return;
  Mapping above = *mapping;
  above.begin = page;
  tree.resize(mapping, mapping->begin, page);
  tree.insert(above);
}

void AddressSpace::State::join(PageRange range) {
  Mapping* mapping = range.begin > 0 ? tree.first_ending_after(range.begin - 1) : nullptr;
  while (mapping != nullptr && mapping->end <= range.end) {
    Mapping* next = tree.find(mapping->end);
    if (next == nullptr) {
      mapping = tree.first_ending_after(mapping->end);
    } else if (next->same_kind(*mapping)) {
      const PageNumber joined_end = next->end;
      tree.erase(next);
      tree.resize(mapping, mapping->begin, joined_end);
    } else {
      mapping = next;
    }
  }
}

bool AddressSpace::State::reserve_for_removal(PageRange range, std::uint32_t more) {
  const Mapping* mapping = tree.find(range.begin);
  if (mapping != nullptr && mapping->begin < range.begin && mapping->end > range.end) ++more;
  return more == 0 || tree.reserve(more);
}

void AddressSpace::State::remove(PageRange range) {
  changes.fetch_add(1, std::memory_order_release);
  for (;;) {
    Mapping* mapping = tree.first_ending_after(range.begin);
    if (mapping == nullptr || mapping->begin >= range.end) return;
    const Mapping whole = *mapping;
    const PageRange part{std::max(whole.begin, range.begin), std::min(whole.end, range.end)};
    zero_protected(part, whole.protection);
    free_pages += static_cast<PageNumber>(committed.count(part.begin, part.end));
    if (whole.begin < range.begin) {
      tree.resize(mapping, whole.begin, range.begin);
      if (whole.end <= range.end) continue;
      Mapping above = whole;
      above.begin = range.end;
      tree.insert(above);
    } else if (whole.end > range.end) {
      tree.resize(mapping, range.end, whole.end);
    } else {
      tree.erase(mapping);
    }
  }
}

void AddressSpace::State::add(PageRange range, int protection, std::uint32_t flags) {
  Mapping mapping;
  mapping.begin = range.begin;
  mapping.end = range.end;
  mapping.protection = static_cast<std::uint8_t>(protection);
  mapping.flags = flags;
  tree.insert(mapping);
  join(range);
  free_pages -= static_cast<PageNumber>(committed.count(range.begin, range.end));
  least_free = std::min<PageNumber>(least_free, free_pages);
}

PageNumber AddressSpace::State::place(PageNumber pages) {
  const PageNumber found = tree.lowest_gap(map_base, end, pages);
  if (found != MappingTree::kNoPage) return found;
  // The area kept for brk is the last resort; what is kept free above the break is not worth a failed mapping.
  const auto break_end = static_cast<PageNumber>((break_address - base + kPageSize - 1) / kPageSize);
  return tree.lowest_gap(break_end, end, pages);
}

}  // namespace coffer::kernel
