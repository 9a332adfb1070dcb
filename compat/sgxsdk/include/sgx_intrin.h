/* The compiler's intrinsics. Those whose instructions trap inside an enclave are answered by the enclave kernel or end
 * it. */
#ifndef COFFER_SGXSDK_SGX_INTRIN_H
#define COFFER_SGXSDK_SGX_INTRIN_H

#include <x86intrin.h>

#endif
