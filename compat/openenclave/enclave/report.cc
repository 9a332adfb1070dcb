// Local reports: EREPORT and its check.
#include <openenclave/enclave.h>
#include <openenclave/internal/report.h>

#include <array>
#include <cstdlib>
#include <cstring>

#include "compat/openenclave/enclave/parts.h"
#include "enclave/sdk/platform.h"

namespace {

constexpr std::size_t kReportSize = sizeof(oe_report_header_t) + sizeof(sgx_report_t);
using ReportBytes = std::array<std::uint8_t, kReportSize>;

oe_result_t make_report(const uint8_t* report_data, size_t report_data_size, const void* target, size_t target_size,
                        ReportBytes& made) {
  if (report_data_size > OE_REPORT_DATA_SIZE || (report_data == nullptr && report_data_size != 0)) {
    return OE_INVALID_PARAMETER;
  }
  coffer::sgx::TargetInfo info{};
  if (target_size != 0 && (target == nullptr || target_size > sizeof(info))) return OE_INVALID_PARAMETER;
  if (target_size != 0) std::memcpy(&info, target, target_size);
  coffer::sgx::Bytes<OE_REPORT_DATA_SIZE> data{};
  if (report_data_size != 0) std::memcpy(data.data(), report_data, report_data_size);
  const auto report = coffer::sdk::platform::make_report(info, data);
  if (!report) return OE_PLATFORM_ERROR;
  const oe_report_header_t header = {OE_REPORT_HEADER_VERSION, OE_REPORT_TYPE_SGX_LOCAL, sizeof(sgx_report_t)};
  std::memcpy(made.data(), &header, sizeof(header));
  std::memcpy(made.data() + sizeof(header), &*report, sizeof(*report));
  return OE_OK;
}

}  // namespace

namespace coffer::openenclave {

oe_result_t report_for_host(calls::IncomingCall& call) {
  ReportBytes made;
  if (call.output.size() < made.size()) return OE_BUFFER_TOO_SMALL;
  // The host chooses nothing that the report binds: that is for the enclave's own words.
  const oe_result_t result = make_report(nullptr, 0, call.input.data(), call.input.size(), made);
  if (result != OE_OK) return result;
  std::memcpy(call.output.data(), made.data(), made.size());
  call.written = made.size();
  return OE_OK;
}

}  // namespace coffer::openenclave

extern "C" {

oe_result_t oe_get_report_v2(uint32_t flags, const uint8_t* report_data, size_t report_data_size,
                             const void* opt_params, size_t opt_params_size, uint8_t** report_buffer,
                             size_t* report_buffer_size) {
  if (report_buffer == nullptr || report_buffer_size == nullptr) return OE_INVALID_PARAMETER;
  *report_buffer = nullptr;
  *report_buffer_size = 0;
  if ((flags & OE_REPORT_FLAGS_REMOTE_ATTESTATION) != 0) return OE_UNSUPPORTED;
  if (flags != 0) return OE_INVALID_PARAMETER;
  ReportBytes made;
  const oe_result_t result = make_report(report_data, report_data_size, opt_params, opt_params_size, made);
  if (result != OE_OK) return result;
  auto* copy = static_cast<uint8_t*>(std::malloc(made.size()));
  if (copy == nullptr) return OE_OUT_OF_MEMORY;
  std::memcpy(copy, made.data(), made.size());
  *report_buffer = copy;
  *report_buffer_size = made.size();
  return OE_OK;
}

oe_result_t oe_verify_report(const uint8_t* report, size_t report_size, oe_report_t* parsed_report) {
  oe_report_t parsed;
  if (const oe_result_t result = oe_parse_report(report, report_size, &parsed); result != OE_OK) return result;
  coffer::sgx::Report raw;
  std::memcpy(&raw, parsed.enclave_report, sizeof(raw));
  if (!coffer::sdk::platform::check_report(raw)) return OE_VERIFY_FAILED_AES_CMAC_MISMATCH;
  if (parsed_report != nullptr) *parsed_report = parsed;
  return OE_OK;
}

}  // extern "C"
