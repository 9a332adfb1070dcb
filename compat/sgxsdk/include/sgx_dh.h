/* A key for two enclaves of one platform: Diffie-Hellman over P-256, authenticated by reports. Inside.
 *
 * The responder makes message 1, the initiator answers with message 2, the responder with message 3; then both have the
 * same key and know who the other is, and must judge that identity. LAv1 and LAv2 are one here. */
#ifndef COFFER_SGXSDK_SGX_DH_H
#define COFFER_SGXSDK_SGX_DH_H

#include "sgx.h"
#include "sgx_defs.h"
#include "sgx_ecp_types.h"

#pragma pack(push, 1)
#define SGX_DH_MAC_SIZE 16
#define SGX_DH_SESSION_DATA_SIZE 200

typedef struct _sgx_dh_msg1_t {
  sgx_ec256_public_t g_a;
  sgx_target_info_t target;
} sgx_dh_msg1_t;
typedef struct _sgx_dh_msg2_t {
  sgx_ec256_public_t g_b;
  sgx_report_t report;
  uint8_t cmac[SGX_DH_MAC_SIZE];
} sgx_dh_msg2_t;
typedef struct _sgx_dh_msg3_body_t {
  sgx_report_t report;
  uint32_t additional_prop_length;
  uint8_t additional_prop[0];
} sgx_dh_msg3_body_t;
typedef struct _sgx_dh_msg3_t {
  uint8_t cmac[SGX_DH_MAC_SIZE];
  sgx_dh_msg3_body_t msg3_body;
} sgx_dh_msg3_t;
typedef struct _sgx_dh_session_enclave_identity_t {
  sgx_cpu_svn_t cpu_svn;
  sgx_misc_select_t misc_select;
  uint8_t reserved_1[28];
  sgx_attributes_t attributes;
  sgx_measurement_t mr_enclave;
  uint8_t reserved_2[32];
  sgx_measurement_t mr_signer;
  uint8_t reserved_3[96];
  sgx_prod_id_t isv_prod_id;
  sgx_isv_svn_t isv_svn;
} sgx_dh_session_enclave_identity_t;
typedef enum _sgx_dh_session_role_t { SGX_DH_SESSION_INITIATOR, SGX_DH_SESSION_RESPONDER } sgx_dh_session_role_t;
/* The library's own. It wipes itself when a step fails. */
typedef struct _sgx_dh_session_t {
  uint8_t sgx_dh_session[SGX_DH_SESSION_DATA_SIZE];
} sgx_dh_session_t;
#pragma pack(pop)

#ifdef __cplusplus
extern "C" {
#endif

/* Everything lies inside. SGX_ERROR_INVALID_STATE: out of turn; SGX_ERROR_MAC_MISMATCH: not authentic. */
sgx_status_t SGXAPI sgx_dh_init_session(sgx_dh_session_role_t role, sgx_dh_session_t* session);
sgx_status_t SGXAPI sgx_dh_responder_gen_msg1(sgx_dh_msg1_t* msg1, sgx_dh_session_t* dh_session);
sgx_status_t SGXAPI sgx_LAv1_initiator_proc_msg1(const sgx_dh_msg1_t* msg1, sgx_dh_msg2_t* msg2,
                                                 sgx_dh_session_t* dh_session);
sgx_status_t SGXAPI sgx_LAv2_initiator_proc_msg1(const sgx_dh_msg1_t* msg1, sgx_dh_msg2_t* msg2,
                                                 sgx_dh_session_t* dh_session);
/* msg3->msg3_body.additional_prop_length bytes after the message are authenticated with it. */
sgx_status_t SGXAPI sgx_dh_responder_proc_msg2(const sgx_dh_msg2_t* msg2, sgx_dh_msg3_t* msg3,
                                               sgx_dh_session_t* dh_session, sgx_key_128bit_t* aek,
                                               sgx_dh_session_enclave_identity_t* initiator_identity);
sgx_status_t SGXAPI sgx_LAv1_initiator_proc_msg3(const sgx_dh_msg3_t* msg3, sgx_dh_session_t* dh_session,
                                                 sgx_key_128bit_t* aek,
                                                 sgx_dh_session_enclave_identity_t* responder_identity);
sgx_status_t SGXAPI sgx_LAv2_initiator_proc_msg3(const sgx_dh_msg3_t* msg3, sgx_dh_session_t* dh_session,
                                                 sgx_key_128bit_t* aek,
                                                 sgx_dh_session_enclave_identity_t* responder_identity);

#ifdef SGX_USE_LAv2_INITIATOR
#define sgx_dh_initiator_proc_msg1 sgx_LAv2_initiator_proc_msg1
#define sgx_dh_initiator_proc_msg3 sgx_LAv2_initiator_proc_msg3
#else
#define sgx_dh_initiator_proc_msg1 sgx_LAv1_initiator_proc_msg1
#define sgx_dh_initiator_proc_msg3 sgx_LAv1_initiator_proc_msg3
#endif

#ifdef __cplusplus
}
#endif

#endif
