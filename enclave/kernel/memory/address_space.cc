#include "enclave/kernel/memory/address_space.h"

#include <new>

#include "enclave/kernel/core/kernel.h"
#include "enclave/kernel/memory/address_space_state.h"

namespace coffer::kernel {
namespace {

constexpr PageNumber kMinWindow = 4;
constexpr int kKnownProtection = PROT_READ | PROT_WRITE | PROT_EXEC;

using Lock = LockGuard<SpinLock>;
std::unexpected<int> error(int errno_value) { return std::unexpected(errno_value); }

bool allows(const Mapping& mapping, bool write) {
  if ((mapping.flags & kKernelMapping) != 0) return false;
  // As on any x86 processor, what can be written can be read.
  return (mapping.protection & (write ? PROT_WRITE : PROT_READ | PROT_WRITE)) != 0;
}

// The pages that a fault at `page` commits: a run that starts where the program seems to be going and doubles as long
// as it goes on there, in either direction, inside the mapping.
PageRange fault_run(Mapping& mapping, PageNumber page) {
  const bool upward = mapping.fault_window != 0 && page == mapping.run_end;
  const bool downward = mapping.fault_window != 0 && page + 1 == mapping.run_begin;
  PageNumber window = kMinWindow;
  if (upward || downward) window = std::min<PageNumber>(PageNumber{mapping.fault_window} * 2, kMaxRun);
  PageRange run{page, page + 1};
  if (downward) {
    run.begin = page - std::min(page - mapping.begin, window - 1);
  } else {
    run.end = page + std::min(mapping.end - page, window);
  }
  mapping.fault_window = static_cast<std::uint16_t>(window);
  mapping.run_begin = run.begin;
  mapping.run_end = run.end;
  return run;
}

}  // namespace

AddressSpace::AddressSpace(std::uintptr_t base, std::size_t size, PageSource& source) {
  if (!page_aligned(base) || !page_aligned(size) || size < kMinSize || base + size < base) {
    panic("the heap range is too small or not made of pages");
  }
  static_assert(kMaxSize / kPageSize / CommittedPages::kPagesPerBitmapPage <= CommittedPages::kMaxBitmapPages);
  constexpr std::size_t kStateSize = (sizeof(State) + kPageSize - 1) & ~(kPageSize - 1);
  if (!source.commit(base, kStateSize)) panic("out of enclave memory: the heap's first page cannot be committed");
  const auto pages = static_cast<PageNumber>(std::min(size, kMaxSize) / kPageSize);
  state_ = new (reinterpret_cast<void*>(base)) State(base, pages, source);
}

// The pages stay with the enclave; whoever gave the range decides what becomes of it.
AddressSpace::~AddressSpace() { state_->~State(); }

AddressSpace::Expected<std::uintptr_t> AddressSpace::map(std::uintptr_t hint, std::size_t size, int protection,
                                                         int flags) {
  std::size_t rounded = 0;
  if (size == 0) return error(EINVAL);
  if (!round_to_pages(size, &rounded)) return error(ENOMEM);
  if ((flags & (MAP_SHARED | MAP_PRIVATE)) == 0) return error(EINVAL);
  if ((protection & PROT_EXEC) != 0) return error(EACCES);
  const bool no_replace = (flags & MAP_FIXED_NOREPLACE) != 0;
  const bool fixed = no_replace || (flags & MAP_FIXED) != 0;
  if (fixed && !page_aligned(hint)) return error(EINVAL);

  State& state = *state_;
  const Lock guard(state.lock);
  if (rounded / kPageSize > state.end - state.first) return error(ENOMEM);
  const auto pages = static_cast<PageNumber>(rounded / kPageSize);
  PageRange range{};
  if (fixed) {
    if (!state.to_pages(hint, rounded, &range)) return error(ENOMEM);
    state.settle(range);
    if (state.holds_kernel_pages(range)) return error(ENOMEM);
    if (no_replace && !state.is_free(range)) return error(EEXIST);
    if (!state.reserve_for_removal(range, 1)) return error(ENOMEM);
    state.remove(range);
  } else {
    std::size_t rounded_hint = 0;
    const bool take_hint = hint != 0 && round_to_pages(hint, &rounded_hint) &&
                           state.to_pages(rounded_hint, rounded, &range) && state.is_free(range);
    if (!take_hint) {
      const PageNumber place = state.place(pages);
      if (place == MappingTree::kNoPage) return error(ENOMEM);
      range = {place, place + pages};
    }
    if (!state.tree.reserve(1)) return error(ENOMEM);
  }
  state.add(range, protection & kKnownProtection, static_cast<std::uint32_t>(flags) & kKeptFlags);
  // Pages that were used before are there already: a guard page made of them must guard.
  const int rights = State::rights_of(protection);
  if (rights != (PROT_READ | PROT_WRITE) && !state.restrict_committed(range, rights)) {
    if (state.reserve_for_removal(range, 0)) state.remove(range);
    return error(ENOMEM);
  }
  // As on Linux, the mapping stands even where its pages cannot all be populated.
  if ((flags & (MAP_POPULATE | MAP_LOCKED)) != 0 && protection != PROT_NONE) {
    while (state.fully_mapped(range) && state.commit_step(range) == CommitStep::kAgain) continue;
  }
  return state.address_of(range.begin);
}

AddressSpace::Expected<void> AddressSpace::unmap(std::uintptr_t address, std::size_t size) {
  State& state = *state_;
  PageRange range{};
  if (size == 0 || !page_aligned(address) || !state.to_pages(address, size, &range)) return error(EINVAL);
  // In pieces, so that zeroing gigabytes does not stop every other thread.
  while (range.begin < range.end) {
    const Lock guard(state.lock);
    state.settle(range);
    if (state.holds_kernel_pages(range)) return error(EINVAL);
    const PageRange piece{range.begin, state.piece_end(range)};
    if (!state.reserve_for_removal(piece, 0)) return error(ENOMEM);
    state.remove(piece);
    range.begin = piece.end;
  }
  return {};
}

AddressSpace::Expected<void> AddressSpace::protect(std::uintptr_t address, std::size_t size, int protection) {
  State& state = *state_;
  if (!page_aligned(address) || (protection & ~kKnownProtection) != 0) return error(EINVAL);
  if (size == 0) return {};
  const bool code = (protection & PROT_EXEC) != 0;
  if (code && (!state.code_allowed || (protection & PROT_WRITE) != 0)) return error(EACCES);
  PageRange range{};
  if (!state.to_pages(address, size, &range)) return error(ENOMEM);
  // A page that is committed later would be there without the right to execute it.
  if (code) {
    if (auto writable = protect(address, size, PROT_READ | PROT_WRITE); !writable) return writable;
    if (auto populated = state.populate(range, true); !populated) return populated;
  }
  const Lock guard(state.lock);
  state.settle(range);
  if (!state.fully_mapped(range) || !state.reserve_for(range, 0)) return error(ENOMEM);
  state.split_at(range.begin);
  state.split_at(range.end);
  state.changes.fetch_add(1, std::memory_order_release);
  for (PageNumber at = range.begin; at < range.end;) {
    Mapping* mapping = state.tree.find(at);
    state.disarm({mapping->begin, mapping->end}, mapping->protection);
    mapping->protection &= static_cast<std::uint8_t>(~PROT_EXEC);
    at = mapping->end;
  }
  const int rights = State::rights_of(protection);
  // Rights go first, mapping by mapping, so that everything can be put back where the host does not do its part.
  bool restricted = true;
  PageNumber done = range.begin;
  while (done < range.end && restricted) {
    const Mapping* mapping = state.tree.find(done);
    const bool loses = (State::rights_of(mapping->protection) & ~rights) != 0;
    restricted = !loses || state.restrict_committed({mapping->begin, mapping->end}, rights);
    done = mapping->end;
  }
  for (PageNumber at = range.begin; at < done;) {
    Mapping* mapping = state.tree.find(at);
    if (restricted) {
      if ((rights & ~State::rights_of(mapping->protection)) != 0) {
        state.extend_committed({mapping->begin, mapping->end}, rights);
      }
      mapping->protection = static_cast<std::uint8_t>(protection);
    } else {
      state.extend_committed({mapping->begin, mapping->end}, State::rights_of(mapping->protection));
    }
    at = mapping->end;
  }
  if (restricted && code) state.extend_committed(range, rights | PROT_EXEC);
  state.join(range);
  if (!restricted) return error(ENOMEM);
  return {};
}

void AddressSpace::allow_code() { state_->code_allowed = true; }

std::uintptr_t AddressSpace::set_break(std::uintptr_t address) {
  State& state = *state_;
  const Lock guard(state.lock);
  if (address > state.address_of(state.first) && address < state.break_address) {
    state.settle({state.page_of(address), state.end});
  }
  const std::uintptr_t old_break = state.break_address;
  if (address < state.address_of(state.first) || address > state.address_of(state.end)) return old_break;
  const auto page_up = [&](std::uintptr_t value) { return state.page_of(value + kPageSize - 1); };
  const PageNumber old_end = page_up(old_break);
  const PageNumber new_end = page_up(address);
  if (new_end > old_end) {
    const PageRange grown{old_end, new_end};
    if (!state.is_free(grown) || !state.tree.reserve(1)) return old_break;
    state.add(grown, PROT_READ | PROT_WRITE, MAP_PRIVATE | kBreakMapping);
  } else if (new_end < old_end) {
    const PageRange shrunk{new_end, old_end};
    if (state.holds_kernel_pages(shrunk) || !state.reserve_for_removal(shrunk, 0)) return old_break;
    state.remove(shrunk);
  }
  state.break_address = address;
  return address;
}

AddressSpace::FaultResult AddressSpace::handle_fault(std::uintptr_t address, bool write) {
  State& state = *state_;
  PageRange at{};
  if (!state.to_pages(address & ~(kPageSize - 1), kPageSize, &at)) return FaultResult::kUnmapped;
  const Lock guard(state.lock);
  PageRange run = at;
  for (bool first_look = true;; first_look = false) {
    Mapping* mapping = state.tree.find(at.begin);
    if (mapping == nullptr) return FaultResult::kUnmapped;
    if (!allows(*mapping, write)) return FaultResult::kProtection;
    if (state.committed.is_committed(at.begin)) return FaultResult::kCommitted;
    // Another thread may have changed the mapping since the first look: then only what is needed for sure.
    run = first_look ? fault_run(*mapping, at.begin) : at;
    if (state.commit_step(run) != CommitStep::kExhausted) continue;
    if (state.committed.is_committed(at.begin)) return FaultResult::kCommitted;
    if (!first_look) return FaultResult::kOutOfMemory;
  }
}

bool AddressSpace::prepare_access(std::uintptr_t address, std::size_t size, bool write) {
  if (size == 0) return true;
  State& state = *state_;
  const std::uintptr_t offset_in_page = address & (kPageSize - 1);
  PageRange range{};
  if (size + offset_in_page < size || !state.to_pages(address - offset_in_page, size + offset_in_page, &range)) {
    return false;
  }
  const Lock guard(state.lock);
  for (CommitStep step = CommitStep::kAgain; step == CommitStep::kAgain;) {
    for (PageNumber at = range.begin; at < range.end;) {
      const Mapping* mapping = state.tree.find(at);
      if (mapping == nullptr || !allows(*mapping, write)) return false;
      at = mapping->end;
    }
    step = state.commit_step(range);
    if (step == CommitStep::kExhausted && !state.reclaim(kMaxRun)) return false;
    if (step == CommitStep::kExhausted) step = CommitStep::kAgain;
  }
  return true;
}

void AddressSpace::note_change() { state_->changes.fetch_add(1, std::memory_order_release); }

std::uint64_t AddressSpace::changes() const { return state_->changes.load(std::memory_order_acquire); }

bool AddressSpace::is_committed(std::uintptr_t address) const {
  const Lock guard(state_->lock);
  return state_->committed.is_committed(state_->page_of(address));
}

bool AddressSpace::owns(std::uintptr_t address, std::size_t size) const {
  const std::uintptr_t range_size = std::uintptr_t{state_->end} * kPageSize;
  return address >= state_->base && address - state_->base <= range_size &&
         size <= range_size - (address - state_->base);
}

void* AddressSpace::map_kernel(std::size_t size) {
  State& state = *state_;
  std::size_t rounded = 0;
  if (size == 0 || !round_to_pages(size, &rounded)) return nullptr;
  const Lock guard(state.lock);
  if (rounded / kPageSize > state.end - state.first || !state.tree.reserve(1)) return nullptr;
  const auto pages = static_cast<PageNumber>(rounded / kPageSize);
  const auto break_end = static_cast<PageNumber>((state.break_address - state.base + kPageSize - 1) / kPageSize);
  const PageNumber place = state.tree.highest_gap(break_end, state.end, pages);
  if (place == MappingTree::kNoPage) return nullptr;
  const PageRange range{place, place + pages};
  // Mapped first: nobody takes the place while the lock is let go.
  state.add(range, PROT_READ | PROT_WRITE, kKernelMapping);
  CommitStep step = CommitStep::kAgain;
  while (step == CommitStep::kAgain || (step == CommitStep::kExhausted && state.reclaim(kMaxRun))) {
    step = state.commit_step(range);
  }
  if (step == CommitStep::kDone) return reinterpret_cast<void*>(state.address_of(place));
  // A full node array leaves the place mapped and unused, which harms nobody.
  if (state.reserve_for_removal(range, 0)) state.remove(range);
  return nullptr;
}

void AddressSpace::release_kernel(void* address, std::size_t size) {
  State& state = *state_;
  const auto begin = reinterpret_cast<std::uintptr_t>(address);
  PageRange range{};
  if (size == 0 || !page_aligned(begin) || !state.to_pages(begin, size, &range)) {
    panic("kernel pages are given back that were never given out");
  }
  const Lock guard(state.lock);
  const Mapping* mapping = state.tree.find(range.begin);
  if (mapping == nullptr || (mapping->flags & kKernelMapping) == 0 || mapping->end < range.end) {
    panic("kernel pages are given back that were never given out");
  }
  if (!state.reserve_for_removal(range, 0)) panic("out of mappings while kernel pages are given back");
  state.remove(range);
}

AddressSpace::Usage AddressSpace::usage() const {
  State& state = *state_;
  const Lock guard(state.lock);
  std::size_t mapped = 0;
  std::size_t committed_mapped = 0;
  for (PageNumber at = state.first;;) {
    const Mapping* mapping = state.tree.first_ending_after(at);
    if (mapping == nullptr) break;
    mapped += mapping->end - mapping->begin;
    committed_mapped += state.committed.count(mapping->begin, mapping->end);
    at = mapping->end;
  }
  const std::size_t committed = state.committed.count(state.first, state.end);
  return {.mapped = mapped * kPageSize,
          .committed = (committed + state.bookkeeping_committed) * kPageSize,
          .committed_free = (committed - committed_mapped) * kPageSize};
}

void AddressSpace::visit_mappings(Visitor visit, void* context) const {
  State& state = *state_;
  for (PageNumber at = state.first;;) {
    Mapping copy;
    {
      // Not held while visiting: the visitor may need memory, which comes from here.
      const Lock guard(state.lock);
      const Mapping* mapping = state.tree.first_ending_after(at);
      if (mapping == nullptr) return;
      copy = *mapping;
    }
    at = copy.end;
    if ((copy.flags & kKernelMapping) != 0) continue;
    visit(context, state.address_of(copy.begin), state.address_of(copy.end), copy.protection,
          static_cast<int>(copy.flags));
  }
}

}  // namespace coffer::kernel
