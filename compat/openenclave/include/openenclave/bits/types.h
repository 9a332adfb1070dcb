// Types and limits that both sides share. The C library's own types, where Open Enclave had twins of them.
#ifndef _OE_BITS_TYPES_H
#define _OE_BITS_TYPES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <time.h>
#include <wchar.h>

#include "defs.h"

#define OE_SCHAR_MIN (-128)
#define OE_SCHAR_MAX 127
#define OE_UCHAR_MAX 255
#define OE_CHAR_MIN (-128)
#define OE_CHAR_MAX 127
#define OE_CHAR_BIT 8
#define OE_SHRT_MIN (-1 - 0x7fff)
#define OE_SHRT_MAX 0x7fff
#define OE_USHRT_MAX 0xffff
#define OE_INT_MIN (-1 - 0x7fffffff)
#define OE_INT_MAX 0x7fffffff
#define OE_UINT_MAX 0xffffffffU
#define OE_LONG_MAX 0x7fffffffffffffffL
#define OE_LONG_MIN (-OE_LONG_MAX - 1)
#define OE_ULONG_MAX (2UL * OE_LONG_MAX + 1)
#define OE_LLONG_MAX 0x7fffffffffffffffLL
#define OE_LLONG_MIN (-OE_LLONG_MAX - 1)
#define OE_ULLONG_MAX (2ULL * OE_LLONG_MAX + 1)
#define OE_INT8_MIN (-1 - 0x7f)
#define OE_INT8_MAX (0x7f)
#define OE_UINT8_MAX (0xff)
#define OE_INT16_MIN (-1 - 0x7fff)
#define OE_INT16_MAX (0x7fff)
#define OE_UINT16_MAX (0xffff)
#define OE_INT32_MIN (-1 - 0x7fffffff)
#define OE_INT32_MAX (0x7fffffff)
#define OE_UINT32_MAX (0xffffffffu)
#define OE_INT64_MIN (-1 - 0x7fffffffffffffff)
#define OE_INT64_MAX (0x7fffffffffffffff)
#define OE_UINT64_MAX (0xffffffffffffffffu)
#define OE_SIZE_MAX OE_UINT64_MAX
#define OE_SSIZE_MAX OE_INT64_MAX

typedef enum _oe_enclave_type {
  OE_ENCLAVE_TYPE_AUTO = 1,
  OE_ENCLAVE_TYPE_SGX = 2,
  OE_ENCLAVE_TYPE_OPTEE = 3,  // refused: this is an SGX platform
  __OE_ENCLAVE_TYPE_MAX = OE_ENUM_MAX,
} oe_enclave_type_t;

typedef struct _oe_enclave oe_enclave_t;

typedef enum _oe_seal_policy {
  OE_SEAL_POLICY_UNIQUE = 1,   // this enclave (MRENCLAVE)
  OE_SEAL_POLICY_PRODUCT = 2,  // this signer's product (MRSIGNER and the product id)
  _OE_SEAL_POLICY_MAX = OE_ENUM_MAX,
} oe_seal_policy_t;

typedef struct _oe_datetime {
  uint32_t year, month, day, hours, minutes, seconds;
} oe_datetime_t;

typedef int oe_clockid_t;

#endif
