// Reports as both sides see them.
#ifndef _OE_BITS_REPORT_H
#define _OE_BITS_REPORT_H

#include "defs.h"
#include "types.h"

#define OE_REPORT_FLAGS_REMOTE_ATTESTATION 0x00000001
#define OE_REPORT_DATA_SIZE 64
#define OE_MAX_REPORT_SIZE (10 * 1024)
#define OE_UNIQUE_ID_SIZE 32
#define OE_SIGNER_ID_SIZE 32
#define OE_PRODUCT_ID_SIZE 16
#define OE_REPORT_ATTRIBUTES_DEBUG 0x0000000000000001ULL
#define OE_REPORT_ATTRIBUTES_REMOTE 0x0000000000000002ULL
#define OE_REPORT_ATTRIBUTES_RESERVED (~(OE_REPORT_ATTRIBUTES_DEBUG | OE_REPORT_ATTRIBUTES_REMOTE))

typedef struct _oe_identity {
  uint32_t id_version;
  uint32_t security_version;               // ISVSVN
  uint64_t attributes;                     // OE_REPORT_ATTRIBUTES_*
  uint8_t unique_id[OE_UNIQUE_ID_SIZE];    // MRENCLAVE
  uint8_t signer_id[OE_SIGNER_ID_SIZE];    // MRSIGNER
  uint8_t product_id[OE_PRODUCT_ID_SIZE];  // ISVPRODID, little-endian, zeros behind it
} oe_identity_t;

typedef struct _oe_report {
  size_t size;
  oe_enclave_type_t type;
  size_t report_data_size;
  size_t enclave_report_size;
  uint8_t* report_data;     // points into the report that was parsed
  uint8_t* enclave_report;  // likewise
  oe_identity_t identity;
  uint32_t verification_result;
} oe_report_t;

#endif
