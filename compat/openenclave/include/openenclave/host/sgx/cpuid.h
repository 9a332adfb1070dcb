// CPUID on the host, for programs that compare.
#ifndef _OE_CPUIDCOUNT_H
#define _OE_CPUIDCOUNT_H

#include <cpuid.h>

#define CPUID_EXTENDED_FEATURE_FLAGS_LEAF 0x07
#define CPUID_EXTENDED_FEATURE_FLAGS_SGX_FLC_MASK 0x40000000
#define CPUID_SGX_LEAF 0x12
#define CPUID_SGX_KSS_MASK 0x80
#define CPUID_SGX_MISC_EXINFO_MASK 0x01

static inline void oe_get_cpuid(unsigned int leaf, unsigned int subleaf, unsigned int* eax, unsigned int* ebx,
                                unsigned int* ecx, unsigned int* edx) {
  __cpuid_count(leaf, subleaf, *eax, *ebx, *ecx, *edx);
}

#endif
