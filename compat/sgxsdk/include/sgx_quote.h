/* Types of quotes, for structures that hold them. Services that make quotes are not here yet (sgx_uae_*). */
#ifndef COFFER_SGXSDK_SGX_QUOTE_H
#define COFFER_SGXSDK_SGX_QUOTE_H

#include "sgx_report.h"

#pragma pack(push, 1)
typedef uint8_t sgx_epid_group_id_t[4];
typedef struct _spid_t {
  uint8_t id[16];
} sgx_spid_t;
typedef struct _basename_t {
  uint8_t name[32];
} sgx_basename_t;
typedef struct _quote_nonce {
  uint8_t rand[16];
} sgx_quote_nonce_t;
typedef enum { SGX_UNLINKABLE_SIGNATURE, SGX_LINKABLE_SIGNATURE } sgx_quote_sign_type_t;
typedef struct _quote_t {
  uint16_t version;
  uint16_t sign_type;
  sgx_epid_group_id_t epid_group_id;
  sgx_isv_svn_t qe_svn;
  sgx_isv_svn_t pce_svn;
  uint32_t xeid;
  sgx_basename_t basename;
  sgx_report_body_t report_body;
  uint32_t signature_len;
  uint8_t signature[];
} sgx_quote_t;
typedef struct _att_key_id_t {
  uint8_t att_key_id[256];
} sgx_att_key_id_t;
typedef struct _qe_report_info_t {
  sgx_quote_nonce_t nonce;
  sgx_target_info_t app_enclave_target_info;
  sgx_report_t qe_report;
} sgx_qe_report_info_t;
#pragma pack(pop)

#endif
