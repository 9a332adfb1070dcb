/* Creating and destroying enclaves. Outside. Link libsgx_urts. */
#ifndef COFFER_SGXSDK_SGX_URTS_H
#define COFFER_SGXSDK_SGX_URTS_H

#include <stddef.h>
#include "sgx_attributes.h"
#include "sgx_defs.h"
#include "sgx_eid.h"
#include "sgx_error.h"
#include "sgx_key.h"
#include "sgx_report.h"

#define MAX_EX_FEATURES_COUNT 32
#define SGX_CREATE_ENCLAVE_EX_PCL_BIT_IDX 0
#define SGX_CREATE_ENCLAVE_EX_PCL (1 << SGX_CREATE_ENCLAVE_EX_PCL_BIT_IDX)
#define SGX_CREATE_ENCLAVE_EX_SWITCHLESS_BIT_IDX 1
#define SGX_CREATE_ENCLAVE_EX_SWITCHLESS (1 << SGX_CREATE_ENCLAVE_EX_SWITCHLESS_BIT_IDX)
#define SGX_CREATE_ENCLAVE_EX_KSS_BIT_IDX 2U
#define SGX_CREATE_ENCLAVE_EX_KSS (1U << SGX_CREATE_ENCLAVE_EX_KSS_BIT_IDX)
#define _SGX_LAST_EX_FEATURE_IDX_ SGX_CREATE_ENCLAVE_EX_KSS_BIT_IDX
#define _SGX_EX_FEATURES_MASK_ (((uint32_t)-1) >> (MAX_EX_FEATURES_COUNT - 1 - _SGX_LAST_EX_FEATURE_IDX_))

#pragma pack(push, 1)
typedef struct _sgx_kss_config_t {
  sgx_config_id_t config_id;
  sgx_config_svn_t config_svn;
} sgx_kss_config_t;
#pragma pack(pop)

/* Not used any more; accepted and left alone. */
typedef uint8_t sgx_launch_token_t[1024];

/* What samples give for `debug`: 1 but in release builds. */
#if !defined(NDEBUG) || defined(EDEBUG)
#define SGX_DEBUG_FLAG 1
#else
#define SGX_DEBUG_FLAG 0
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* Tells libsgx_urts where the installation that this header came with keeps its parts. */
#ifndef COFFER_SGXSDK_ITSELF
__attribute__((weak)) extern const char coffer_libexec_folder[];
const char coffer_libexec_folder[] = __FILE__ "/../../../../../libexec/coffer";
#endif

/* Loads an image that sgx_sign made, and runs its constructors. `debug`: as a DEBUG enclave, in this process (the rung
 * `inline`); otherwise in a process of its own. The environment variable COFFER_RUNG (inline, process, sgx) overrides
 * that. `launch_token`, `launch_token_updated`, `misc_attr` may be NULL.
 *
 * SGX_ERROR_ENCLAVE_FILE_ACCESS: no such file; _INVALID_ENCLAVE: no image; _INVALID_SIGNATURE; _NDEBUG_ENCLAVE: debug
 * asked for and forbidden by DisableDebug; _ENCLAVE_CRASHED: a constructor failed. A line on standard error says more.
 */
sgx_status_t SGXAPI sgx_create_enclave(const char* file_name, const int debug, sgx_launch_token_t* launch_token,
                                       int* launch_token_updated, sgx_enclave_id_t* enclave_id,
                                       sgx_misc_attribute_t* misc_attr);
/* ex_features_p[SGX_CREATE_ENCLAVE_EX_SWITCHLESS_BIT_IDX]: a sgx_uswitchless_config_t; [..._KSS_BIT_IDX]: a
 * sgx_kss_config_t. Encrypted code (PCL) is not supported: SGX_ERROR_FEATURE_NOT_SUPPORTED. */
sgx_status_t SGXAPI sgx_create_enclave_ex(const char* file_name, const int debug, sgx_launch_token_t* launch_token,
                                          int* launch_token_updated, sgx_enclave_id_t* enclave_id,
                                          sgx_misc_attribute_t* misc_attr, const uint32_t ex_features,
                                          const void* ex_features_p[32]);
/* The same from an image in memory. */
sgx_status_t SGXAPI sgx_create_enclave_from_buffer_ex(uint8_t* buffer, size_t buffer_size, const int debug,
                                                      sgx_enclave_id_t* enclave_id, sgx_misc_attribute_t* misc_attr,
                                                      const uint32_t ex_features, const void* ex_features_p[32]);
/* Runs the enclave's destructors and ends it. No call may be in progress. */
sgx_status_t SGXAPI sgx_destroy_enclave(const sgx_enclave_id_t enclave_id);
/* Memory for [user_check] pointers: the enclave reaches it wherever it runs. NULL where there is none left. Coffer's
 * own. */
void* SGXAPI sgx_urts_shared_malloc(const sgx_enclave_id_t enclave_id, size_t size);
void SGXAPI sgx_urts_shared_free(const sgx_enclave_id_t enclave_id, void* memory);
/* What other enclaves target to make reports that this enclave can check. */
sgx_status_t SGXAPI sgx_get_target_info(const sgx_enclave_id_t enclave_id, sgx_target_info_t* target_info);

#ifdef __cplusplus
}
#endif

#endif
