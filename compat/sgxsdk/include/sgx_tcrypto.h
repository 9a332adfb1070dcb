/* Cryptography, by OpenSSL. Inside; link libsgx_tcrypto.
 *
 * Numbers of elliptic curves and of RSA keys are little-endian, as the SDK has them; RSA signatures and ciphertexts are
 * big-endian, as PKCS #1 has them. SGX_ERROR_INVALID_PARAMETER: a pointer that must not be NULL, an impossible length;
 * SGX_ERROR_OUT_OF_MEMORY; SGX_ERROR_UNEXPECTED: OpenSSL refused. Handles are freed by the close functions. Wipe keys
 * after use. */
#ifndef COFFER_SGXSDK_SGX_TCRYPTO_H
#define COFFER_SGXSDK_SGX_TCRYPTO_H

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "sgx.h"
#include "sgx_defs.h"

#define SGX_SHA1_HASH_SIZE 20
#define SGX_SHA256_HASH_SIZE 32
#define SGX_SHA384_HASH_SIZE 48
#define SGX_ECP256_KEY_SIZE 32
#define SGX_NISTP_ECP256_KEY_SIZE (SGX_ECP256_KEY_SIZE / sizeof(uint32_t))
#define SGX_AESGCM_IV_SIZE 12
#define SGX_AESGCM_KEY_SIZE 16
#define SGX_AESGCM_KEY256_SIZE 32
#define SGX_AESGCM_MAC_SIZE 16
#define SGX_HMAC256_KEY_SIZE 32
#define SGX_HMAC256_MAC_SIZE 32
#define SGX_CMAC_KEY_SIZE 16
#define SGX_CMAC_MAC_SIZE 16
#define SGX_AESCTR_KEY_SIZE 16
#define SGX_RSA3072_KEY_SIZE 384
#define SGX_RSA3072_PRI_EXP_SIZE 384
#define SGX_RSA3072_PUB_EXP_SIZE 4

typedef struct _sgx_ec256_dh_shared_t {
  uint8_t s[SGX_ECP256_KEY_SIZE];
} sgx_ec256_dh_shared_t;
typedef struct _sgx_ec256_private_t {
  uint8_t r[SGX_ECP256_KEY_SIZE];
} sgx_ec256_private_t;
typedef struct _sgx_ec256_public_t {
  uint8_t gx[SGX_ECP256_KEY_SIZE];
  uint8_t gy[SGX_ECP256_KEY_SIZE];
} sgx_ec256_public_t;
typedef struct _sgx_ec256_signature_t {
  uint32_t x[SGX_NISTP_ECP256_KEY_SIZE];
  uint32_t y[SGX_NISTP_ECP256_KEY_SIZE];
} sgx_ec256_signature_t;
typedef struct _sgx_rsa3072_public_key_t {
  uint8_t mod[SGX_RSA3072_KEY_SIZE];
  uint8_t exp[SGX_RSA3072_PUB_EXP_SIZE];
} sgx_rsa3072_public_key_t;
typedef struct _sgx_rsa3072_key_t {
  uint8_t mod[SGX_RSA3072_KEY_SIZE];
  uint8_t d[SGX_RSA3072_PRI_EXP_SIZE];
  uint8_t e[SGX_RSA3072_PUB_EXP_SIZE];
} sgx_rsa3072_key_t;
typedef uint8_t sgx_rsa3072_signature_t[SGX_RSA3072_KEY_SIZE];

typedef void* sgx_sha_state_handle_t;
typedef void* sgx_hmac_state_handle_t;
typedef void* sgx_cmac_state_handle_t;
typedef void* sgx_ecc_state_handle_t;
typedef void* sgx_aes_state_handle_t;

