// A list of claims as bytes, to be bound to evidence.
#ifndef _OE_CUSTOM_CLAIMS
#define _OE_CUSTOM_CLAIMS

#include <openenclave/bits/evidence.h>
#include <openenclave/bits/result.h>

OE_EXTERNC_BEGIN

#define OE_CUSTOM_CLAIMS_VERSION 1

oe_result_t oe_serialize_custom_claims(const oe_claim_t* custom_claims, size_t custom_claims_length,
                                       uint8_t** claims_out, size_t* claims_size_out);
oe_result_t oe_deserialize_custom_claims(const uint8_t* claims_buffer, size_t claims_buffer_size,
                                         oe_claim_t** claims_out, size_t* claims_length_out);
oe_result_t oe_free_serialized_custom_claims(uint8_t* custom_claims_buffer);
oe_result_t oe_free_custom_claims(oe_claim_t* custom_claims, size_t custom_claims_length);

OE_EXTERNC_END

#endif
