// ENCLU leaves about the enclave's identity: EREPORT, EGETKEY (Intel SDM volume 3D, 40.4).
#include <cstring>

#include "processor/enclave.h"
#include "processor/operands.h"

namespace coffer::processor {

using sgx::LeafError;

LeafOutcome SoftEnclave::ereport(std::uint64_t target_info, std::uint64_t report_data, std::uint64_t output) {
  const std::scoped_lock guard(lock_);
  using ReportData = sgx::Bytes<64>;
  for (const LeafOutcome& checked : {check_operand<sgx::TargetInfo>(*this, target_info, 512, OperandAccess::kRead),
                                     check_operand<ReportData>(*this, report_data, 128, OperandAccess::kRead),
                                     check_operand<sgx::Report>(*this, output, 512, OperandAccess::kWrite)}) {
    if (!checked.ok()) return checked;
  }
  const auto target = load_operand<sgx::TargetInfo>(target_info);
  if (target.reserved1 != 0 || !is_zero(target.reserved2) || !is_zero(target.reserved3)) return general_protection();
  const sgx::Report report = vault_->report(secs_, target, load_operand<ReportData>(report_data));
  std::memcpy(reinterpret_cast<void*>(output), &report, sizeof(report));
  return {};
}

LeafOutcome SoftEnclave::egetkey(std::uint64_t request_address, std::uint64_t output) {
  const std::scoped_lock guard(lock_);
  for (const LeafOutcome& checked : {check_operand<sgx::KeyRequest>(*this, request_address, 512, OperandAccess::kRead),
                                     check_operand<sgx::Bytes<16>>(*this, output, 16, OperandAccess::kWrite)}) {
    if (!checked.ok()) return checked;
  }
  const auto request = load_operand<sgx::KeyRequest>(request_address);
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

}  // namespace coffer::processor
