// Types that Open Enclave's tests use.
#ifndef _OE_INTERNAL_TYPES_H
#define _OE_INTERNAL_TYPES_H

#include <openenclave/bits/types.h>
#include <openenclave/internal/defs.h>

typedef struct OE_ALIGNED(OE_PAGE_SIZE) _oe_page {
  unsigned char data[OE_PAGE_SIZE];
} oe_page_t;

// 64-bit numbers as printf's %ll expects them.
#define OE_LLU(number) ((unsigned long long)(number))
#define OE_LLD(number) ((long long)(number))
#define OE_LLX(number) OE_LLU(number)

#endif
