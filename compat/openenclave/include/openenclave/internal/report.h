// The frame of a report: 16 bytes, then the SGX REPORT.
#ifndef _OE_INCLUDE_REPORT_H_
#define _OE_INCLUDE_REPORT_H_

#include <openenclave/bits/report.h>
#include <openenclave/bits/sgx/sgxtypes.h>

typedef enum _oe_report_type {
  OE_REPORT_TYPE_SGX_LOCAL = 1,
  OE_REPORT_TYPE_SGX_REMOTE = 2,
  __OE_REPORT_TYPE_MAX = OE_ENUM_MAX
} oe_report_type_t;

typedef struct _oe_report_header {
  uint32_t version;  // OE_REPORT_HEADER_VERSION
  oe_report_type_t report_type;
  uint64_t report_size;  // bytes that follow
  uint8_t report[];
} oe_report_header_t;
OE_CHECK_SIZE(sizeof(oe_report_header_t), 16);

#define OE_REPORT_HEADER_VERSION (1)

#endif
