/* Reports and keys of this enclave, from the processor. Inside. */
#ifndef COFFER_SGXSDK_SGX_UTILS_H
#define COFFER_SGXSDK_SGX_UTILS_H

#include "sgx.h"
#include "sgx_defs.h"

#ifdef __cplusplus
extern "C" {
#endif

/* A report for `target_info` (NULL: for nobody in particular) that binds `report_data` (NULL: zeros). All arguments lie
 * inside the enclave: SGX_ERROR_INVALID_PARAMETER otherwise. */
sgx_status_t SGXAPI sgx_create_report(const sgx_target_info_t* target_info, const sgx_report_data_t* report_data,
                                      sgx_report_t* report);
/* A report on this enclave for nobody in particular, made once. */
const sgx_report_t* sgx_self_report(void);
/* What others target to make reports that this enclave can check. */
sgx_status_t SGXAPI sgx_self_target(sgx_target_info_t* target_info);
/* SGX_SUCCESS where an enclave of this platform made the report for this one, SGX_ERROR_MAC_MISMATCH where not. */
sgx_status_t SGXAPI sgx_verify_report(const sgx_report_t* report);
/* EGETKEY. SGX_ERROR_INVALID_ISVSVN, _INVALID_CPUSVN: above the enclave's own; _INVALID_KEYNAME, _INVALID_ATTRIBUTE,
 * _INVALID_PARAMETER: what the processor refuses otherwise. Wipe the key after use. */
sgx_status_t SGXAPI sgx_get_key(const sgx_key_request_t* key_request, sgx_key_128bit_t* key);

#ifdef __cplusplus
}
#endif

#endif
