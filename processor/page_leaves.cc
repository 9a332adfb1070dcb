// ENCLS leaves that change pages which are there: EMODPR, EMODT, EREMOVE, ETRACK (Intel SDM volume 3D, 40.3), and what
// becomes of the operating system's mappings when a page's EPCM entry or the page tables change.
#include <sys/mman.h>

#include <algorithm>
#include <cstring>

#include "processor/enclave.h"
#include "processor/operands.h"

namespace coffer::processor {

using sgx::kPageSize;
using sgx::LeafError;
using sgx::PageType;
using sgx::SecinfoFlags;

namespace {

static_assert(PROT_READ == SecinfoFlags::kR && PROT_WRITE == SecinfoFlags::kW && PROT_EXEC == SecinfoFlags::kX);

}  // namespace

// --- mappings

std::uint8_t SoftEnclave::mapping_of(const EpcmEntry& entry) const {
  const std::uint8_t wanted = accessible(entry) ? entry.permissions : std::uint8_t{0};
  // Code that is mapped as it should be stays so; whether a mapping may become executable is another question.
  const bool new_code = (config_.new_code || config_.host_pages != nullptr) && entry.backing == Backing::kPlain;
  return wanted == entry.mapped || new_code ? wanted : static_cast<std::uint8_t>(wanted & ~SecinfoFlags::kX);
}

bool SoftEnclave::refresh(std::uint64_t first, std::uint64_t end) {
  std::uint64_t page = first / kPageSize;
  const std::uint64_t last = end / kPageSize;
  while (page < last) {
    const std::uint64_t begin = page;
    std::uint8_t wanted = 0;
    // One call for a run of pages that all change to the same.
    for (; page < last && frames_[page] != 0; ++page) {
      const EpcmEntry& entry = epc_.entry(frames_[page] - 1);
      const std::uint8_t mapping = mapping_of(entry);
      if (mapping == entry.mapped || (page != begin && mapping != wanted)) break;
      wanted = mapping;
    }
    if (page == begin) {
      ++page;
      continue;
    }
    if (!epc_.memory().protect(base() + begin * kPageSize, (page - begin) * kPageSize, wanted)) return false;
    for (std::uint64_t done = begin; done < page; ++done) epc_.entry(frames_[done] - 1).mapped = wanted;
  }
  return true;
}

bool SoftEnclave::open_page(std::uint64_t offset, EpcmEntry& entry, std::uint8_t permissions) {
  if ((entry.mapped & permissions) == permissions) return true;
  if (!epc_.memory().protect(base() + offset, kPageSize, permissions)) return false;
  entry.mapped = permissions;
  return true;
}

bool SoftEnclave::read_page(std::uint64_t offset, std::span<std::byte> to) {
  const std::uint32_t slot = *frame_slot(offset);
  if (slot == 0) return false;
  const std::uint64_t page = offset & ~(kPageSize - 1);
  // Where the host's mappings decide, there may be none to read through.
  if (config_.host_pages != nullptr) return epc_.memory().read_plain(slot - 1, offset - page, to);
  if (!open_page(page, epc_.entry(slot - 1), SecinfoFlags::kR)) return false;
  std::memcpy(to.data(), reinterpret_cast<const void*>(base() + offset), to.size());
  return refresh(page, page + kPageSize);
}

bool SoftEnclave::write_page(std::uint64_t offset, ByteView from) {
  const std::uint32_t slot = *frame_slot(offset);
  if (slot == 0) return false;
  const std::uint64_t page = offset & ~(kPageSize - 1);
  EpcmEntry& entry = epc_.entry(slot - 1);
  // Pages of ordinary memory that are not mapped writable are written beside their mapping.
  const bool beside = entry.backing == Backing::kPlain && (entry.mapped & SecinfoFlags::kW) == 0;
  if (config_.host_pages != nullptr || beside) return epc_.memory().patch_plain(slot - 1, offset - page, from);
  if (!open_page(page, entry, SecinfoFlags::kR | SecinfoFlags::kW)) return false;
  std::memcpy(reinterpret_cast<void*>(base() + offset), from.data(), from.size());
  return refresh(page, page + kPageSize);
}

std::uint32_t SoftEnclave::page_fault_code(std::uint64_t address, std::uint32_t error_code) const {
  constexpr std::uint32_t kPresent = 1, kWrite = 2, kUser = 4, kFetch = 16, kSgx = 0x8000;
  if (!contains(address)) return error_code;
  const std::uint32_t access = (error_code & (kWrite | kFetch)) | kUser;
  const std::uint8_t needed = (access & kFetch) != 0   ? SecinfoFlags::kX
                              : (access & kWrite) != 0 ? SecinfoFlags::kW
                                                       : SecinfoFlags::kR;
  const std::scoped_lock guard(lock_);
  const std::uint64_t offset = (address - base()) & ~(kPageSize - 1);
  const bool mapped =
      host_allows(offset, PROT_READ) || host_allows(offset, PROT_WRITE) || host_allows(offset, PROT_EXEC);
  if (*frame_slot(offset) == 0 || !mapped) return access;
  if (!host_allows(offset, needed)) return access | kPresent;
  const EpcmEntry& entry = epc_.entry(*frame_slot(offset) - 1);
  if (!accessible(entry) || (entry.permissions & needed) == 0) return access | kPresent | kSgx;
  return access | kPresent;
}

// --- ETRACK

LeafOutcome SoftEnclave::etrack() {
  const std::scoped_lock guard(lock_);
  if (!created_) return page_fault(base());
  const LeafError error = tracking_.etrack();
  pages_changed();  // entries note the new epoch
  return leaf_error(error);
}

bool SoftEnclave::tracked_since(std::uint64_t epoch) const {
  const std::scoped_lock guard(lock_);
  return tracking_.tracked_since(epoch);
}

std::vector<std::uint64_t> SoftEnclave::threads_inside_since(std::uint64_t epoch) const {
  const std::scoped_lock guard(lock_);
  std::vector<std::uint64_t> found;
  for (const auto& thread : threads_) {
    if (thread->busy && thread->entered_epoch <= epoch) found.push_back(thread->offset);
  }
  return found;
}

// --- EMODPR

template <class Change>
LeafOutcome SoftEnclave::modify_pages(std::uint64_t offset, std::uint32_t count, std::uint32_t* changed, bool possible,
                                      Change change) {
  if (changed != nullptr) *changed = 0;
  const std::scoped_lock guard(lock_);
  if (offset % kPageSize != 0) return general_protection();
  if (!created_ || count == 0 || !range_fits(offset, std::uint64_t{count} * kPageSize, secs_.size)) {
    return page_fault(base() + offset);
  }
  if (!possible) return general_protection();
  LeafOutcome outcome;
  std::uint32_t done = 0;
  for (; done < count; ++done) {
    outcome = change(offset + std::uint64_t{done} * kPageSize);
    if (!outcome.ok()) break;
  }
  pages_changed();
  if (!refresh(offset, offset + std::uint64_t{done} * kPageSize)) return general_protection();
  if (changed != nullptr) *changed = done;
  return outcome;
}

LeafOutcome SoftEnclave::restrict_one(std::uint64_t offset, std::uint8_t permissions) {
  const std::uint32_t slot = *frame_slot(offset);
  if (slot == 0) return missed(offset);
  EpcmEntry& entry = epc_.entry(slot - 1);
  if (entry.pending || entry.modified) return leaf_error(LeafError::kPageNotModifiable);
  if (entry.type != PageType::kReg || entry.blocked) return missed(offset);
  if (!initialised()) return general_protection();
  entry.permission_restricted = true;
  entry.permissions &= permissions;
  entry.changed_epoch = tracking_.epoch();
  return {};
}

LeafOutcome SoftEnclave::emodpr(std::uint64_t offset, const sgx::Secinfo& secinfo, std::uint32_t count,
                                std::uint32_t* changed) {
  const bool possible = reserved_clear(secinfo) && (secinfo.flags.readable() || !secinfo.flags.writable());
  const auto permissions = static_cast<std::uint8_t>(secinfo.flags.permissions());
  return modify_pages(offset, count, changed, possible,
                      [&](std::uint64_t page) { return restrict_one(page, permissions); });
}

// --- EMODT

ThreadState& SoftEnclave::thread_for(std::uint64_t offset) {
  const auto found = std::ranges::find(threads_, offset, [](const auto& thread) { return thread->offset; });
  if (found != threads_.end()) return **found;
  ThreadState& thread = *threads_.emplace_back(std::make_unique<ThreadState>());
  thread.offset = offset;
  tracking_.watch(thread.busy, thread.entered_epoch);
  return thread;
}

// A page becomes a TCS with what the enclave wrote into it. From now on the processor has it for itself.
bool SoftEnclave::copy_thread(std::uint64_t offset) {
  EpcmEntry& entry = epc_.entry(*frame_slot(offset) - 1);
  // Nobody may write while it is copied.
  if (!epc_.memory().protect(base() + offset, kPageSize, PROT_READ)) return false;
  entry.mapped = SecinfoFlags::kR;
  ThreadState& thread = thread_for(offset);
  if (!read_page(offset, std::as_writable_bytes(std::span(&thread.tcs, 1)))) return false;
  thread.well_formed = tcs_well_formed(thread.tcs);
  thread.checked_generation = 0;
  thread.left_fs = 0;
  return true;
}

LeafOutcome SoftEnclave::retype_one(std::uint64_t offset, PageType type) {
  const std::uint32_t slot = *frame_slot(offset);
  if (slot == 0) return missed(offset);
  EpcmEntry& entry = epc_.entry(slot - 1);
  const bool possible = entry.type == PageType::kReg || (entry.type == PageType::kTcs && type == PageType::kTrim);
  if (!possible || entry.blocked) return missed(offset);
  if (entry.pending || entry.modified) return leaf_error(LeafError::kPageNotModifiable);
  if (!initialised()) return general_protection();
  if (type == PageType::kTcs && !copy_thread(offset)) return general_protection();
  // A thread that is inside keeps its TCS until it leaves; nobody enters it again.
  if (entry.type == PageType::kTcs) thread_for(offset).valid = false;
  entry.permission_restricted = false;
  entry.hidden = false;
  entry.modified = true;
  entry.permissions = 0;
  entry.type = type;
  entry.changed_epoch = tracking_.epoch();
  return {};
}

LeafOutcome SoftEnclave::emodt(std::uint64_t offset, const sgx::Secinfo& secinfo, std::uint32_t count,
                               std::uint32_t* changed) {
  const PageType type = secinfo.flags.type();
  const bool possible = reserved_clear(secinfo) && (type == PageType::kTcs || type == PageType::kTrim);
  return modify_pages(offset, count, changed, possible, [&](std::uint64_t page) { return retype_one(page, type); });
}

// --- EREMOVE

bool SoftEnclave::wipe(std::uint64_t offset, EpcmEntry& entry) {
  // Frames of ordinary memory are given back, which zeroes them; pending pages have held nothing yet.
  if (entry.backing == Backing::kPlain || entry.pending || !entry.written) return true;
  if (!open_page(offset, entry, SecinfoFlags::kR | SecinfoFlags::kW)) return false;
  std::memset(reinterpret_cast<void*>(base() + offset), 0, kPageSize);
  return true;
}

LeafOutcome SoftEnclave::eremove(std::uint64_t offset) {
  const std::scoped_lock guard(lock_);
  if (!created_ || offset % kPageSize != 0 || !range_fits(offset, kPageSize, size())) return general_protection();
  std::uint32_t* slot = frame_slot(offset);
  if (*slot == 0) return page_fault(base() + offset);
  const std::uint32_t frame = *slot - 1;
  EpcmEntry& entry = epc_.entry(frame);
  const bool trimmed = entry.type == PageType::kTrim && !entry.modified;
  // The page goes first and comes back where somebody is inside: a thread on its way in sees either the missing page or
  // is seen here.
  ThreadState* thread = thread_table_[offset / kPageSize];
  const bool was_valid = thread != nullptr && thread->valid.exchange(false);
  *slot = 0;
  pages_changed();
  if (!trimmed && tracking_.anyone_inside()) {
    *slot = frame + 1;
    if (was_valid) thread->valid = true;
    pages_changed();
    return leaf_error(LeafError::kEnclaveActive);
  }
  if (!wipe(offset, entry) || !epc_.memory().vacate(base() + offset, kPageSize)) {
    *slot = frame + 1;
    return general_protection();
  }
  thread_table_[offset / kPageSize] = nullptr;
  epc_.release(frame);
  --pages_added_;
  return {};
}

// --- entries and exits

bool SoftEnclave::frame_usable(ThreadState& thread, std::uint32_t frame) const {
  if (thread.checked_frame == frame && thread.checked_generation == page_generation_) return true;
  const std::scoped_lock guard(lock_);
  if (!pages_allow(frame_offset(thread, frame), frame_size(), SecinfoFlags::kR | SecinfoFlags::kW)) return false;
  thread.checked_frame = frame;
  thread.checked_generation = page_generation_;
  return true;
}

bool FrameAccess::read(std::uint64_t at, std::span<std::byte> to) const {
  const std::uint64_t offset = offset_ + at;
  if (enclave_.pages_allow(offset, to.size(), SecinfoFlags::kR)) {
    std::memcpy(to.data(), reinterpret_cast<const void*>(enclave_.base() + offset), to.size());
    return true;
  }
  const std::size_t piece = std::min<std::size_t>(to.size(), kPageSize - offset % kPageSize);
  return enclave_.read_page(offset, to.first(piece)) && (piece == to.size() || read(at + piece, to.subspan(piece)));
}

bool FrameAccess::write(std::uint64_t at, ByteView from) const {
  const std::uint64_t offset = offset_ + at;
  if (enclave_.pages_allow(offset, from.size(), SecinfoFlags::kW)) {
    std::memcpy(reinterpret_cast<void*>(enclave_.base() + offset), from.data(), from.size());
    return true;
  }
  const std::size_t piece = std::min<std::size_t>(from.size(), kPageSize - offset % kPageSize);
  return enclave_.write_page(offset, from.first(piece)) &&
         (piece == from.size() || write(at + piece, from.subspan(piece)));
}

}  // namespace coffer::processor
