// Included by tests for what it includes.
#ifndef _OE_CALLS_H
#define _OE_CALLS_H

#include <openenclave/bits/defs.h>
#include <openenclave/bits/types.h>
#include <openenclave/internal/backtrace.h>
#include <openenclave/internal/cpuid.h>
#include <unistd.h>

#if defined(OE_BUILD_ENCLAVE) || defined(_OE_ENCLAVE_H)
#include <openenclave/internal/print.h>
#endif

#endif
