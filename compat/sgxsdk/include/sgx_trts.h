/* Where memory lies, and random numbers. Inside. */
#ifndef COFFER_SGXSDK_SGX_TRTS_H
#define COFFER_SGXSDK_SGX_TRTS_H

#include <stddef.h>
#include <stdint.h>
#include "sgx_defs.h"
#include "sgx_error.h"

#ifdef __cplusplus
extern "C" {
#endif

/* 1 where all of [addr, addr + size) lies inside the enclave, or outside; 0 where some does not or the range wraps. */
int SGXAPI sgx_is_within_enclave(const void* addr, size_t size);
int SGXAPI sgx_is_outside_enclave(const void* addr, size_t size);
/* 0: an enclave that has crashed runs nothing that could ask. */
int SGXAPI sgx_is_enclave_crashed(void);
/* From the processor's generator. `rand` lies inside, or outside. */
sgx_status_t SGXAPI sgx_read_rand(unsigned char* rand, size_t length_in_bytes);

#ifdef __cplusplus
}
#endif

#endif
