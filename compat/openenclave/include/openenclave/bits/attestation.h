#ifndef _OE_BITS_ATTESTATION_H
#define _OE_BITS_ATTESTATION_H

#include "defs.h"
#include "types.h"

#define OE_ATTESTATION_ENDORSEMENT_MAX_SIZE (200 * 1024)
#define OE_ATTESTATION_ENDORSEMENT_VERSION (1)
#define OE_SGX_ENDORSEMENTS_VERSION (1)
#define OE_SGX_ENDORSEMENTS_CRL_COUNT (2)

typedef struct _oe_endorsements_t {
  uint32_t version;
  uint32_t enclave_type;
  uint32_t buffer_size;
  uint32_t num_elements;
  uint8_t buffer[];  // num_elements offsets of 4 bytes, then the data
} oe_endorsements_t;

#endif
