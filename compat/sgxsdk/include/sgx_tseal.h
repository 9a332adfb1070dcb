/* Sealing: AES-128-GCM under a key of EGETKEY. Inside. The blob's layout is the SDK's; the keys are this platform's. */
#ifndef COFFER_SGXSDK_SGX_TSEAL_H
#define COFFER_SGXSDK_SGX_TSEAL_H

#include <stddef.h>
#include <stdint.h>
#include "sgx_attributes.h"
#include "sgx_defs.h"
#include "sgx_error.h"
#include "sgx_key.h"
#include "sgx_tcrypto.h"

#define SGX_SEAL_TAG_SIZE SGX_AESGCM_MAC_SIZE
#define SGX_SEAL_IV_SIZE 12

typedef struct _aes_gcm_data_t {
  uint32_t payload_size; /* encrypted text and additional text together */
  uint8_t reserved[12];  /* of sealed data 0; free for other uses as an IV */
  uint8_t payload_tag[SGX_SEAL_TAG_SIZE];
  uint8_t payload[];
} sgx_aes_gcm_data_t;

typedef struct _sealed_data_t {
  sgx_key_request_t key_request;
  uint32_t plain_text_offset; /* of the additional text in the payload */
  uint8_t reserved[12];       /* 0 */
  sgx_aes_gcm_data_t aes_data;
} sgx_sealed_data_t;

#ifdef __cplusplus
extern "C" {
#endif

/* Bytes that sealing takes; UINT32_MAX where they do not fit 32 bits. */
uint32_t sgx_calc_sealed_data_size(const uint32_t add_mac_txt_size, const uint32_t txt_encrypt_size);
/* What a blob says about itself; UINT32_MAX for NULL or nonsense. */
uint32_t sgx_get_add_mac_txt_len(const sgx_sealed_data_t* p_sealed_data);
uint32_t sgx_get_encrypt_txt_len(const sgx_sealed_data_t* p_sealed_data);

/* Seals to this enclave's signer (MRSIGNER; with KSS to family, extended product and configuration as well). The
 * additional text is authenticated and readable. `sealed_data_size` is what sgx_calc_sealed_data_size() says.
 * Everything lies inside. */
sgx_status_t SGXAPI sgx_seal_data(const uint32_t additional_MACtext_length, const uint8_t* p_additional_MACtext,
                                  const uint32_t text2encrypt_length, const uint8_t* p_text2encrypt,
                                  const uint32_t sealed_data_size, sgx_sealed_data_t* p_sealed_data);
/* With a policy of one's own (SGX_KEYPOLICY_*). The mask must hold INITTED and DEBUG. */
sgx_status_t SGXAPI sgx_seal_data_ex(const uint16_t key_policy, const sgx_attributes_t attribute_mask,
                                     const sgx_misc_select_t misc_mask, const uint32_t additional_MACtext_length,
                                     const uint8_t* p_additional_MACtext, const uint32_t text2encrypt_length,
                                     const uint8_t* p_text2encrypt, const uint32_t sealed_data_size,
                                     sgx_sealed_data_t* p_sealed_data);
/* SGX_ERROR_MAC_MISMATCH: changed, or not for this enclave or platform. The lengths go in as room, come out as sizes.
 */
sgx_status_t SGXAPI sgx_unseal_data(const sgx_sealed_data_t* p_sealed_data, uint8_t* p_additional_MACtext,
                                    uint32_t* p_additional_MACtext_length, uint8_t* p_decrypted_text,
                                    uint32_t* p_decrypted_text_length);

/* The same with authenticated text alone. */
sgx_status_t sgx_mac_aadata(const uint32_t additional_MACtext_length, const uint8_t* p_additional_MACtext,
                            const uint32_t sealed_data_size, sgx_sealed_data_t* p_sealed_data);
sgx_status_t sgx_mac_aadata_ex(const uint16_t key_policy, const sgx_attributes_t attribute_mask,
                               const sgx_misc_select_t misc_mask, const uint32_t additional_MACtext_length,
                               const uint8_t* p_additional_MACtext, const uint32_t sealed_data_size,
                               sgx_sealed_data_t* p_sealed_data);
sgx_status_t sgx_unmac_aadata(const sgx_sealed_data_t* p_sealed_data, uint8_t* p_additional_MACtext,
                              uint32_t* p_additional_MACtext_length);

#ifdef __cplusplus
}
#endif

#endif