typedef uint8_t sgx_sha1_hash_t[SGX_SHA1_HASH_SIZE];
typedef uint8_t sgx_sha256_hash_t[SGX_SHA256_HASH_SIZE];
typedef uint8_t sgx_sha384_hash_t[SGX_SHA384_HASH_SIZE];
typedef uint8_t sgx_aes_gcm_128bit_key_t[SGX_AESGCM_KEY_SIZE];
typedef uint8_t sgx_aes_gcm_256bit_key_t[SGX_AESGCM_KEY256_SIZE];
typedef uint8_t sgx_aes_gcm_128bit_tag_t[SGX_AESGCM_MAC_SIZE];
typedef uint8_t sgx_hmac_256bit_key_t[SGX_HMAC256_KEY_SIZE];
typedef uint8_t sgx_hmac_256bit_tag_t[SGX_HMAC256_MAC_SIZE];
typedef uint8_t sgx_cmac_128bit_key_t[SGX_CMAC_KEY_SIZE];
typedef uint8_t sgx_cmac_128bit_tag_t[SGX_CMAC_MAC_SIZE];
typedef uint8_t sgx_aes_ctr_128bit_key_t[SGX_AESCTR_KEY_SIZE];

/* What verifying answers in its result: of these, only the first and the last occur here. */
typedef enum {
  SGX_EC_VALID,
  SGX_EC_COMPOSITE_BASE,
  SGX_EC_COMPLICATED_BASE,
  SGX_EC_IS_ZERO_DISCRIMINANT,
  SGX_EC_COMPOSITE_ORDER,
  SGX_EC_INVALID_ORDER,
  SGX_EC_IS_WEAK_MOV,
  SGX_EC_IS_WEAK_SSA,
  SGX_EC_IS_SUPER_SINGULAR,
  SGX_EC_INVALID_PRIVATE_KEY,
  SGX_EC_INVALID_PUBLIC_KEY,
  SGX_EC_INVALID_KEY_PAIR,
  SGX_EC_POINT_OUT_OF_GROUP,
  SGX_EC_POINT_IS_AT_INFINITY,
  SGX_EC_POINT_IS_NOT_VALID,
  SGX_EC_POINT_IS_EQUAL,
  SGX_EC_POINT_IS_NOT_EQUAL,
  SGX_EC_INVALID_SIGNATURE
} sgx_generic_ecresult_t;
typedef enum { SGX_RSA_VALID, SGX_RSA_INVALID_SIGNATURE } sgx_rsa_result_t;
typedef enum { SGX_RSA_PRIVATE_KEY, SGX_RSA_PUBLIC_KEY } sgx_rsa_key_type_t;

#define N_SIZE_IN_BYTES 384
#define E_SIZE_IN_BYTES 4
#define D_SIZE_IN_BYTES 384
#define P_SIZE_IN_BYTES 192
#define Q_SIZE_IN_BYTES 192
#define DMP1_SIZE_IN_BYTES 192
#define DMQ1_SIZE_IN_BYTES 192
#define IQMP_SIZE_IN_BYTES 192
#define N_SIZE_IN_UINT (N_SIZE_IN_BYTES / sizeof(unsigned int))
#define E_SIZE_IN_UINT (E_SIZE_IN_BYTES / sizeof(unsigned int))
#define D_SIZE_IN_UINT (D_SIZE_IN_BYTES / sizeof(unsigned int))
#define P_SIZE_IN_UINT (P_SIZE_IN_BYTES / sizeof(unsigned int))
#define Q_SIZE_IN_UINT (Q_SIZE_IN_BYTES / sizeof(unsigned int))
#define DMP1_SIZE_IN_UINT (DMP1_SIZE_IN_BYTES / sizeof(unsigned int))
#define DMQ1_SIZE_IN_UINT (DMQ1_SIZE_IN_BYTES / sizeof(unsigned int))
#define IQMP_SIZE_IN_UINT (IQMP_SIZE_IN_BYTES / sizeof(unsigned int))
typedef struct _rsa_params_t {
  unsigned int n[N_SIZE_IN_UINT];
  unsigned int e[E_SIZE_IN_UINT];
  unsigned int d[D_SIZE_IN_UINT];
  unsigned int p[P_SIZE_IN_UINT];
  unsigned int q[Q_SIZE_IN_UINT];
  unsigned int dmp1[DMP1_SIZE_IN_UINT];
  unsigned int dmq1[DMQ1_SIZE_IN_UINT];
  unsigned int iqmp[IQMP_SIZE_IN_UINT];
} rsa_params_t;

