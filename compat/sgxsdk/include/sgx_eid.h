/* The handle of an enclave outside: a number that is never reused in a process. */
#ifndef COFFER_SGXSDK_SGX_EID_H
#define COFFER_SGXSDK_SGX_EID_H

#include <stdint.h>

typedef uint64_t sgx_enclave_id_t;

#endif
