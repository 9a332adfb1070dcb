// Open Enclave's API inside an enclave, on Coffer. Everything of the C and C++ libraries is there besides.
//
// Thread-safe. What the host passes in is hostile: check addresses with oe_is_outside_enclave() before their first use.
#ifndef _OE_ENCLAVE_H
#define _OE_ENCLAVE_H

#ifdef _OE_HOST_H
#error "enclave.h and host.h must not be included in the same compilation unit."
#endif

#include <openenclave/bits/asym_keys.h>

#ifdef __cplusplus
#include <string.h>  // sources written for Open Enclave's C++ library have it from <string>
#endif

#include "bits/cpuid.h"
#include "bits/defs.h"
#include "bits/evidence.h"
#include "bits/exception.h"
#include "bits/fs.h"
#include "bits/module.h"
#include "bits/properties.h"
#include "bits/result.h"
#include "bits/security.h"
#include "bits/types.h"

OE_EXTERNC_BEGIN

#define sscanf_s sscanf

// At most 64 handlers, asked in their order. OE_FAILURE: no room, or it is registered already; OE_INVALID_PARAMETER.
oe_result_t oe_add_vectored_exception_handler(bool is_first_handler, oe_vectored_exception_handler_t vectored_handler);
oe_result_t oe_remove_vectored_exception_handler(oe_vectored_exception_handler_t vectored_handler);

// Whole ranges, computed without overflow; NULL is in neither.
bool oe_is_within_enclave(const void* ptr, size_t size);
bool oe_is_outside_enclave(const void* ptr, size_t size);

// Memory that host and enclave reach. What stands there the host can change at any time.
void* oe_host_malloc(size_t size);
void* oe_host_realloc(void* ptr, size_t size);
void* oe_host_calloc(size_t nmemb, size_t size);
void oe_host_free(void* ptr);
char* oe_host_strndup(const char* str, size_t n);

// Ends the enclave: its calls answer OE_ENCLAVE_ABORTING.
void oe_abort(void) OE_NO_RETURN;
void __oe_assert_fail(const char* expr, const char* file, int line, const char* func);
#ifndef NDEBUG
#define oe_assert(condition)                                                          \
  do {                                                                                \
    if (!(condition)) __oe_assert_fail(#condition, __FILE__, __LINE__, __FUNCTION__); \
  } while (0)
#else
#define oe_assert(condition)
#endif

// A local report: for the enclave whose target info opt_params is, or for nobody in particular. Flags ask for a remote
// one: OE_UNSUPPORTED.
#define oe_get_report oe_get_report_v2
oe_result_t oe_get_report_v2(uint32_t flags, const uint8_t* report_data, size_t report_data_size,
                             const void* opt_params, size_t opt_params_size, uint8_t** report_buffer,
                             size_t* report_buffer_size);
void oe_free_report(uint8_t* report_buffer);
#define oe_get_target_info oe_get_target_info_v2
oe_result_t oe_get_target_info_v2(const uint8_t* report, size_t report_size, void** target_info_buffer,
                                  size_t* target_info_size);
void oe_free_target_info(void* target_info);
oe_result_t oe_parse_report(const uint8_t* report, size_t report_size, oe_report_t* parsed_report);
// OE_VERIFY_FAILED_AES_CMAC_MISMATCH: not made for this enclave on this platform, or changed.
oe_result_t oe_verify_report(const uint8_t* report, size_t report_size, oe_report_t* parsed_report);

// Sealing keys of 128 bits, by EGETKEY, and the information that gives the same key again.
#define oe_get_seal_key_by_policy oe_get_seal_key_by_policy_v2
oe_result_t oe_get_seal_key_by_policy_v2(oe_seal_policy_t seal_policy, uint8_t** key_buffer, size_t* key_buffer_size,
                                         uint8_t** key_info, size_t* key_info_size);
#define oe_get_seal_key oe_get_seal_key_v2
oe_result_t oe_get_seal_key_v2(const uint8_t* key_info, size_t key_info_size, uint8_t** key_buffer,
                               size_t* key_buffer_size);
void oe_free_seal_key(uint8_t* key_buffer, uint8_t* key_info);

// Keys of NIST P-256 that are derived from a sealing key; PEM.
oe_result_t oe_get_public_key_by_policy(oe_seal_policy_t seal_policy, const oe_asymmetric_key_params_t* key_params,
                                        uint8_t** key_buffer, size_t* key_buffer_size, uint8_t** key_info,
                                        size_t* key_info_size);
oe_result_t oe_get_public_key(const oe_asymmetric_key_params_t* key_params, const uint8_t* key_info,
                              size_t key_info_size, uint8_t** key_buffer, size_t* key_buffer_size);
oe_result_t oe_get_private_key_by_policy(oe_seal_policy_t seal_policy, const oe_asymmetric_key_params_t* key_params,
                                         uint8_t** key_buffer, size_t* key_buffer_size, uint8_t** key_info,
                                         size_t* key_info_size);
oe_result_t oe_get_private_key(const oe_asymmetric_key_params_t* key_params, const uint8_t* key_info,
                               size_t key_info_size, uint8_t** key_buffer, size_t* key_buffer_size);
// Wipes, then frees. Either may be NULL.
void oe_free_key(uint8_t* key_buffer, size_t key_buffer_size, uint8_t* key_info, size_t key_info_size);

// The host's handle of this enclave; a number for the host, never to be followed here.
oe_enclave_t* oe_get_enclave(void);

// From the enclave kernel's generator, never from the host.
oe_result_t oe_random(void* data, size_t size);

// Certificates with remote evidence: OE_UNSUPPORTED until there is some.
oe_result_t oe_generate_attestation_certificate(const unsigned char* subject_name, uint8_t* private_key,
                                                size_t private_key_size, uint8_t* public_key, size_t public_key_size,
                                                uint8_t** output_certificate, size_t* output_certificate_size);
oe_result_t oe_generate_attestation_certificate_v2(const unsigned char* subject_name, uint8_t* private_key,
                                                   size_t private_key_size, uint8_t* public_key, size_t public_key_size,
                                                   const char* date_not_valid_before, const char* date_not_valid_after,
                                                   uint8_t** output_certificate, size_t* output_certificate_size);
void oe_free_attestation_certificate(uint8_t* cert);
typedef oe_result_t (*oe_identity_verify_callback_t)(oe_identity_t* identity, void* arg);
oe_result_t oe_verify_attestation_certificate(uint8_t* cert_in_der, size_t cert_in_der_len,
                                              oe_identity_verify_callback_t enclave_identity_callback, void* arg);

OE_EXTERNC_END

#endif