#ifdef __cplusplus
extern "C" {
#endif

/* --- Hashes. p_src may be NULL where src_len is 0. */
sgx_status_t SGXAPI sgx_sha1_msg(const uint8_t* p_src, uint32_t src_len, sgx_sha1_hash_t* p_hash);
sgx_status_t SGXAPI sgx_sha256_msg(const uint8_t* p_src, uint32_t src_len, sgx_sha256_hash_t* p_hash);
sgx_status_t SGXAPI sgx_sha384_msg(const uint8_t* p_src, uint32_t src_len, sgx_sha384_hash_t* p_hash);

sgx_status_t SGXAPI sgx_sha1_init(sgx_sha_state_handle_t* p_sha_handle);
sgx_status_t SGXAPI sgx_sha256_init(sgx_sha_state_handle_t* p_sha_handle);
sgx_status_t SGXAPI sgx_sha384_init(sgx_sha_state_handle_t* p_sha_handle);
sgx_status_t SGXAPI sgx_sha1_update(const uint8_t* p_src, size_t src_len, sgx_sha_state_handle_t sha_handle);
sgx_status_t SGXAPI sgx_sha256_update(const uint8_t* p_src, uint32_t src_len, sgx_sha_state_handle_t sha_handle);
sgx_status_t SGXAPI sgx_sha384_update(const uint8_t* p_src, uint32_t src_len, sgx_sha_state_handle_t sha_handle);
/* The hash so far; more may follow. */
sgx_status_t SGXAPI sgx_sha1_get_hash(sgx_sha_state_handle_t sha_handle, sgx_sha1_hash_t* p_hash);
sgx_status_t SGXAPI sgx_sha256_get_hash(sgx_sha_state_handle_t sha_handle, sgx_sha256_hash_t* p_hash);
sgx_status_t SGXAPI sgx_sha384_get_hash(sgx_sha_state_handle_t sha_handle, sgx_sha384_hash_t* p_hash);
sgx_status_t SGXAPI sgx_sha1_close(sgx_sha_state_handle_t sha_handle);
sgx_status_t SGXAPI sgx_sha256_close(sgx_sha_state_handle_t sha_handle);
sgx_status_t SGXAPI sgx_sha384_close(sgx_sha_state_handle_t sha_handle);

/* --- Authenticated encryption. Never the same IV twice under one key. iv_len is SGX_AESGCM_IV_SIZE. */
sgx_status_t SGXAPI sgx_rijndael128GCM_encrypt(const sgx_aes_gcm_128bit_key_t* p_key, const uint8_t* p_src,
                                               uint32_t src_len, uint8_t* p_dst, const uint8_t* p_iv, uint32_t iv_len,
                                               const uint8_t* p_aad, uint32_t aad_len,
                                               sgx_aes_gcm_128bit_tag_t* p_out_mac);
/* SGX_ERROR_MAC_MISMATCH: not authentic; p_dst is wiped then. */
sgx_status_t SGXAPI sgx_rijndael128GCM_decrypt(const sgx_aes_gcm_128bit_key_t* p_key, const uint8_t* p_src,
                                               uint32_t src_len, uint8_t* p_dst, const uint8_t* p_iv, uint32_t iv_len,
                                               const uint8_t* p_aad, uint32_t aad_len,
                                               const sgx_aes_gcm_128bit_tag_t* p_in_mac);
/* The same with keys of 16 or 32 bytes. */
sgx_status_t sgx_aes_gcm_encrypt(const uint8_t* p_key, uint32_t key_len, const uint8_t* p_src, uint32_t src_len,
                                 uint8_t* p_dst, uint8_t* p_iv, uint32_t iv_len, const uint8_t* p_aad, uint32_t aad_len,
                                 sgx_aes_gcm_128bit_tag_t* p_out_mac);
sgx_status_t sgx_aes_gcm_decrypt(const uint8_t* p_key, uint32_t key_len, const uint8_t* p_src, uint32_t src_len,
                                 uint8_t* p_dst, const uint8_t* p_iv, uint32_t iv_len, const uint8_t* p_aad,
                                 uint32_t aad_len, const sgx_aes_gcm_128bit_tag_t* p_in_mac);
/* Encryption in pieces. */
sgx_status_t sgx_aes_gcm128_enc_init(const uint8_t* p_key, const uint8_t* p_iv, uint32_t iv_len, const uint8_t* p_aad,
                                     uint32_t aad_len, sgx_aes_state_handle_t* aes_gcm_state);
sgx_status_t sgx_aes_gcm128_enc_update(uint8_t* p_src, uint32_t src_len, uint8_t* p_dst,
                                       sgx_aes_state_handle_t aes_gcm_state);
sgx_status_t sgx_aes_gcm128_enc_get_mac(uint8_t* mac, sgx_aes_state_handle_t aes_gcm_state);
sgx_status_t sgx_aes_gcm_close(sgx_aes_state_handle_t aes_gcm_state);

/* --- AES in counter mode. p_ctr, big-endian, comes back increased by the blocks used; ctr_inc_bits is 128. */
sgx_status_t SGXAPI sgx_aes_ctr_encrypt(const sgx_aes_ctr_128bit_key_t* p_key, const uint8_t* p_src,
                                        const uint32_t src_len, uint8_t* p_ctr, const uint32_t ctr_inc_bits,
                                        uint8_t* p_dst);
sgx_status_t SGXAPI sgx_aes_ctr_decrypt(const sgx_aes_ctr_128bit_key_t* p_key, const uint8_t* p_src,
                                        const uint32_t src_len, uint8_t* p_ctr, const uint32_t ctr_inc_bits,
                                        uint8_t* p_dst);

/* --- Message authentication. */
sgx_status_t SGXAPI sgx_rijndael128_cmac_msg(const sgx_cmac_128bit_key_t* p_key, const uint8_t* p_src, uint32_t src_len,
                                             sgx_cmac_128bit_tag_t* p_mac);
sgx_status_t SGXAPI sgx_cmac128_init(const sgx_cmac_128bit_key_t* p_key, sgx_cmac_state_handle_t* p_cmac_handle);
sgx_status_t SGXAPI sgx_cmac128_update(const uint8_t* p_src, uint32_t src_len, sgx_cmac_state_handle_t cmac_handle);
sgx_status_t SGXAPI sgx_cmac128_final(sgx_cmac_state_handle_t cmac_handle, sgx_cmac_128bit_tag_t* p_hash);
sgx_status_t SGXAPI sgx_cmac128_close(sgx_cmac_state_handle_t cmac_handle);
/* mac_len: up to 32; less cuts the MAC short. */
sgx_status_t SGXAPI sgx_hmac_sha256_msg(const unsigned char* p_src, int src_len, const unsigned char* p_key,
                                        int key_len, unsigned char* p_mac, int mac_len);
sgx_status_t SGXAPI sgx_hmac256_init(const unsigned char* p_key, int key_len, sgx_hmac_state_handle_t* p_hmac_handle);
sgx_status_t SGXAPI sgx_hmac256_update(const uint8_t* p_src, int src_len, sgx_hmac_state_handle_t hmac_handle);
sgx_status_t SGXAPI sgx_hmac256_final(unsigned char* p_hash, int hash_len, sgx_hmac_state_handle_t hmac_handle);
sgx_status_t SGXAPI sgx_hmac256_close(sgx_hmac_state_handle_t hmac_handle);

/* --- The curve P-256. A context is needed by name only. */
sgx_status_t SGXAPI sgx_ecc256_open_context(sgx_ecc_state_handle_t* p_ecc_handle);
sgx_status_t SGXAPI sgx_ecc256_close_context(sgx_ecc_state_handle_t ecc_handle);
sgx_status_t SGXAPI sgx_ecc256_create_key_pair(sgx_ec256_private_t* p_private, sgx_ec256_public_t* p_public,
                                               sgx_ecc_state_handle_t ecc_handle);
sgx_status_t SGXAPI sgx_ecc256_check_point(const sgx_ec256_public_t* p_point, const sgx_ecc_state_handle_t ecc_handle,
                                           int* p_valid);
/* The x coordinate; a peer's point that is not on the curve is SGX_ERROR_INVALID_PARAMETER. */
sgx_status_t SGXAPI sgx_ecc256_compute_shared_dhkey(const sgx_ec256_private_t* p_private_b,
                                                    const sgx_ec256_public_t* p_public_ga,
                                                    sgx_ec256_dh_shared_t* p_shared_key,
                                                    sgx_ecc_state_handle_t ecc_handle);
sgx_status_t sgx_ecc256_calculate_pub_from_priv(const sgx_ec256_private_t* p_att_priv_key,
                                                sgx_ec256_public_t* p_att_pub_key);
/* ECDSA over SHA-256. The functions succeed where the question was answered: look at *p_result. */
sgx_status_t SGXAPI sgx_ecdsa_sign(const uint8_t* p_data, uint32_t data_size, const sgx_ec256_private_t* p_private,
                                   sgx_ec256_signature_t* p_signature, sgx_ecc_state_handle_t ecc_handle);
sgx_status_t SGXAPI sgx_ecdsa_verify(const uint8_t* p_data, uint32_t data_size, const sgx_ec256_public_t* p_public,
                                     const sgx_ec256_signature_t* p_signature, uint8_t* p_result,
                                     sgx_ecc_state_handle_t ecc_handle);
sgx_status_t SGXAPI sgx_ecdsa_verify_hash(const uint8_t* hash, const sgx_ec256_public_t* p_public,
                                          const sgx_ec256_signature_t* p_signature, uint8_t* p_result,
                                          sgx_ecc_state_handle_t ecc_handle);
/* (hash_drg mod sgx_nistp256_r_m1) + 1, big-endian. */
sgx_status_t sgx_calculate_ecdsa_priv_key(const unsigned char* hash_drg, int hash_drg_len,
                                          const unsigned char* sgx_nistp256_r_m1, int sgx_nistp256_r_m1_len,
                                          unsigned char* out_key, int out_key_len);

/* --- RSA. Signatures: PKCS #1 v1.5 with SHA-256; encryption: OAEP with SHA-256. */
sgx_status_t sgx_rsa3072_sign(const uint8_t* p_data, uint32_t data_size, const sgx_rsa3072_key_t* p_key,
                              sgx_rsa3072_signature_t* p_signature);
/* And checks it with the public key before it is given out; NULL: does not. */
sgx_status_t sgx_rsa3072_sign_ex(const uint8_t* p_data, uint32_t data_size, const sgx_rsa3072_key_t* p_key,
                                 const sgx_rsa3072_public_key_t* p_public, sgx_rsa3072_signature_t* p_signature);
sgx_status_t sgx_rsa3072_verify(const uint8_t* p_data, uint32_t data_size, const sgx_rsa3072_public_key_t* p_public,
                                const sgx_rsa3072_signature_t* p_signature, sgx_rsa_result_t* p_result);
/* p_e is read, everything else is written. */
sgx_status_t sgx_create_rsa_key_pair(int n_byte_size, int e_byte_size, unsigned char* p_n, unsigned char* p_d,
                                     unsigned char* p_e, unsigned char* p_p, unsigned char* p_q, unsigned char* p_dmp1,
                                     unsigned char* p_dmq1, unsigned char* p_iqmp);
sgx_status_t sgx_create_rsa_priv1_key(int n_byte_size, int e_byte_size, int d_byte_size, const unsigned char* le_n,
                                      const unsigned char* le_e, const unsigned char* le_d, void** new_pri_key1);
sgx_status_t sgx_create_rsa_priv2_key(int mod_size, int exp_size, const unsigned char* p_rsa_key_e,
                                      const unsigned char* p_rsa_key_p, const unsigned char* p_rsa_key_q,
                                      const unsigned char* p_rsa_key_dmp1, const unsigned char* p_rsa_key_dmq1,
                                      const unsigned char* p_rsa_key_iqmp, void** new_pri_key2);
sgx_status_t sgx_create_rsa_pub1_key(int mod_size, int exp_size, const unsigned char* le_n, const unsigned char* le_e,
                                     void** new_pub_key1);
sgx_status_t sgx_free_rsa_key(void* p_rsa_key, sgx_rsa_key_type_t key_type, int mod_size, int exp_size);
/* pout_data NULL: only says in *pout_len how much room is needed. */
sgx_status_t sgx_rsa_pub_encrypt_sha256(const void* rsa_key, unsigned char* pout_data, size_t* pout_len,
                                        const unsigned char* pin_data, const size_t pin_len);
sgx_status_t sgx_rsa_priv_decrypt_sha256(const void* rsa_key, unsigned char* pout_data, size_t* pout_len,
                                         const unsigned char* pin_data, const size_t pin_len);

#ifdef __cplusplus
}
#endif

#endif
