#ifndef _OE_ATTESTATION_SGX_REPORT_H
#define _OE_ATTESTATION_SGX_REPORT_H

#include <openenclave/bits/result.h>

OE_EXTERNC_BEGIN

// MRSIGNER of the public key (PEM, RSA-3072 with exponent 3). OE_BUFFER_TOO_SMALL sets *signer_id_size to 32.
oe_result_t oe_sgx_get_signer_id_from_public_key(const char* pem, size_t pem_size, uint8_t* signer_id,
                                                 size_t* signer_id_size);

OE_EXTERNC_END

#endif
