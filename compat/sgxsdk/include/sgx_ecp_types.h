/* Types of elliptic-curve protocols. */
#ifndef COFFER_SGXSDK_SGX_ECP_TYPES_H
#define COFFER_SGXSDK_SGX_ECP_TYPES_H

#include <stdint.h>
#include "sgx_tcrypto.h"

#pragma pack(push, 1)
#ifndef SGX_FEBITSIZE
#define SGX_FEBITSIZE 256
#endif
typedef struct _ecc_param_t {
  uint32_t eccP[SGX_NISTP_ECP256_KEY_SIZE];
  uint32_t eccA[SGX_NISTP_ECP256_KEY_SIZE];
  uint32_t eccB[SGX_NISTP_ECP256_KEY_SIZE];
  uint32_t eccG[2][SGX_NISTP_ECP256_KEY_SIZE];
  uint32_t eccR[SGX_NISTP_ECP256_KEY_SIZE];
} sgx_ecc_param_t;
typedef uint8_t sgx_ec_key_128bit_t[SGX_CMAC_KEY_SIZE];
#pragma pack(pop)

#endif
