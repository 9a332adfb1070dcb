/* A barrier for speculation, after a check of untrusted values. */
#ifndef COFFER_SGXSDK_SGX_LFENCE_H
#define COFFER_SGXSDK_SGX_LFENCE_H

#define sgx_lfence __builtin_ia32_lfence

#endif
