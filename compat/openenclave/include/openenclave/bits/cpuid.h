// CPUID is an exception inside an enclave, as on hardware: in sources that include this, the assembler makes the
// instruction a UD2, whose place the library knows. It answers the leaves of <openenclave/internal/cpuid.h>; others go
// to the program's exception handlers first, and are answered where none of them wants it.
#ifndef _OE_BITS_CPUID_H
#define _OE_BITS_CPUID_H

#if defined(__x86_64__) && !defined(COFFER_OE_NATIVE_CPUID)
__asm__(
    ".ifndef coffer_oe_has_cpuid\n"
    ".set coffer_oe_has_cpuid, 1\n"
    ".macro cpuid\n"
    "4215: ud2\n"
    ".pushsection coffer_oe_cpuid, \"a\", @progbits\n"
    ".quad 4215b - .\n"
    ".popsection\n"
    ".endm\n"
    ".endif\n");
#endif

#endif
