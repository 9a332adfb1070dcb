/* Whether enclaves run here: they do. Outside. Link libsgx_capable. */
#ifndef COFFER_SGXSDK_SGX_CAPABLE_H
#define COFFER_SGXSDK_SGX_CAPABLE_H

#include "sgx_defs.h"
#include "sgx_error.h"

typedef enum _sgx_device_status_t {
  SGX_ENABLED,
  SGX_DISABLED_REBOOT_REQUIRED,
  SGX_DISABLED_LEGACY_OS,
  SGX_DISABLED,
  SGX_DISABLED_SCI_AVAILABLE,
  SGX_DISABLED_MANUAL_ENABLE,
  SGX_DISABLED_HYPERV_ENABLED,
  SGX_DISABLED_UNSUPPORTED_CPU,
} sgx_device_status_t;

#ifdef __cplusplus
extern "C" {
#endif

/* 1: Coffer's processor in software runs where the CPU has no SGX. */
sgx_status_t sgx_is_capable(int* sgx_capable);
sgx_status_t sgx_cap_enable_device(sgx_device_status_t* sgx_device_status);
sgx_status_t SGXAPI sgx_cap_get_status(sgx_device_status_t* sgx_device_status);

#ifdef __cplusplus
}
#endif

#endif
