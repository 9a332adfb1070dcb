// The C library has it.
#ifndef _OE_LIMITS_H
#define _OE_LIMITS_H

#include <limits.h>
#include <openenclave/bits/types.h>

#define OE_PATH_MAX 4096

#endif
