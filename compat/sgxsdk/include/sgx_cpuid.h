/* CPUID, which the processor does not execute inside: the enclave kernel answers, from what the host claims. */
#ifndef COFFER_SGXSDK_SGX_CPUID_H
#define COFFER_SGXSDK_SGX_CPUID_H

#include "sgx_defs.h"
#include "sgx_error.h"

#ifdef __cplusplus
extern "C" {
#endif

/* EAX, EBX, ECX, EDX. Nothing of it is to be trusted for security. */
sgx_status_t SGXAPI sgx_cpuid(int cpuinfo[4], int leaf);
sgx_status_t SGXAPI sgx_cpuidex(int cpuinfo[4], int leaf, int subleaf);

#ifdef __cplusplus
}
#endif

#endif
