// ENCLU leaves by which an enclave agrees to changes of its pages: EACCEPT, EACCEPTCOPY, EMODPE (Intel SDM volume 3D,
// 40.4).
#include <sys/mman.h>

#include "processor/enclave.h"
#include "processor/operands.h"

namespace coffer::processor {

using sgx::kPageSize;
using sgx::LeafError;
using sgx::PageType;
using sgx::SecinfoFlags;

namespace {

// How far the software driver adds pages ahead of an EACCEPT that walks upwards.
constexpr std::uint32_t kAugmentAhead = 64;

constexpr std::uint8_t kReadWrite = SecinfoFlags::kR | SecinfoFlags::kW;
constexpr std::uint64_t kStatusBits = SecinfoFlags::kPending | SecinfoFlags::kModified | SecinfoFlags::kPermRestricted;

// The combinations of type and status that EACCEPT knows.
bool acceptable(SecinfoFlags flags) {
  const std::uint64_t status = flags.value & kStatusBits;
  switch (flags.type()) {
    case PageType::kReg:
      return status != 0 && (status & SecinfoFlags::kModified) == 0;
    case PageType::kTcs:
    case PageType::kTrim:
      return status == SecinfoFlags::kModified;
    default:
      return false;
  }
}

LeafOutcome check_secinfo(const SoftEnclave& enclave, std::uint64_t address) {
  return check_operand<sgx::Secinfo>(enclave, address, 64, OperandAccess::kRead);
}

}  // namespace

LeafOutcome SoftEnclave::add_missing(std::uint64_t offset, std::uint32_t most) {
  // Where there is a driver, it brings the page, and the leaf starts again.
  if (supply_ != nullptr) return missed(offset);
  // The page fault of a growable enclave: the driver adds the page, and some after it, and the leaf starts again.
  if (!host_allows(offset, PROT_READ)) return page_fault(base() + offset);
  std::uint32_t ahead = 1;
  const std::uint64_t page = offset / kPageSize;
  const bool plenty = config_.host_pages == nullptr && epc_.free_count() > epc_.frame_count() / 4;
  while (plenty && ahead < most && page + ahead < size() / kPageSize && frames_[page + ahead] == 0) ++ahead;
  std::uint32_t added = 0;
  if (auto grown = eaug_locked(offset, ahead, &added); !grown.ok()) return grown;
  return added == 0 ? page_fault(base() + offset) : LeafOutcome{};
}

// --- EACCEPT

LeafOutcome SoftEnclave::accept_thread(std::uint64_t offset) {
  ThreadState& thread = thread_for(offset);
  const sgx::Tcs& tcs = thread.tcs;
  if (!tcs_reserved_clear(tcs) || (tcs.flags & sgx::tcs_flag::kDebugOptIn) != 0 || tcs.current_ssa >= tcs.ssa_count ||
      tcs.aep != 0 || tcs.state != 0) {
    return general_protection();
  }
  thread_table_[offset / kPageSize] = &thread;
  thread.valid = true;
  return {};
}

LeafOutcome SoftEnclave::accept_one(std::uint64_t offset, SecinfoFlags wanted) {
  if (*frame_slot(offset) == 0) {
    if (auto added = add_missing(offset, kAugmentAhead); !added.ok()) return added;
  }
  EpcmEntry& entry = epc_.entry(*frame_slot(offset) - 1);
  if (entry.blocked) return missed(offset);
  // PR is not compared, the permissions are.
  const bool matches = entry.type == wanted.type() && entry.permissions == wanted.permissions() &&
                       entry.pending == ((wanted.value & SecinfoFlags::kPending) != 0) &&
                       entry.modified == ((wanted.value & SecinfoFlags::kModified) != 0);
  if (!matches) return leaf_error(LeafError::kPageAttributesMismatch);
  const bool was_changed = entry.modified || entry.permission_restricted;
  if (was_changed && !tracking_.tracked_since(entry.changed_epoch)) return leaf_error(LeafError::kNotTracked);
  if (entry.type == PageType::kTcs) {
    if (auto accepted = accept_thread(offset); !accepted.ok()) return accepted;
  }
  entry.pending = entry.modified = entry.permission_restricted = false;
  return {};
}

LeafOutcome SoftEnclave::eaccept(std::uint64_t secinfo_address, std::uint64_t address, std::uint64_t count) {
  const std::scoped_lock guard(lock_);
  if (auto checked = check_secinfo(*this, secinfo_address); !checked.ok()) return checked;
  const auto secinfo = load_operand<sgx::Secinfo>(secinfo_address);
  if (!reserved_clear(secinfo) || address % kPageSize != 0 || count > size() / kPageSize ||
      !contains(address, count * kPageSize) || !acceptable(secinfo.flags)) {
    return general_protection();
  }
  // What was pending becomes accessible in one step at the end of the run.
  const std::uint64_t first = address - base();
  LeafOutcome outcome;
  std::uint64_t at = first;
  for (; at < first + count * kPageSize; at += kPageSize) {
    outcome = accept_one(at, secinfo.flags);
    if (!outcome.ok()) break;
  }
  if (secinfo.flags.type() != PageType::kReg) pages_changed();
  return refresh(first, at) ? outcome : general_protection();
}

// --- EACCEPTCOPY

LeafOutcome SoftEnclave::eacceptcopy(std::uint64_t secinfo_address, std::uint64_t destination, std::uint64_t source) {
  const std::scoped_lock guard(lock_);
  if ((destination | source) % kPageSize != 0 || !contains(destination, kPageSize) || !contains(source, kPageSize)) {
    return general_protection();
  }
  if (auto checked = check_secinfo(*this, secinfo_address); !checked.ok()) return checked;
  const auto secinfo = load_operand<sgx::Secinfo>(secinfo_address);
  const SecinfoFlags flags = secinfo.flags;
  if (!reserved_clear(secinfo) || (!flags.readable() && flags.writable()) || flags.type() != PageType::kReg) {
    return general_protection();
  }
  if (!pages_allow(source - base(), kPageSize, SecinfoFlags::kR)) return missed(source - base());
  const std::uint64_t offset = destination - base();
  if (*frame_slot(offset) == 0) {
    if (auto added = add_missing(offset, 1); !added.ok()) return added;
  }
  EpcmEntry& entry = epc_.entry(*frame_slot(offset) - 1);
  if (entry.blocked) return missed(offset);
  const bool fresh =
      entry.pending && !entry.modified && entry.type == PageType::kReg && entry.permissions == kReadWrite;
  if (!fresh) return leaf_error(LeafError::kPageAttributesMismatch);
  if (!write_page(offset, ByteView(reinterpret_cast<const std::byte*>(source), kPageSize))) return general_protection();
  entry.permissions |= static_cast<std::uint8_t>(flags.permissions());
  entry.pending = false;
  return refresh(offset, offset + kPageSize) ? LeafOutcome{} : general_protection();
}

// --- EMODPE

LeafOutcome SoftEnclave::emodpe(std::uint64_t secinfo_address, std::uint64_t address, std::uint64_t count) {
  const std::scoped_lock guard(lock_);
  if (address % kPageSize != 0 || count > size() / kPageSize || !contains(address, count * kPageSize)) {
    return general_protection();
  }
  if (auto checked = check_secinfo(*this, secinfo_address); !checked.ok()) return checked;
  const auto secinfo = load_operand<sgx::Secinfo>(secinfo_address);
  if (!reserved_clear(secinfo)) return general_protection();
  const SecinfoFlags flags = secinfo.flags;
  const std::uint64_t first = address - base();
  LeafOutcome outcome;
  std::uint64_t at = first;
  for (; at < first + count * kPageSize; at += kPageSize) {
    const std::uint32_t slot = *frame_slot(at);
    EpcmEntry* entry = slot == 0 ? nullptr : &epc_.entry(slot - 1);
    if (entry == nullptr || !accessible(*entry)) {
      outcome = missed(at);
      break;
    }
    if ((entry->permissions & SecinfoFlags::kR) == 0 && !flags.readable() && flags.writable()) {
      outcome = general_protection();
      break;
    }
    entry->permissions |= static_cast<std::uint8_t>(flags.permissions());
    entry->written = entry->written || flags.writable();
  }
  return refresh(first, at) ? outcome : general_protection();
}

}  // namespace coffer::processor
