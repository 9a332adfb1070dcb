// Reading a report; shared by both sides: host and enclave libraries compile it.
#include <openenclave/bits/result.h>
#include <openenclave/internal/report.h>

#include <cstdlib>
#include <cstring>

extern "C" oe_result_t oe_parse_report(const uint8_t* report, size_t report_size, oe_report_t* parsed_report);

extern "C" oe_result_t oe_parse_report(const uint8_t* report, size_t report_size, oe_report_t* parsed_report) {
  if (report == nullptr || parsed_report == nullptr) return OE_INVALID_PARAMETER;
  oe_report_header_t header;
  if (report_size < sizeof(header)) return OE_INVALID_PARAMETER;
  std::memcpy(&header, report, sizeof(header));
  if (header.version != OE_REPORT_HEADER_VERSION || header.report_size != report_size - sizeof(header)) {
    return OE_INCORRECT_REPORT_SIZE;
  }
  if (header.report_type == OE_REPORT_TYPE_SGX_REMOTE) return OE_UNSUPPORTED;
  if (header.report_type != OE_REPORT_TYPE_SGX_LOCAL) return OE_REPORT_PARSE_ERROR;
  if (header.report_size != sizeof(sgx_report_t)) return OE_INCORRECT_REPORT_SIZE;
  sgx_report_body_t body;
  auto* place = const_cast<uint8_t*>(report) + sizeof(header);
  std::memcpy(&body, place, sizeof(body));
  *parsed_report = {};
  parsed_report->size = sizeof(oe_report_t);
  parsed_report->type = OE_ENCLAVE_TYPE_SGX;
  parsed_report->report_data = place + offsetof(sgx_report_body_t, report_data);
  parsed_report->report_data_size = sizeof(sgx_report_data_t);
  parsed_report->enclave_report = place;
  parsed_report->enclave_report_size = sizeof(sgx_report_body_t);
  oe_identity_t& identity = parsed_report->identity;
  identity.id_version = 1;
  identity.security_version = body.isvsvn;
  identity.attributes = (body.attributes.flags & SGX_FLAGS_DEBUG) != 0 ? OE_REPORT_ATTRIBUTES_DEBUG : 0;
  std::memcpy(identity.unique_id, body.mrenclave, sizeof(identity.unique_id));
  std::memcpy(identity.signer_id, body.mrsigner, sizeof(identity.signer_id));
  identity.product_id[0] = static_cast<uint8_t>(body.isvprodid);
  identity.product_id[1] = static_cast<uint8_t>(body.isvprodid >> 8);
  return OE_OK;
}

// The target info of the enclave that made a report, for reports to it.
extern "C" oe_result_t oe_get_target_info_v2(const uint8_t* report, size_t report_size, void** target_info_buffer,
                                             size_t* target_info_size);
extern "C" oe_result_t oe_get_target_info_v2(const uint8_t* report, size_t report_size, void** target_info_buffer,
                                             size_t* target_info_size) {
  if (target_info_buffer == nullptr || target_info_size == nullptr) return OE_INVALID_PARAMETER;
  oe_report_t parsed;
  if (const oe_result_t result = oe_parse_report(report, report_size, &parsed); result != OE_OK) return result;
  sgx_report_body_t body;
  std::memcpy(&body, parsed.enclave_report, sizeof(body));
  auto* info = static_cast<sgx_target_info_t*>(std::calloc(1, sizeof(sgx_target_info_t)));
  if (info == nullptr) return OE_OUT_OF_MEMORY;
  std::memcpy(info->mrenclave, body.mrenclave, sizeof(info->mrenclave));
  info->attributes = body.attributes;
  info->misc_select = body.miscselect;
  // With key separation the target is named by its configuration too (Intel SDM volume 3D, TARGETINFO).
  constexpr std::size_t kConfigSvn = 50 - 48, kConfigId = 64 - 56;
  std::memcpy(info->reserved1 + kConfigSvn, &body.configsvn, sizeof(body.configsvn));
  std::memcpy(info->reserved2 + kConfigId, body.configid, sizeof(body.configid));
  *target_info_buffer = info;
  *target_info_size = sizeof(*info);
  return OE_OK;
}

extern "C" void oe_free_target_info(void* target_info);
extern "C" void oe_free_target_info(void* target_info) { std::free(target_info); }
extern "C" void oe_free_report(uint8_t* report_buffer);
extern "C" void oe_free_report(uint8_t* report_buffer) { std::free(report_buffer); }
