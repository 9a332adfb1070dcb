#ifndef _OE_BACKTRACE_H
#define _OE_BACKTRACE_H

#include <openenclave/bits/defs.h>
#include <openenclave/bits/result.h>
#include <openenclave/bits/types.h>

OE_EXTERNC_BEGIN

#define OE_BACKTRACE_MAX 32

// Return addresses of the calling thread, the innermost first, and how many; enclave side.
int oe_backtrace(void** buffer, int size);

OE_EXTERNC_END

#endif
