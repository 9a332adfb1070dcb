// Parameters for keys that are derived from a sealing key.
#ifndef _OE_BITS_ASYM_KEYS_H
#define _OE_BITS_ASYM_KEYS_H

#include "types.h"

typedef enum oe_asymmetric_key_type_t {
  OE_ASYMMETRIC_KEY_EC_SECP256P1 = 1,
  _OE_ASYMMETRIC_KEY_TYPE_MAX = OE_ENUM_MAX
} oe_asymmetric_key_type_t;

typedef enum oe_asymmetric_key_format_t {
  OE_ASYMMETRIC_KEY_PEM = 1,
  _OE_ASYMMETRIC_KEY_FORMAT_MAX = OE_ENUM_MAX
} oe_asymmetric_key_format_t;

typedef struct oe_asymmetric_key_params_t {
  oe_asymmetric_key_type_t type;
  oe_asymmetric_key_format_t format;
  void* user_data;  // goes into the derivation; may be NULL
  size_t user_data_size;
} oe_asymmetric_key_params_t;

#endif
