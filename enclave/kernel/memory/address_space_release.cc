// Pages that go back to the platform: those that are in no mapping, and those that MADV_DONTNEED emptied.
#include <sys/mman.h>

#include "enclave/kernel/memory/address_space_state.h"

namespace coffer::kernel {
namespace {

using Lock = LockGuard<SpinLock>;

}  // namespace

PageNumber AddressSpace::State::give_back(PageRange run) {
  const std::size_t bytes = source.release(address_of(run.begin), std::size_t{run.end - run.begin} * kPageSize);
  const auto pages = static_cast<PageNumber>(bytes / kPageSize);
  committed.clear(run.begin, run.begin + pages);
  return pages;
}

PageRange AddressSpace::State::next_free_run(PageNumber from) {
  for (PageNumber at = std::max(from, first); at < end;) {
    const Mapping* mapping = tree.first_ending_after(at);
    const PageNumber gap_end = mapping == nullptr ? end : std::max(mapping->begin, at);
    const PageNumber begin = committed.next_committed(at, gap_end);
    if (begin < gap_end) return {begin, committed.next_uncommitted(begin, std::min(gap_end, begin + kMaxRun))};
    at = mapping == nullptr ? end : mapping->end;
  }
  return {end, end};
}

PageNumber AddressSpace::State::release_free(PageNumber skip, PageNumber count) {
  PageNumber released = 0;
  PageNumber at = first;
  while (released < count) {
    PageRange run = next_free_run(at);
    if (run.begin == run.end) break;
    at = run.end;
    const PageNumber skipped = std::min(skip, run.end - run.begin);
    skip -= skipped;
    run.begin += skipped;
    run.end = std::min(run.end, run.begin + (count - released));
    if (run.begin == run.end) continue;
    const PageNumber given = give_back(run);
    free_pages -= given;
    released += given;
    if (given != run.end - run.begin) break;
    // One run at a time: others want the lock too.
    if (released < count) wait_unlocked();
  }
  least_free = std::min<PageNumber>(least_free, free_pages);
  return released;
}

// --- emptied by MADV_DONTNEED

void AddressSpace::State::note_discarded(PageRange range) {
  if (committed.count(range.begin, range.end) < kWorthDiscarding) return;
  for (Discarded& other : std::span(discarded).first(discarded_count)) {
    if (other.range.begin > range.end || range.begin > other.range.end) continue;
    other = {{std::min(other.range.begin, range.begin), std::max(other.range.end, range.end)}, false};
    return;
  }
  // Where there are too many, these stay for the next that is mapped there.
  if (discarded_count < kMaxDiscarded) discarded[discarded_count++] = {range, false};
}

// Gives back the empty pages of a run in a writable mapping; the page behind the last that was looked at. Nobody can
// write while they are looked at, and who tries waits for the lock in handle_fault().
PageNumber AddressSpace::State::release_empty(PageRange run) {
  static constexpr std::byte kZeros[kPageSize] = {};
  const auto is_empty = [&](PageNumber page) {
    return std::memcmp(reinterpret_cast<const void*>(address_of(page)), kZeros, kPageSize) == 0;
  };
  if (!is_empty(run.begin)) return run.begin + 1;
  PageNumber looks_empty = run.begin + 1;
  while (looks_empty < run.end && is_empty(looks_empty)) ++looks_empty;
  run.end = looks_empty;
  constexpr int kAll = PROT_READ | PROT_WRITE;
  const std::size_t size = std::size_t{run.end - run.begin} * kPageSize;
  if (!source.restrict(address_of(run.begin), size, PROT_READ)) {
    source.extend(address_of(run.begin), size, kAll);
    return end;
  }
  PageNumber empty = run.begin;
  while (empty < run.end && is_empty(empty)) ++empty;
  PageNumber given = 0;
  if (empty != run.begin) {
    changes.fetch_add(1, std::memory_order_release);
    given = give_back({run.begin, empty});
  }
  extend_committed({run.begin + given, run.end}, kAll);
  return given == 0 && empty != run.begin ? end : run.end;
}

void AddressSpace::State::release_discarded(PageRange range) {
  while (range.begin < range.end) {
    const Lock guard(lock);
    const Mapping* mapping = tree.first_ending_after(range.begin);
    if (mapping == nullptr || mapping->begin >= range.end) return;
    const PageRange part{std::max(mapping->begin, range.begin), std::min(mapping->end, range.end)};
    range.begin = part.end;
    // What is protected now, or another's, was not given up for good.
    if ((mapping->flags & kKernelMapping) != 0 || (mapping->protection & PROT_WRITE) == 0) continue;
    const PageNumber begin = committed.next_committed(part.begin, part.end);
    if (begin == part.end) continue;
    range.begin = release_empty({begin, committed.next_uncommitted(begin, std::min(part.end, begin + kMaxRun))});
  }
}

// --- when

void AddressSpace::release_unused() {
  State& state = *state_;
  Discarded due[State::kMaxDiscarded];
  std::size_t due_count = 0;
  {
    const Lock guard(state.lock);
    const PageNumber unwanted = std::min<PageNumber>(state.least_free, state.free_pages);
    if (unwanted > kKeptFree) {
      // The first ones are what the next mapping takes.
      const PageNumber count = unwanted - kKeptFree;
      (void)state.release_free(state.free_pages - count, count);
    }
    state.least_free = state.free_pages;
    std::size_t kept = 0;
    for (Discarded& discarded : std::span(state.discarded).first(state.discarded_count)) {
      if (discarded.old) {
        due[due_count++] = discarded;
      } else {
        discarded.old = true;
        state.discarded[kept++] = discarded;
      }
    }
    state.discarded_count = kept;
  }
  for (const Discarded& discarded : std::span(due).first(due_count)) state.release_discarded(discarded.range);
}

bool AddressSpace::has_unused() const {
  const Lock guard(state_->lock);
  return state_->free_pages > kKeptFree || state_->discarded_count != 0;
}

bool AddressSpace::can_reclaim() const { return state_->free_pages != 0; }

bool AddressSpace::reclaim(std::size_t size) {
  const Lock guard(state_->lock);
  return state_->reclaim(static_cast<PageNumber>(std::min(size / kPageSize, std::size_t{state_->end})));
}

}  // namespace coffer::kernel
