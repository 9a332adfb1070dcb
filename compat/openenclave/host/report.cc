// Reports of an enclave, asked for by its host.
#include <openenclave/attestation/sgx/report.h>
#include <openenclave/attestation/verifier.h>
#include <openenclave/internal/report.h>

#include <array>
#include <cstring>

#include "compat/openenclave/host/enclave.h"
#include "compat/openenclave/protocol.h"
#include "sgx/sigstruct.h"

using namespace coffer::openenclave;

extern "C" {

oe_result_t oe_get_report_v2(oe_enclave_t* enclave, uint32_t flags, const void* opt_params, size_t opt_params_size,
                             uint8_t** report_buffer, size_t* report_buffer_size) {
  if (enclave == nullptr || report_buffer == nullptr || report_buffer_size == nullptr ||
      (opt_params == nullptr && opt_params_size != 0)) {
    return OE_INVALID_PARAMETER;
  }
  *report_buffer = nullptr;
  *report_buffer_size = 0;
  if ((flags & OE_REPORT_FLAGS_REMOTE_ATTESTATION) != 0) return OE_UNSUPPORTED;
  if (flags != 0) return OE_INVALID_PARAMETER;
  std::array<std::byte, sizeof(oe_report_header_t) + sizeof(sgx_report_t)> report{};
  std::size_t written = 0;
  const oe_result_t result =
      call(*enclave, kGetReport, {static_cast<const std::byte*>(opt_params), opt_params_size}, report, written);
  if (result != OE_OK) return result;
  if (written != report.size()) return OE_UNEXPECTED;
  auto* copy = static_cast<uint8_t*>(std::malloc(report.size()));
  if (copy == nullptr) return OE_OUT_OF_MEMORY;
  std::memcpy(copy, report.data(), report.size());
  *report_buffer = copy;
  *report_buffer_size = report.size();
  return OE_OK;
}

oe_result_t oe_verify_report(oe_enclave_t* enclave, const uint8_t* report, size_t report_size,
                             oe_report_t* parsed_report) {
  oe_report_t parsed;
  if (const oe_result_t result = oe_parse_report(report, report_size, &parsed); result != OE_OK) return result;
  if (enclave == nullptr) return OE_INVALID_PARAMETER;  // local reports are for enclaves
  std::size_t written = 0;
  const oe_result_t result =
      call(*enclave, kVerifyReport, {reinterpret_cast<const std::byte*>(report), report_size}, {}, written);
  if (result == OE_OK && parsed_report != nullptr) *parsed_report = parsed;
  return result;
}

oe_result_t oe_sgx_get_signer_id_from_public_key(const char* pem, size_t pem_size, uint8_t* signer_id,
                                                 size_t* signer_id_size) {
  if (pem == nullptr || signer_id_size == nullptr) return OE_INVALID_PARAMETER;
  if (signer_id == nullptr || *signer_id_size < OE_SIGNER_ID_SIZE) {
    *signer_id_size = OE_SIGNER_ID_SIZE;
    return OE_BUFFER_TOO_SMALL;
  }
  const auto key = coffer::sgx::SigningKey::from_pem({pem, strnlen(pem, pem_size)});
  if (!key) return OE_INVALID_SGX_SIGNING_KEY;
  coffer::sgx::Sigstruct sigstruct;
  sigstruct.modulus = key->modulus();
  const auto signer = coffer::sgx::mrsigner_of(sigstruct);
  std::memcpy(signer_id, signer.bytes.data(), signer.bytes.size());
  *signer_id_size = signer.bytes.size();
  return OE_OK;
}

// Remote evidence: not there yet.
oe_result_t oe_verify_remote_report(const uint8_t*, size_t, const uint8_t*, size_t, oe_report_t*) {
  return OE_UNSUPPORTED;
}
oe_result_t oe_verify_attestation_certificate(uint8_t*, size_t, oe_identity_verify_callback_t, void*) {
  return OE_UNSUPPORTED;
}
oe_result_t oe_verifier_initialize(void) { return OE_OK; }
oe_result_t oe_verifier_shutdown(void) { return OE_OK; }
oe_result_t oe_verifier_get_formats(oe_uuid_t** format_ids, size_t* format_ids_length) {
  if (format_ids == nullptr || format_ids_length == nullptr) return OE_INVALID_PARAMETER;
  *format_ids = nullptr;
  *format_ids_length = 0;
  return OE_OK;
}
oe_result_t oe_verifier_free_formats(oe_uuid_t*) { return OE_OK; }
oe_result_t oe_verifier_get_format_settings(const oe_uuid_t*, uint8_t**, size_t*) { return OE_NOT_FOUND; }
oe_result_t oe_verifier_free_format_settings(uint8_t*) { return OE_OK; }
oe_result_t oe_verify_evidence(const oe_uuid_t*, const uint8_t*, size_t, const uint8_t*, size_t, const oe_policy_t*,
                               size_t, oe_claim_t**, size_t*) {
  return OE_NOT_FOUND;
}
oe_result_t oe_verify_attestation_certificate_with_evidence(uint8_t*, size_t, oe_verify_claims_callback_t, void*) {
  return OE_UNSUPPORTED;
}
oe_result_t oe_verify_attestation_certificate_with_evidence_v2(uint8_t*, size_t, uint8_t*, size_t, oe_policy_t*, size_t,
                                                               oe_claim_t**, size_t*) {
  return OE_UNSUPPORTED;
}
}  // extern "C"
