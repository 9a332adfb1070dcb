// ENCLS leaves that move pages out of the EPC and back: EPA, EBLOCK, EWB, ELDU and ELDB (Intel SDM volume 3D, 36.5 and
// 40.3), and what the driver of paging asks beside them.
#include <sys/mman.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstring>

#include "processor/enclave.h"

namespace coffer::processor {

using sgx::kPageSize;
using sgx::LeafError;
using sgx::PageType;
using sgx::SecinfoFlags;

namespace {

constexpr std::uint64_t kPageMask = kPageSize - 1;

// What SECINFO says of a page outside: its type, permissions and status.
constexpr std::uint64_t kKnownFlags =
    0xff00 | 7 | SecinfoFlags::kPending | SecinfoFlags::kModified | SecinfoFlags::kPermRestricted;

SecinfoFlags flags_of(const EpcmEntry& entry) {
  SecinfoFlags flags = SecinfoFlags::make(entry.type, entry.permissions);
  if (entry.pending) flags.value |= SecinfoFlags::kPending;
  if (entry.modified) flags.value |= SecinfoFlags::kModified;
  if (entry.permission_restricted) flags.value |= SecinfoFlags::kPermRestricted;
  return flags;
}

EpcmEntry entry_of(SecinfoFlags flags, std::uint64_t offset, Backing backing) {
  EpcmEntry entry;
  entry.linear_offset = offset;
  entry.type = flags.type();
  entry.permissions = static_cast<std::uint8_t>(flags.permissions());
  entry.valid = true;
  entry.pending = (flags.value & SecinfoFlags::kPending) != 0;
  entry.modified = (flags.value & SecinfoFlags::kModified) != 0;
  entry.permission_restricted = (flags.value & SecinfoFlags::kPermRestricted) != 0;
  entry.written = !flags.executable() || flags.writable();
  entry.backing = backing;
  return entry;
}

// Code cannot stand in secret memory; everything else goes there, also a page that was writable once and is not now.
Backing backing_for(SecinfoFlags flags) { return flags.executable() ? Backing::kPlain : Backing::kSecret; }

std::uint64_t fresh_enclave_id() {
  static std::atomic<std::uint64_t> next{1};
  return next.fetch_add(1, std::memory_order_relaxed);
}

bool may_stand_outside(PageType type) { return type == PageType::kReg || type == PageType::kTrim; }

constexpr std::array<std::byte, kPageSize> kZeroPage{};

using PageView = std::span<const std::byte, kPageSize>;
using PageBuffer = std::span<std::byte, kPageSize>;

}  // namespace

Result<void> SoftEnclave::enable_paging(PageSupply* supply) {
  const std::scoped_lock guard(lock_);
  if (cipher_ == nullptr) {
    auto cipher = PageCipher::make();
    if (!cipher) return std::unexpected(cipher.error());
    const std::size_t room = std::size_t{epc_.frame_count()} * kPageSize;
    void* place = ::mmap(nullptr, room, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (place == MAP_FAILED) return fail(ErrorKind::kSystem, "no addresses for the EPC's VA pages");
    version_pages_ = static_cast<std::byte*>(place);
    enclave_id_ = fresh_enclave_id();
    cipher_ = std::move(*cipher);
  }
  supply_ = supply;
  return {};
}

// --- VA pages

LeafOutcome SoftEnclave::epa(std::uint32_t* page) {
  const std::scoped_lock guard(lock_);
  if (cipher_ == nullptr) return general_protection();
  auto run = epc_.allocate(1);
  if (!run) return page_fault(0);
  std::byte* place = version_pages_ + std::size_t{run->first} * kPageSize;
  auto backing = epc_.memory().map_aside(reinterpret_cast<std::uintptr_t>(place), run->first, 1, PROT_READ | PROT_WRITE,
                                         Backing::kSecret);
  if (!backing) {
    epc_.release(run->first);
    return general_protection();
  }
  if (epc_.dirty(run->first, *backing)) std::memset(place, 0, kPageSize);
  epc_.clean(run->first, *backing);
  epc_.entry(run->first) = {.type = PageType::kVa, .valid = true, .backing = *backing};
  *page = run->first;
  return {};
}

LeafOutcome SoftEnclave::eremove_versions(std::uint32_t page) {
  const std::scoped_lock guard(lock_);
  if (version_at({page, 0}) == nullptr) return page_fault(0);
  std::byte* place = version_pages_ + std::size_t{page} * kPageSize;
  std::memset(place, 0, kPageSize);
  if (!ProtectedMemory::reserve(reinterpret_cast<std::uintptr_t>(place), kPageSize)) return general_protection();
  epc_.release(page);
  return {};
}

std::uint64_t* SoftEnclave::version_at(const VersionSlot& slot) const {
  if (cipher_ == nullptr || slot.page >= epc_.frame_count() || slot.index >= VersionSlot::kSlotsOfPage) return nullptr;
  const EpcmEntry& entry = epc_.entry(slot.page);
  if (!entry.valid || entry.type != PageType::kVa) return nullptr;
  return reinterpret_cast<std::uint64_t*>(version_pages_ + std::size_t{slot.page} * kPageSize) + slot.index;
}

// --- EBLOCK

// The frame that AEX would use: EENTER and ERESUME have looked at it already, so it cannot go before the thread leaves.
bool SoftEnclave::in_use_as_ssa(std::uint64_t offset) const {
  const std::uint64_t frame_size = std::uint64_t{secs_.ssa_frame_size} * kPageSize;
  return std::ranges::any_of(threads_, [&](const auto& thread) {
    if (!thread->busy.load()) return false;
    // ERESUME is about to count CSSA down, AEX up: both frames.
    const std::uint32_t current = std::atomic_ref(thread->tcs.current_ssa).load(std::memory_order_relaxed);
    const std::uint32_t first = current == 0 ? 0 : current - 1;
    const std::uint64_t begin = thread->tcs.ssa_offset + first * frame_size;
    const std::uint64_t end = thread->tcs.ssa_offset + (std::uint64_t{current} + 1) * frame_size;
    return offset >= begin && offset < end;
  });
}

LeafOutcome SoftEnclave::eblock_one(std::uint64_t offset) {
  const std::uint32_t slot = *frame_slot(offset);
  if (slot == 0) return leaf_error(LeafError::kPageInvalid);
  EpcmEntry& entry = epc_.entry(slot - 1);
  if (entry.type != PageType::kReg && entry.type != PageType::kTcs && entry.type != PageType::kTrim) {
    return leaf_error(LeafError::kNotBlockable);
  }
  if (entry.blocked) return leaf_error(LeafError::kBlockState);
  entry.blocked = true;
  entry.hidden = false;
  entry.changed_epoch = tracking_.epoch();
  return {};
}

LeafOutcome SoftEnclave::eblock(std::uint64_t offset, std::uint32_t count, std::uint32_t* done) {
  const std::scoped_lock guard(lock_);
  *done = 0;
  if (!created_ || cipher_ == nullptr || offset % kPageSize != 0 ||
      !range_fits(offset, std::uint64_t{count} * kPageSize, size())) {
    return general_protection();
  }
  LeafOutcome outcome;
  std::uint32_t blocked = 0;
  for (; blocked < count; ++blocked) {
    if (outcome = eblock_one(offset + std::uint64_t{blocked} * kPageSize); !outcome.ok()) break;
  }
  // A thread on its way in sees the blocked page or is seen here.
  pages_changed();
  while (*done < blocked && !in_use_as_ssa(offset + std::uint64_t{*done} * kPageSize)) ++*done;
  if (*done < blocked) outcome = leaf_error(LeafError::kLockFail);
  for (std::uint32_t i = *done; i < blocked; ++i) {
    epc_.entry(*frame_slot(offset + std::uint64_t{i} * kPageSize) - 1).blocked = false;
  }
  if (*done != 0 && !refresh(offset, offset + std::uint64_t{*done} * kPageSize)) return general_protection();
  return outcome;
}

void SoftEnclave::translations_flushed() {
  const std::scoped_lock guard(lock_);
  for (const auto& thread : threads_) thread->entered_epoch.store(tracking_.epoch());
}

// --- EWB

LeafOutcome SoftEnclave::check_eviction(std::uint64_t offset, const VersionSlot& slot) const {
  const std::uint64_t* version = version_at(slot);
  const std::uint32_t frame = *frame_slot(offset);
  if (version == nullptr || frame == 0) return page_fault(base() + offset);
  const EpcmEntry& entry = epc_.entry(frame - 1);
  if (!may_stand_outside(entry.type)) return general_protection();
  if (!entry.blocked) return leaf_error(LeafError::kPageNotBlocked);
  if (!tracking_.tracked_since(entry.changed_epoch) || in_use_as_ssa(offset)) return leaf_error(LeafError::kNotTracked);
  if (*version != 0) return leaf_error(LeafError::kVaSlotOccupied);
  return {};
}

bool SoftEnclave::seal_page(std::uint64_t offset, EvictedPage& page, std::uint64_t version) {
  const std::uint32_t frame = *frame_slot(offset) - 1;
  const EpcmEntry& entry = epc_.entry(frame);
  sgx::Pcmd pcmd;
  pcmd.secinfo.flags = flags_of(entry);
  pcmd.enclave_id = enclave_id_;
  const PageIdentity identity{pcmd.secinfo, enclave_id_, base() + offset};
  // A pending page is zero and its memory may never have been touched.
  const std::byte* content = entry.pending ? kZeroPage.data() : reinterpret_cast<const std::byte*>(base() + offset);
  // Where the host's mappings decide, there may be none to read through.
  std::array<std::byte, kPageSize> copy;
  if (config_.host_pages != nullptr && !entry.pending) {
    if (!epc_.memory().read_plain(frame, 0, copy)) return false;
    content = copy.data();
  }
  const bool good =
      cipher_->encrypt(identity, version, PageView(content, kPageSize), PageBuffer(page.content, kPageSize), pcmd.mac);
  page.pcmd = pcmd;
  return good;
}

LeafOutcome SoftEnclave::ewb(std::uint64_t offset, std::span<EvictedPage> pages, std::span<const VersionSlot> slots,
                             std::uint32_t* done) {
  const std::scoped_lock guard(lock_);
  *done = 0;
  if (!created_ || cipher_ == nullptr || offset % kPageSize != 0 || slots.size() != pages.size() ||
      !range_fits(offset, pages.size() * kPageSize, size())) {
    return general_protection();
  }
  LeafOutcome outcome;
  std::uint64_t blocked = 0;
  for (; blocked < pages.size(); ++blocked) {
    if (outcome = check_eviction(offset + blocked * kPageSize, slots[blocked]); !outcome.ok()) break;
  }
  if (blocked == 0) return outcome;
  // Nobody can write these pages: EBLOCK has taken their mappings away. The processor reads them there.
  if (config_.host_pages == nullptr) {
    if (!epc_.memory().protect(base() + offset, blocked * kPageSize, PROT_READ)) return general_protection();
    for (std::uint64_t i = 0; i < blocked; ++i) epc_.entry(*frame_slot(offset + i * kPageSize) - 1).mapped = PROT_READ;
  }
  std::uint32_t sealed = 0;
  for (; sealed < blocked; ++sealed) {
    std::uint64_t* version = version_at(slots[sealed]);
    EvictedPage& page = pages[sealed];
    if (*version != 0) outcome = leaf_error(LeafError::kVaSlotOccupied);  // by this call
    if (*version != 0 || !seal_page(offset + std::uint64_t{sealed} * kPageSize, page, next_version_)) break;
    page.linear_address = base() + offset + std::uint64_t{sealed} * kPageSize;
    *version = next_version_++;
  }
  if (sealed != blocked) {
    if (outcome.ok()) outcome = general_protection();
    (void)refresh(offset + std::uint64_t{sealed} * kPageSize, offset + blocked * kPageSize);
  }
  if (sealed != 0 && !epc_.memory().vacate(base() + offset, std::uint64_t{sealed} * kPageSize)) {
    for (std::uint32_t i = 0; i < sealed; ++i) *version_at(slots[i]) = 0;
    (void)refresh(offset, offset + std::uint64_t{sealed} * kPageSize);
    return general_protection();
  }
  for (; *done < sealed; ++*done) {
    std::uint32_t* slot = frame_slot(offset + std::uint64_t{*done} * kPageSize);
    const bool untouched = epc_.entry(*slot - 1).pending;
    if (untouched) {
      epc_.release(*slot - 1);
    } else {
      epc_.release_dirty(*slot - 1);
    }
    *slot = 0;
  }
  pages_changed();
  return outcome;
}

// --- ELDU, ELDB

LeafOutcome SoftEnclave::check_loading(const EvictedPage& page, const VersionSlot& slot) const {
  if (page.linear_address % kPageSize != 0 || !contains(page.linear_address, kPageSize)) return general_protection();
  const SecinfoFlags flags = page.pcmd.secinfo.flags;
  if (!may_stand_outside(flags.type()) || (flags.value & ~kKnownFlags) != 0 ||
      !std::ranges::all_of(page.pcmd.secinfo.reserved, [](std::uint8_t b) { return b == 0; })) {
    return general_protection();
  }
  if (version_at(slot) == nullptr || *frame_slot(page.linear_address - base()) != 0) {
    return page_fault(page.linear_address);
  }
  return {};
}

// Decrypts `pages` into the frames of `run`, through a window that no enclave thread sees, and then shows them all.
LeafOutcome SoftEnclave::load_frames(Loading kind, const Epc::Run& run, std::span<const EvictedPage> pages,
                                     std::span<const VersionSlot> slots, std::uint32_t* done) {
  const SecinfoFlags flags = pages[0].pcmd.secinfo.flags;
  const std::uint64_t offset = pages[0].linear_address - base();
  auto window = epc_.memory().open_window(run.first, run.count, backing_for(flags));
  if (!window) return general_protection();
  LeafOutcome outcome;
  std::uint32_t good = 0;
  for (; good < run.count; ++good) {
    const EvictedPage& page = pages[good];
    // An empty slot is no version of any page.
    const std::uint64_t version = *version_at(slots[good]);
    const PageIdentity identity{page.pcmd.secinfo, enclave_id_, page.linear_address};
    const PageBuffer content(window->bytes + std::size_t{good} * kPageSize, kPageSize);
    if (page.pcmd.enclave_id != enclave_id_ || version == 0 ||
        !cipher_->decrypt(identity, version, PageView(page.content, kPageSize), page.pcmd.mac, content)) {
      outcome = leaf_error(LeafError::kMacCompareFail);
      break;
    }
  }
  for (std::uint32_t i = 0; i < run.count; ++i) {
    EpcmEntry& entry = epc_.entry(run.first + i);
    entry = entry_of(flags, offset + std::uint64_t{i} * kPageSize, window->backing);
    entry.blocked = kind == Loading::kBlocked;  // and tracked: nobody has ever had a translation
    if (i < good) continue;
    epc_.release_dirty(run.first + i);
  }
  const ProtectedMemory::Window filled{window->bytes, std::size_t{good} * kPageSize, window->backing, run.first};
  if (good != run.count) {
    ProtectedMemory::close_window(
        {window->bytes + filled.size, std::size_t{run.count - good} * kPageSize, window->backing, run.first + good});
  }
  if (good == 0) return outcome;
  // The pages are of one kind, so their mappings allow the same.
  epc_.entry(run.first).mapped = epc_.entry(run.first).permissions;
  const std::uint8_t mapping = mapping_of(epc_.entry(run.first));
  for (std::uint32_t i = 0; i < good; ++i) epc_.entry(run.first + i).mapped = mapping;
  if (!epc_.memory().move_window(filled, base() + offset, mapping)) {
    for (std::uint32_t i = 0; i < good; ++i) epc_.release_dirty(run.first + i);
    ProtectedMemory::close_window(filled);
    return general_protection();
  }
  for (; *done < good; ++*done) {
    epc_.clean(run.first + *done, window->backing);
    *version_at(slots[*done]) = 0;
    *frame_slot(offset + std::uint64_t{*done} * kPageSize) = run.first + *done + 1;
  }
  return outcome;
}

// Pages of one kind at neighbouring addresses.
LeafOutcome SoftEnclave::load_run(Loading kind, std::span<const EvictedPage> pages, std::span<const VersionSlot> slots,
                                  std::uint32_t* done) {
  *done = 0;
  while (*done < pages.size()) {
    auto run = epc_.allocate(static_cast<std::uint32_t>(pages.size()) - *done);
    if (!run) return page_fault(pages[*done].linear_address);
    std::uint32_t loaded = 0;
    const LeafOutcome outcome =
        load_frames(kind, *run, pages.subspan(*done, run->count), slots.subspan(*done, run->count), &loaded);
    *done += loaded;
    if (!outcome.ok()) return outcome;
  }
  return {};
}

LeafOutcome SoftEnclave::eld(Loading kind, std::span<const EvictedPage> pages, std::span<const VersionSlot> slots,
                             std::uint32_t* done) {
  const std::scoped_lock guard(lock_);
  *done = 0;
  if (!created_ || cipher_ == nullptr || slots.size() != pages.size()) return general_protection();
  while (*done < pages.size()) {
    std::size_t count = 0;
    LeafOutcome checked;
    for (std::size_t i = *done; i < pages.size(); ++i, ++count) {
      if (checked = check_loading(pages[i], slots[i]); !checked.ok()) break;
      const bool goes_on = count == 0 || (pages[i].linear_address == pages[i - 1].linear_address + kPageSize &&
                                          pages[i].pcmd.secinfo.flags == pages[i - 1].pcmd.secinfo.flags);
      if (!goes_on) break;
    }
    if (count == 0) return checked;
    std::uint32_t loaded = 0;
    const LeafOutcome outcome = load_run(kind, pages.subspan(*done, count), slots.subspan(*done, count), &loaded);
    *done += loaded;
    if (!outcome.ok()) return outcome;
  }
  return {};
}

void SoftEnclave::bring(std::uint64_t offset, std::uint64_t length) const {
  if (supply_ == nullptr || length == 0 || !range_fits(offset, length, size())) return;
  for (std::uint64_t at = offset & ~kPageMask; at < offset + length; at += kPageSize) {
    (void)supply_->resolve({.offset = at, .permissions = SecinfoFlags::kR});
  }
}

// --- for the driver

SoftEnclave::FrameRun SoftEnclave::evictable_run(std::uint32_t frame, std::uint32_t longest) const {
  const std::scoped_lock guard(lock_);
  FrameRun run{.next = epc_.next_used(frame)};
  if (run.next != frame) return run;
  for (; run.count < longest && frame + run.count < epc_.frame_count(); ++run.count) {
    const EpcmEntry& entry = epc_.entry(frame + run.count);
    const bool may_go = entry.valid && may_stand_outside(entry.type) && !entry.blocked && may_go_out(entry);
    if (!may_go || in_use_as_ssa(entry.linear_offset)) break;
    // Nobody touches a page that was trimmed.
    const bool hidden = entry.hidden || entry.type == PageType::kTrim;
    if (run.count == 0) {
      run.offset = entry.linear_offset;
      run.hidden = hidden;
    } else if (entry.linear_offset != run.offset + std::uint64_t{run.count} * kPageSize || hidden != run.hidden) {
      break;
    }
  }
  run.next = frame + std::max(run.count, 1U);
  return run;
}

std::uint32_t SoftEnclave::free_frames() const {
  const std::scoped_lock guard(lock_);
  return epc_.free_count();
}

void SoftEnclave::hide(std::uint64_t offset, std::uint32_t count) {
  const std::scoped_lock guard(lock_);
  const auto for_each = [&](auto change) {
    for (std::uint64_t at = offset; at < offset + std::uint64_t{count} * kPageSize; at += kPageSize) {
      if (*frame_slot(at) != 0) change(at, epc_.entry(*frame_slot(at) - 1));
    }
  };
  for_each([this](std::uint64_t, EpcmEntry& entry) {
    if (accessible(entry) && may_go_out(entry)) entry.hidden = true;
  });
  // As in EBLOCK.
  pages_changed();
  for_each([this](std::uint64_t at, EpcmEntry& entry) { entry.hidden = entry.hidden && !in_use_as_ssa(at); });
  (void)refresh(offset, offset + std::uint64_t{count} * kPageSize);
}

void SoftEnclave::reveal(std::uint64_t offset, std::uint32_t count) {
  const std::scoped_lock guard(lock_);
  for (std::uint64_t at = offset; at < offset + std::uint64_t{count} * kPageSize; at += kPageSize) {
    if (*frame_slot(at) != 0) epc_.entry(*frame_slot(at) - 1).hidden = false;
  }
  (void)refresh(offset, offset + std::uint64_t{count} * kPageSize);
}

bool SoftEnclave::restore(std::uint64_t offset) {
  const std::scoped_lock guard(lock_);
  return refresh(offset, offset + kPageSize);
}

SoftEnclave::PageState SoftEnclave::page_state(std::uint64_t offset, std::uint8_t permissions) const {
  const std::scoped_lock guard(lock_);
  const std::uint32_t slot = *frame_slot(offset & ~kPageMask);
  if (slot == 0) return PageState::kAbsent;
  const EpcmEntry& entry = epc_.entry(slot - 1);
  if (entry.blocked) return PageState::kBlocked;
  if (entry.hidden) return (entry.permissions & permissions) == permissions ? PageState::kHidden : PageState::kRefused;
  return accessible(entry) && (entry.permissions & permissions) == permissions ? PageState::kAllowed
                                                                               : PageState::kRefused;
}

}  // namespace coffer::processor
