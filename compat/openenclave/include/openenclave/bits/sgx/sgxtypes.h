// Structures and numbers of the SGX architecture under Open Enclave's names (Intel SDM volume 3D).
#ifndef _OE_SGXTYPES_H
#define _OE_SGXTYPES_H

#include <openenclave/bits/defs.h>
#include <openenclave/bits/properties.h>
#include <openenclave/bits/types.h>

#define SGX_FLAGS_INITTED 0x0000000000000001ULL
#define SGX_FLAGS_DEBUG 0x0000000000000002ULL
#define SGX_FLAGS_MODE64BIT 0x0000000000000004ULL
#define SGX_FLAGS_PROVISION_KEY 0x0000000000000010ULL
#define SGX_FLAGS_EINITTOKEN_KEY 0x0000000000000020ULL
#define SGX_FLAGS_KSS 0x0000000000000080ULL
#define SGX_FLAGS_RESERVED \
  (~(SGX_FLAGS_INITTED | SGX_FLAGS_DEBUG | SGX_FLAGS_MODE64BIT | SGX_FLAGS_PROVISION_KEY | SGX_FLAGS_EINITTOKEN_KEY))
#define SGX_XFRM_LEGACY 0x0000000000000003ULL
#define SGX_XFRM_AVX 0x0000000000000006ULL
#define SGX_XFRM_AVX512 0x00000000000000E6ULL
#define SGX_XFRM_MPX 0x0000000000000018ULL
#define SGX_SECINFO_R 0x0000000000000000001
#define SGX_SECINFO_W 0x0000000000000000002
#define SGX_SECINFO_X 0x0000000000000000004
#define SGX_SECINFO_SECS 0x0000000000000000000
#define SGX_SECINFO_TCS 0x0000000000000000100
#define SGX_SECINFO_REG 0x0000000000000000200
#define SGX_ATTRIBUTES_DEFAULT_FLAGS 0x0000000000000006ULL
#define SGX_ATTRIBUTES_DEFAULT_XFRM 0x0000000000000003ULL
#define SGX_MISC_FLAGS_PF_GP_EXIT_INFO 0x0000000000000001ULL
#define SGX_SECS_MISCSELECT_EXINFO 0x0000000000000001UL

// Bits that have no bearing on security, and the masks of sealing keys that follow from them.
#define SGX_FLAGS_NON_SECURITY_BITS \
  (0xFFFFFFFFFFFFC0ULL | SGX_FLAGS_MODE64BIT | SGX_FLAGS_PROVISION_KEY | SGX_FLAGS_EINITTOKEN_KEY)
#define SGX_MISC_NON_SECURITY_BITS 0x0FFFFFFFU
#define OE_SEALKEY_DEFAULT_FLAGSMASK (~SGX_FLAGS_NON_SECURITY_BITS)
#define OE_SEALKEY_DEFAULT_MISCMASK (~SGX_MISC_NON_SECURITY_BITS)
#define OE_SEALKEY_DEFAULT_XFRMMASK (0X0ULL)

#define OE_KEY_SIZE 384
#define OE_EXPONENT_SIZE 4
#define OE_SHA256_SIZE 32
#define SGX_CPUSVN_SIZE 16
#define SGX_KEYID_SIZE 32
#define SGX_MAC_SIZE 16
#define SGX_USERDATA_SIZE 20
#define SGX_KEY_REQUEST_ALIGNMENT 512
#define SGX_KEY_ALIGNMENT 16

#define SGX_KEYSELECT_EINITTOKEN 0x0000
#define SGX_KEYSELECT_PROVISION 0x0001
#define SGX_KEYSELECT_PROVISION_SEAL 0x0002
#define SGX_KEYSELECT_REPORT 0x0003
#define SGX_KEYSELECT_SEAL 0x0004
#define SGX_KEYPOLICY_MRENCLAVE 0x0001
#define SGX_KEYPOLICY_MRSIGNER 0x0002
#define SGX_KEYPOLICY_ALL (SGX_KEYPOLICY_MRENCLAVE | SGX_KEYPOLICY_MRSIGNER)

typedef struct _sgx_attributes {
  uint64_t flags, xfrm;
} __attribute__((packed)) sgx_attributes_t;

typedef struct _sgx_target_info {
  uint8_t mrenclave[OE_SHA256_SIZE];
  sgx_attributes_t attributes;
  uint8_t reserved1[4];
  uint32_t misc_select;
  uint8_t reserved2[456];
} sgx_target_info_t;
OE_CHECK_SIZE(sizeof(sgx_target_info_t), 512);

typedef struct _sgx_report_data {
  unsigned char field[64];
} sgx_report_data_t;

typedef struct _sgx_report_body {
  uint8_t cpusvn[SGX_CPUSVN_SIZE];
  uint32_t miscselect;
  uint8_t reserved1[12];
  uint8_t isvextprodid[16];
  sgx_attributes_t attributes;
  uint8_t mrenclave[OE_SHA256_SIZE];
  uint8_t reserved2[32];
  uint8_t mrsigner[OE_SHA256_SIZE];
  uint8_t reserved3[32];
  uint8_t configid[64];
  uint16_t isvprodid;
  uint16_t isvsvn;
  uint16_t configsvn;
  uint8_t reserved4[42];
  uint8_t isvfamilyid[16];
  sgx_report_data_t report_data;
} sgx_report_body_t;
OE_CHECK_SIZE(sizeof(sgx_report_body_t), 384);

typedef struct _sgx_report {
  sgx_report_body_t body;
  uint8_t keyid[SGX_KEYID_SIZE];
  uint8_t mac[SGX_MAC_SIZE];
} sgx_report_t;
OE_CHECK_SIZE(sizeof(sgx_report_t), 432);

typedef struct _sgx_key_request {
  uint16_t key_name;
  uint16_t key_policy;
  uint16_t isv_svn;
  uint16_t reserved1;
  uint8_t cpu_svn[SGX_CPUSVN_SIZE];
  sgx_attributes_t attribute_mask;
  uint8_t key_id[SGX_KEYID_SIZE];
  uint32_t misc_attribute_mask;
  uint16_t config_svn;
  uint8_t reserved2[434];
} __attribute__((packed)) sgx_key_request_t;
OE_CHECK_SIZE(sizeof(sgx_key_request_t), 512);

typedef struct _sgx_key {
  uint8_t buf[16];
} sgx_key_t;

typedef struct _sgx_quote {
  uint16_t version, sign_type;
  uint32_t tee_type;
  uint16_t qe_svn, pce_svn;
  uint8_t uuid[16];
  uint8_t user_data[SGX_USERDATA_SIZE];
  sgx_report_body_t report_body;
  uint32_t signature_len;
  uint8_t signature[];
} __attribute__((packed)) sgx_quote_t;
OE_CHECK_SIZE(sizeof(sgx_quote_t), 436);

#endif
