// EDBGRD and EDBGWR (Intel SDM volume 3D, 40.3): what a debugger sees of a DEBUG enclave.
#include <cstring>

#include "processor/enclave.h"

namespace coffer::processor {

using sgx::kPageSize;
using sgx::LeafError;
using sgx::PageType;

LeafOutcome SoftEnclave::debug_target(std::uint64_t offset, EpcmEntry** entry) {
  if (offset % sizeof(std::uint64_t) != 0) return general_protection();
  if (!created_ || !range_fits(offset, sizeof(std::uint64_t), secs_.size)) return page_fault(base() + offset);
  const std::uint32_t slot = *frame_slot(offset);
  if (slot == 0) return page_fault(base() + offset);
  *entry = &epc_.entry(slot - 1);
  if ((*entry)->type != PageType::kReg && (*entry)->type != PageType::kTcs) return page_fault(base() + offset);
  if ((*entry)->pending || (*entry)->modified) return leaf_error(LeafError::kPageNotDebuggable);
  return {};
}

LeafOutcome SoftEnclave::edbgrd(std::uint64_t offset, std::uint64_t* value) {
  const std::scoped_lock guard(lock_);
  EpcmEntry* entry = nullptr;
  if (auto checked = debug_target(offset, &entry); !checked.ok()) return checked;
  if (!debug()) return general_protection();
  const std::uint64_t page = offset & ~(kPageSize - 1);
  if (entry->type == PageType::kTcs) {
    std::memcpy(value, reinterpret_cast<const std::byte*>(&thread_for(page).tcs) + (offset - page), sizeof(*value));
    return {};
  }
  return read_page(offset, std::as_writable_bytes(std::span(value, 1))) ? LeafOutcome{} : general_protection();
}

LeafOutcome SoftEnclave::edbgwr(std::uint64_t offset, std::uint64_t value) {
  const std::scoped_lock guard(lock_);
  EpcmEntry* entry = nullptr;
  if (auto checked = debug_target(offset, &entry); !checked.ok()) return checked;
  const std::uint64_t page = offset & ~(kPageSize - 1);
  const bool is_thread = entry->type == PageType::kTcs;
  if (is_thread && offset - page != offsetof(sgx::Tcs, flags)) return general_protection();
  if (!debug()) return general_protection();
  if (is_thread) {
    ThreadState& thread = thread_for(page);
    thread.tcs.flags = value;
    thread.well_formed = tcs_well_formed(thread.tcs);
    pages_changed();
    return {};
  }
  return write_page(offset, bytes_of(value)) ? LeafOutcome{} : general_protection();
}

}  // namespace coffer::processor
