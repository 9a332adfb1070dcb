// What answers OE_UNSUPPORTED: certificates, which carry remote evidence.
#include <openenclave/attestation/attester.h>
#include <openenclave/attestation/verifier.h>
#include <openenclave/enclave.h>

#include <cstdlib>

extern "C" {

oe_result_t oe_generate_attestation_certificate(const unsigned char*, uint8_t*, size_t, uint8_t*, size_t, uint8_t**,
                                                size_t*) {
  return OE_UNSUPPORTED;
}
oe_result_t oe_generate_attestation_certificate_v2(const unsigned char*, uint8_t*, size_t, uint8_t*, size_t,
                                                   const char*, const char*, uint8_t**, size_t*) {
  return OE_UNSUPPORTED;
}
void oe_free_attestation_certificate(uint8_t* cert) { std::free(cert); }
oe_result_t oe_verify_attestation_certificate(uint8_t*, size_t, oe_identity_verify_callback_t, void*) {
  return OE_UNSUPPORTED;
}
oe_result_t oe_get_attestation_certificate_with_evidence(const oe_uuid_t*, const unsigned char*, uint8_t*, size_t,
                                                         uint8_t*, size_t, uint8_t**, size_t*) {
  return OE_UNSUPPORTED;
}
oe_result_t oe_get_attestation_certificate_with_evidence_v2(const oe_uuid_t*, const unsigned char*, uint8_t*, size_t,
                                                            uint8_t*, size_t, const void*, size_t, uint8_t**, size_t*) {
  return OE_UNSUPPORTED;
}
oe_result_t oe_verify_attestation_certificate_with_evidence(uint8_t*, size_t, oe_verify_claims_callback_t, void*) {
  return OE_UNSUPPORTED;
}
oe_result_t oe_verify_attestation_certificate_with_evidence_v2(uint8_t*, size_t, uint8_t*, size_t, oe_policy_t*, size_t,
                                                               oe_claim_t**, size_t*) {
  return OE_UNSUPPORTED;
}

}  // extern "C"
