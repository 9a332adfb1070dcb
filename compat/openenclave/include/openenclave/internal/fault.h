// Instructions that fault, for tests.
#ifndef _OE_FAULT_H
#define _OE_FAULT_H

#include <openenclave/bits/defs.h>

OE_INLINE void oe_illegal_instruction(void) { __asm__ volatile("ud2"); }
OE_INLINE void oe_pause(void) { __asm__ volatile("pause"); }
OE_INLINE void oe_divide_by_zero(void) {
  __asm__ volatile("xor %%eax, %%eax; xor %%edx, %%edx; div %%eax" : : : "eax", "edx", "cc");
}

#endif
