#include "processor/pager/pager.h"

#include <sched.h>
#include <sys/mman.h>

#include <algorithm>
#include <bit>
#include <string>

namespace coffer::processor {

using sgx::kPageSize;

namespace {

// Slots that stay in reserve: a VA page takes a frame, and the EPC must not be full when the last slot is used.
constexpr int kMostTries = 100'000;  // of EWB, for threads that are just on their way in
constexpr std::uint32_t kSlotReserve = 128;

// The least of the EPC that must be pageable for a program to run: its threads' stacks and SSA frames, the operands of
// a leaf, and a few clusters of what it works on.
constexpr std::uint32_t kLeastPageable = 96;

}  // namespace

Result<std::unique_ptr<Pager>> Pager::attach(SoftEnclave& enclave, const PagerOptions& options,
                                             std::shared_ptr<PagerGroup> group) {
  if (group == nullptr) group.reset(new PagerGroup);
  const bool paged = enclave.may_exceed_epc();
  const auto frames = static_cast<std::uint32_t>(enclave.usage().epc_pages);
  std::unique_ptr<Pager> pager(new Pager(enclave, options, paged, frames, std::move(group)));
  if (!paged) {
    enclave.set_supply(pager.get());
    return pager;
  }
  const std::size_t table = pager->pages_ * sizeof(std::uint32_t);
  void* places = ::mmap(nullptr, table, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (places == MAP_FAILED) return fail(ErrorKind::kSystem, "no addresses for the pager's table");
  pager->places_ = static_cast<std::uint32_t*>(places);
  if (auto reserved = pager->store_.reserve(enclave.page_limit()); !reserved) return std::unexpected(reserved.error());
  if (auto enabled = enclave.enable_paging(pager.get()); !enabled) return std::unexpected(enabled.error());
  const std::scoped_lock guard(pager->lock_);
  pager->group_->pagers_.push_back(pager.get());
  (void)pager->make_room(1);
  pager->keep_version_slots();
  return pager;
}

Pager::Pager(SoftEnclave& enclave, const PagerOptions& options, bool paged, std::uint32_t frames,
             std::shared_ptr<PagerGroup> group)
    : enclave_(enclave),
      options_(options),
      paged_(paged),
      frames_(frames),
      pages_(enclave.size() / kPageSize),
      group_(std::move(group)) {
  // What comes at once must leave most of the EPC alone.
  options_.ahead = std::clamp(std::min(options_.ahead, frames / 16), 1U, kMostAtOnce);
  options_.cluster = std::bit_floor(std::clamp(std::min(options_.cluster, frames / 16), 1U, options_.ahead));
}

Pager::~Pager() {
  {
    const std::scoped_lock guard(lock_);
    std::erase(group_->pagers_, this);
    group_->hand_ = 0;
  }
  enclave_.set_supply(nullptr);
  if (places_ != nullptr) ::munmap(places_, pages_ * sizeof(std::uint32_t));
}

std::uint32_t Pager::place_of(std::uint64_t page) const {
  return places_ == nullptr ? kNoPlace : std::atomic_ref(places_[page]).load(std::memory_order_relaxed) - 1;
}

void Pager::set_place(std::uint64_t page, std::uint32_t place) {
  std::atomic_ref(places_[page]).store(place + 1, std::memory_order_relaxed);
}

bool Pager::holds(std::uint64_t offset) const { return place_of(offset / kPageSize) != kNoPlace; }

PagingCounters Pager::counters() const {
  const SoftEnclave::Usage usage = enclave_.usage();
  const std::scoped_lock guard(lock_);
  return {.pages_in = in_,
          .pages_out = out_,
          .faults = faults_,
          .second_chances = second_chances_,
          .epc_pages = usage.epc_pages,
          .epc_pages_used = usage.used_pages,
          .pages_outside = store_.used()};
}

LeafOutcome Pager::add_pages(std::uint64_t offset, sgx::SecinfoFlags flags, ByteView content, sgx::ExtendMask extend) {
  const std::scoped_lock guard(lock_);
  if (!paged_ || content.size() % kPageSize != 0) return enclave_.eadd(offset, flags, content, extend);
  LeafOutcome outcome = content.empty() ? enclave_.eadd(offset, flags, content, extend) : LeafOutcome{};
  while (!content.empty() && outcome.ok()) {
    const std::size_t pages = std::min<std::size_t>(content.size() / kPageSize, options_.ahead);
    (void)make_room(static_cast<std::uint32_t>(pages));
    outcome = enclave_.eadd(offset, flags, content.first(pages * kPageSize), extend);
    content = content.subspan(pages * kPageSize);
    offset += pages * kPageSize;
  }
  return outcome;
}

Result<void> Pager::check_size() const {
  if (!paged_) return {};
  std::uint32_t pageable = enclave_.free_frames();
  for (std::uint32_t frame = 0; frame < frames_;) {
    const SoftEnclave::FrameRun run = enclave_.evictable_run(frame, frames_);
    pageable += run.count;
    frame = run.next;
  }
  if (pageable >= kLeastPageable) return {};
  const std::uint64_t least = std::uint64_t{frames_ - pageable + kLeastPageable} * kPageSize;
  return input_error("an EPC of " + std::to_string(frames_ * kPageSize / 1024) +
                     " KiB is too small for this image, whose code and threads cannot be paged; give at least --epc " +
                     std::to_string((least + 1023) / 1024) + "K");
}

FaultAnswer Pager::resolve(const PageFault& fault) {
  if (fault.offset >= enclave_.size()) return FaultAnswer::kNotMine;
  const std::uint64_t page = fault.offset / kPageSize;
  const std::scoped_lock guard(lock_);
  if (place_of(page) != kNoPlace) {
    faults_.fetch_add(1, std::memory_order_relaxed);
    return load(page);
  }
  switch (enclave_.page_state(page * kPageSize, fault.permissions)) {
    case SoftEnclave::PageState::kAbsent:
      return fault.grow == 0 ? FaultAnswer::kNotMine : grow(page, fault.grow);
    case SoftEnclave::PageState::kHidden:
      second_chances_.fetch_add(1, std::memory_order_relaxed);
      show(page);
      return FaultAnswer::kRetry;
    case SoftEnclave::PageState::kAllowed:
      // Another thread was faster.
      if (!paged_) return FaultAnswer::kNotMine;
      return enclave_.restore(page * kPageSize) ? FaultAnswer::kRetry : FaultAnswer::kLost;
    case SoftEnclave::PageState::kBlocked:
      return FaultAnswer::kLost;
    case SoftEnclave::PageState::kRefused:
      // Pending, say, and EACCEPT found none: another thread's fault has brought it along.
      if (fault.unseen) return FaultAnswer::kRetry;
      break;
  }
  return FaultAnswer::kNotMine;
}

// A touched page says the same of its neighbours.
void Pager::show(std::uint64_t page) {
  const std::uint64_t first = page & ~std::uint64_t{options_.cluster - 1};
  enclave_.reveal(first * kPageSize,
                  static_cast<std::uint32_t>(std::min<std::uint64_t>(options_.cluster, pages_ - first)));
}

FaultAnswer Pager::grow(std::uint64_t page, std::uint32_t count) {
  // Linux adds the one page that was touched, where the program has mapped it.
  if (enclave_.host_maps_pages()) {
    if (!enclave_.host_allows(page * kPageSize, PROT_READ)) return FaultAnswer::kNotMine;
    count = 1;
  }
  // Where there is plenty, some pages ahead of an EACCEPT that walks upwards.
  const bool plenty = !enclave_.host_maps_pages() && enclave_.free_frames() > frames_ / 4;
  count = static_cast<std::uint32_t>(std::min<std::uint64_t>(plenty ? kMostAtOnce : count, pages_ - page));
  count = std::min(count, options_.ahead);
  if (make_room(count) == 0) return FaultAnswer::kNotMine;
  std::uint32_t added = 0;
  (void)enclave_.eaug(page * kPageSize, count, &added);
  return added == 0 ? FaultAnswer::kNotMine : FaultAnswer::kRetry;
}

// --- out

// Evicts until so many frames are free; how many are, which may be fewer.
std::uint32_t Pager::make_room(std::uint32_t pages) {
  std::uint32_t free = enclave_.free_frames();
  std::uint32_t failures = 0;
  while (paged_ && free < pages && failures <= frames_) {
    const auto victim = next_victim();
    if (!victim) break;
    if (victim->pager->evict(victim->run.offset / kPageSize, victim->run.count) != 0) {
      victim->pager->keep_version_slots();
    } else {
      // A leaf of another thread has changed the page since it was chosen, so the next one may do.
      ++failures;
    }
    free = enclave_.free_frames();
  }
  return free;
}

// Moves the hand that hides until it is as far before the other as it should be.
void Pager::lead_on() {
  const std::uint32_t watched = options_.watched == 0 ? 0 : frames_ / options_.watched;
  while (lead_ < watched) {
    const std::uint32_t frame = (back_ + lead_) % frames_;
    const SoftEnclave::FrameRun run = enclave_.evictable_run(frame, options_.cluster);
    if (run.count != 0 && !run.hidden) enclave_.hide(run.offset, run.count);
    lead_ += run.next - frame;
  }
}

SoftEnclave::FrameRun Pager::step(std::uint32_t* passed) {
  lead_on();
  const SoftEnclave::FrameRun run = enclave_.evictable_run(back_, options_.cluster);
  *passed = run.next - back_;
  back_ = run.next % frames_;
  lead_ -= std::min(lead_, *passed);
  return run;
}

std::optional<Pager::Victim> Pager::next_victim() {
  std::uint64_t frames = 0;
  for (const Pager* pager : group_->pagers_) frames += pager->frames_;
  // Twice around: what was touched the first time must stay untouched. Then whatever there is.
  for (std::uint64_t steps = 0; steps < 3 * frames;) {
    Pager& pager = *group_->pagers_[group_->hand_];
    std::uint32_t passed = 0;
    const SoftEnclave::FrameRun run = pager.step(&passed);
    steps += passed;
    if (pager.back_ == 0) group_->hand_ = (group_->hand_ + 1) % group_->pagers_.size();
    const bool idle = pager.options_.watched == 0 || run.hidden || steps > 2 * frames;
    if (run.count != 0 && idle) return Victim{&pager, run};
  }
  return std::nullopt;
}

std::uint32_t Pager::evict(std::uint64_t first, std::uint32_t count) {
  std::array<EvictedPage, kMostAtOnce> pages;
  std::array<VersionSlot, kMostAtOnce> slots;
  std::array<std::uint32_t, kMostAtOnce> places;
  count = std::min(count, kMostAtOnce);
  std::uint32_t ready = 0;
  for (; ready < count; ++ready) {
    places[ready] = store_.take();
    if (places[ready] == kNoPlace) break;
    pages[ready] = store_.page(places[ready]);
    slots[ready] = store_.slot(places[ready]);
    // Before the page goes: from the moment that it is not there, EAUG must find that it is not vacant.
    set_place(first + ready, places[ready]);
  }
  std::uint32_t blocked = 0;
  std::uint32_t written = 0;
  (void)enclave_.eblock(first * kPageSize, ready, &blocked);
  if (blocked != 0) {
    // A thread on its way in counts as inside, with an epoch that may be old or an SSA frame that it is about to find
    // blocked. That passes; a page that stayed blocked would be lost to the enclave.
    LeafOutcome outcome = leaf_error(sgx::LeafError::kNotTracked);
    for (int tries = 0; tries < kMostTries && outcome.error == sgx::LeafError::kNotTracked; ++tries) {
      if (tries != 0) ::sched_yield();
      enclave_.translations_flushed();  // completes the cycle before, so that ETRACK may begin another
      (void)enclave_.etrack();
      enclave_.translations_flushed();
      std::uint32_t more = 0;
      outcome = enclave_.ewb((first + written) * kPageSize, std::span(pages).subspan(written, blocked - written),
                             std::span(slots).subspan(written, blocked - written), &more);
      written += more;
    }
  }
  for (std::uint32_t i = 0; i < ready; ++i) {
    if (i < written) {
      store_.page(places[i]) = pages[i];
    } else {
      set_place(first + i, kNoPlace);
      store_.give_back(places[i]);
    }
  }
  out_.fetch_add(written, std::memory_order_relaxed);
  return written;
}

// Called while frames are free.
void Pager::keep_version_slots() {
  std::uint32_t page = 0;
  if (store_.room() < kSlotReserve && enclave_.epa(&page).ok()) store_.add_version_page(page);
}

// --- in

Pager::Range Pager::plan_load(std::uint64_t page) {
  auto stream = std::ranges::find_if(streams_, [page](const Stream& s) { return s.window != 0 && s.next == page; });
  Range range{.first = page, .count = 1};
  if (stream != streams_.end()) {
    stream->window = std::min(stream->window * 2, options_.ahead);
    while (range.count < stream->window && page + range.count < pages_ && place_of(page + range.count) != kNoPlace) {
      ++range.count;
    }
  } else {
    const std::uint64_t begin = page & ~std::uint64_t{options_.cluster - 1};
    const std::uint64_t end = std::min(begin + options_.cluster, pages_);
    while (range.first > begin && place_of(range.first - 1) != kNoPlace) --range.first;
    range.count = static_cast<std::uint32_t>(page - range.first) + 1;
    while (range.first + range.count < end && place_of(range.first + range.count) != kNoPlace) ++range.count;
    stream = streams_.begin() + next_stream_;
    next_stream_ = (next_stream_ + 1) % kStreams;
    stream->window = options_.cluster;
  }
  stream->next = range.first + range.count;
  return range;
}

FaultAnswer Pager::load(std::uint64_t page) {
  Range range = plan_load(page);
  const std::uint32_t room = make_room(range.count);
  if (room < range.count) range = {page, std::min(room, static_cast<std::uint32_t>(range.first + range.count - page))};
  // Neighbours that do not come back whole are no reason to lose this one.
  if (load_range(range) == 0 || place_of(page) != kNoPlace) (void)load_range({page, std::min(room, 1U)});
  return place_of(page) == kNoPlace ? FaultAnswer::kRetry : FaultAnswer::kLost;
}

std::uint32_t Pager::load_range(const Range& range) {
  std::array<EvictedPage, kMostAtOnce> pages;
  std::array<VersionSlot, kMostAtOnce> slots;
  for (std::uint32_t i = 0; i < range.count; ++i) {
    const std::uint32_t place = place_of(range.first + i);
    if (place == kNoPlace) return 0;
    pages[i] = store_.page(place);
    slots[i] = store_.slot(place);
  }
  std::uint32_t loaded = 0;
  (void)enclave_.eld(SoftEnclave::Loading::kUnblocked, std::span(pages).first(range.count),
                     std::span(slots).first(range.count), &loaded);
  for (std::uint32_t i = 0; i < loaded; ++i) {
    store_.give_back(place_of(range.first + i));
    set_place(range.first + i, kNoPlace);
  }
  in_.fetch_add(loaded, std::memory_order_relaxed);
  return loaded;
}

boundary::EpcCounters epc_counters(const SoftEnclave& enclave, const Pager& pager) {
  const SoftEnclave::Usage usage = enclave.usage();
  const PagingCounters paging = pager.counters();
  return {.total_pages = usage.epc_pages,
          .used_pages = usage.used_pages,
          .added_later_pages = usage.added_later_pages,
          .outside_pages = paging.pages_outside,
          .evictions = paging.pages_out,
          .reloads = paging.pages_in};
}

}  // namespace coffer::processor
