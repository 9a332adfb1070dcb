#include "enclave/kernel/core/attestation.h"

#include <cstring>

#include "base/bytes.h"
#include "boundary/attestation.h"
#include "enclave/kernel/core/enclu.h"
#include "enclave/kernel/core/image.h"
#include "enclave/kernel/core/kernel.h"
#include "enclave/kernel/fs/output_digest.h"

namespace coffer::kernel {

using boundary::AttestationOrder;

namespace {

sgx::TargetInfo output_target;

[[noreturn]] void leave(std::uint64_t report_size) {
  while (true) call_host(boundary::Request::kExit, 0, report_size);
}

// Whether the host may choose these report data for this image.
bool is_allowed(const sgx::Bytes<64>& data) {
  const bool as_output = std::memcmp(data.data() + boundary::kOutputReportMarkOffset,
                                     boundary::kOutputReportMark.data(), boundary::kOutputReportMark.size()) == 0;
  return !as_output && ((layout().flags & boundary::kLayoutHostReportData) != 0 || is_debug_enclave());
}

std::uint64_t put_report(const sgx::TargetInfo& target, const sgx::Bytes<64>& data) {
  sgx::Report report;
  if (!make_report(target, data, &report)) return 0;
  std::memcpy(exchange_area().data(), &report, sizeof(report));
  return sizeof(report);
}

}  // namespace

void take_attestation_order(std::uint64_t flags, std::uint64_t block, std::uint64_t size) {
  constexpr std::uint64_t kAsked = boundary::kStartReport | boundary::kStartOutputReport;
  if ((flags & kAsked) == 0) return;
  if (size < sizeof(boundary::StartInfo) + sizeof(AttestationOrder)) panic("the host's start block is malformed");
  AttestationOrder order;
  std::memcpy(&order, reinterpret_cast<const void*>(block + size - sizeof(order)), sizeof(order));
  if ((flags & boundary::kStartReport) != 0) {
    leave(is_allowed(order.data) ? put_report(order.target, order.data) : boundary::kReportRefused);
  }
  output_target = order.target;
  fs::begin_output_digest();
}

std::uint64_t leave_output_report(int status) {
  if (!fs::has_output_digest()) return 0;
  sgx::Bytes<64> data{};
  if (!fs::finish_output_digest(std::as_writable_bytes(std::span(data)).first<kSha256Size>())) return 0;
  std::memcpy(data.data() + boundary::kOutputReportMarkOffset, boundary::kOutputReportMark.data(),
              boundary::kOutputReportMark.size());
  const auto code = static_cast<std::uint32_t>(status);
  std::memcpy(data.data() + boundary::kOutputReportStatusOffset, &code, sizeof(code));
  return put_report(output_target, data);
}

}  // namespace coffer::kernel
