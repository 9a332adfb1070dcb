// CPUID leaves that Open Enclave answers inside an enclave.
#ifndef _OE_CPUID_H
#define _OE_CPUID_H

#include <openenclave/bits/defs.h>
#include <openenclave/bits/types.h>

OE_EXTERNC_BEGIN

#define OE_CPUID_OPCODE 0xA20F
#define OE_CPUID_LEAF_COUNT 6
#define OE_CPUID_MAX_BASIC 7
#define OE_CPUID_MAX_EXTENDED 0x80000001
#define OE_CPUID_RAX 0
#define OE_CPUID_RBX 1
#define OE_CPUID_RCX 2
#define OE_CPUID_RDX 3
#define OE_CPUID_REG_COUNT 4
#define OE_CPUID_AESNI_FEATURE 0x02000000u   // leaf 1, ECX
#define OE_CPUID_RDRAND_FEATURE 0x40000000u  // leaf 1, ECX
#define OE_CPUID_RDSEED_FEATURE 0x00040000u  // leaf 7, EBX

extern const uint32_t supported_cpuid_leaves[OE_CPUID_LEAF_COUNT];

// Its place in the table above, or OE_UINT32_MAX.
OE_INLINE uint32_t oe_get_emulated_cpuid_leaf_index(uint32_t leaf) {
  for (uint32_t i = 0; i < OE_CPUID_LEAF_COUNT; ++i) {
    if (supported_cpuid_leaves[i] == leaf) return i;
  }
  return OE_UINT32_MAX;
}
OE_INLINE bool oe_is_emulated_cpuid_leaf(uint32_t leaf) {
  return oe_get_emulated_cpuid_leaf_index(leaf) != OE_UINT32_MAX;
}

OE_EXTERNC_END

#endif
