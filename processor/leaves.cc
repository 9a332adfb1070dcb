// ENCLU leaves that begin and end inside the enclave: EREPORT, EGETKEY, EACCEPT (Intel SDM volume 3D, 40.4).
#include <sys/mman.h>

#include <algorithm>
#include <cstring>

#include "processor/enclave.h"

namespace coffer::processor {

using sgx::kPageSize;
using sgx::LeafError;
using sgx::PageType;
using sgx::SecinfoFlags;

namespace {

// How far the software driver adds pages ahead of an EACCEPT that walks upwards.
constexpr std::uint32_t kAugmentAhead = 64;

enum class Access : std::uint8_t { kRead, kWrite };

// An operand that is misaligned or outside ELRANGE is a #GP, one on a page that does not allow the access a #PF.
template <class T>
LeafOutcome check_operand(const SoftEnclave& enclave, std::uint64_t address, std::uint64_t alignment, Access access) {
  const std::uint8_t permissions = SecinfoFlags::kR | (access == Access::kWrite ? SecinfoFlags::kW : 0);
  if (address % alignment != 0 || !enclave.contains(address, sizeof(T))) return general_protection();
  if (!enclave.pages_allow(address - enclave.base(), sizeof(T), permissions)) return page_fault(address);
  return {};
}

template <class T>
T load(std::uint64_t address) {
  T value;
  std::memcpy(&value, reinterpret_cast<const void*>(address), sizeof(T));
  return value;
}

template <std::size_t Size>
bool is_zero(const sgx::Bytes<Size>& bytes) {
  return std::ranges::all_of(bytes, [](std::uint8_t b) { return b == 0; });
}

}  // namespace

LeafOutcome SoftEnclave::ereport(std::uint64_t target_info, std::uint64_t report_data, std::uint64_t output) {
  const std::scoped_lock guard(lock_);
  using ReportData = sgx::Bytes<64>;
  for (const LeafOutcome& checked : {check_operand<sgx::TargetInfo>(*this, target_info, 512, Access::kRead),
                                     check_operand<ReportData>(*this, report_data, 128, Access::kRead),
                                     check_operand<sgx::Report>(*this, output, 512, Access::kWrite)}) {
    if (!checked.ok()) return checked;
  }
  const auto target = load<sgx::TargetInfo>(target_info);
  if (target.reserved1 != 0 || !is_zero(target.reserved2) || !is_zero(target.reserved3)) return general_protection();
  const sgx::Report report = vault_->report(secs_, target, load<ReportData>(report_data));
  std::memcpy(reinterpret_cast<void*>(output), &report, sizeof(report));
  return {};
}

LeafOutcome SoftEnclave::egetkey(std::uint64_t request_address, std::uint64_t output) {
  const std::scoped_lock guard(lock_);
  for (const LeafOutcome& checked : {check_operand<sgx::KeyRequest>(*this, request_address, 512, Access::kRead),
                                     check_operand<sgx::Bytes<16>>(*this, output, 16, Access::kWrite)}) {
    if (!checked.ok()) return checked;
  }
  const auto request = load<sgx::KeyRequest>(request_address);
  constexpr std::uint16_t kPlainPolicy = sgx::key_policy::kMrEnclave | sgx::key_policy::kMrSigner;
  constexpr std::uint16_t kKssPolicy = sgx::key_policy::kNoIsvProdId | sgx::key_policy::kConfigId |
                                       sgx::key_policy::kIsvFamilyId | sgx::key_policy::kIsvExtProdId;
  const bool kss = (secs_.attributes.flags & sgx::attribute::kKss) != 0;
  const std::uint16_t allowed = kPlainPolicy | (kss ? kKssPolicy : 0);
  if (request.reserved1 != 0 || !is_zero(request.reserved2) || (request.key_policy & ~allowed) != 0 ||
      (!kss && request.config_svn != 0)) {
    return general_protection();
  }
  KeyOutcome outcome = vault_->derive(secs_, request);
  if (outcome.error != LeafError::kSuccess) return leaf_error(outcome.error);
  std::memcpy(reinterpret_cast<void*>(output), outcome.key.bytes().data(), 16);
  return {};
}

LeafOutcome SoftEnclave::accept_one(std::uint64_t offset, SecinfoFlags wanted) {
  if (*frame_slot(offset) == 0) {
    // The page fault of a growable enclave: the driver adds the page, and some after it, and EACCEPT starts again.
    if (!host_allows(offset, PROT_READ)) return page_fault(base() + offset);
    std::uint32_t ahead = 1;
    const std::uint64_t page = offset / kPageSize;
    const bool plenty = config_.host_pages == nullptr && epc_.free_count() > epc_.frame_count() / 4;
    while (plenty && ahead < kAugmentAhead && page + ahead < size() / kPageSize && frames_[page + ahead] == 0) ++ahead;
    std::uint32_t added = 0;
    if (auto grown = eaug_locked(offset, ahead, &added); !grown.ok()) return grown;
    if (added == 0) return page_fault(base() + offset);
  }
  EpcmEntry& entry = epc_.entry(*frame_slot(offset) - 1);
  const bool matches = entry.type == wanted.type() && entry.permissions == wanted.permissions() &&
                       entry.pending == ((wanted.value & SecinfoFlags::kPending) != 0) &&
                       entry.modified == ((wanted.value & SecinfoFlags::kModified) != 0) &&
                       entry.permission_restricted == ((wanted.value & SecinfoFlags::kPermRestricted) != 0);
  if (!matches) return leaf_error(LeafError::kPageAttributesMismatch);
  entry.pending = entry.modified = entry.permission_restricted = false;
  return {};
}

bool SoftEnclave::flush_accepted(std::uint64_t first, std::uint64_t end) {
  return first == end || epc_.memory().protect(base() + first, end - first, PROT_READ | PROT_WRITE);
}

LeafOutcome SoftEnclave::eaccept(std::uint64_t secinfo_address, std::uint64_t address, std::uint64_t count) {
  const std::scoped_lock guard(lock_);
  if (auto checked = check_operand<sgx::Secinfo>(*this, secinfo_address, 64, Access::kRead); !checked.ok()) {
    return checked;
  }
  if (address % kPageSize != 0 || count > size() / kPageSize || !contains(address, count * kPageSize)) {
    return general_protection();
  }
  const auto secinfo = load<sgx::Secinfo>(secinfo_address);
  constexpr std::uint64_t kAllowed =
      0xff00 | 7 | SecinfoFlags::kPending | SecinfoFlags::kModified | SecinfoFlags::kPermRestricted;
  if (!is_zero(secinfo.reserved) || (secinfo.flags.value & ~kAllowed) != 0 || secinfo.flags.type() != PageType::kReg) {
    return general_protection();
  }
  // Pending pages that are accepted become accessible in one step at the end of the run; any other page that matches
  // stays as it is.
  const std::uint64_t first = address - base();
  LeafOutcome outcome;
  std::uint64_t at = first;
  for (; at < first + count * kPageSize; at += kPageSize) {
    outcome = accept_one(at, secinfo.flags);
    if (!outcome.ok()) break;
  }
  const bool were_pending = (secinfo.flags.value & SecinfoFlags::kPending) != 0;
  if (were_pending && !flush_accepted(first, at)) return general_protection();
  return outcome;
}

}  // namespace coffer::processor
