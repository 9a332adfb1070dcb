#ifndef _OE_INCLUDE_TIME_H
#define _OE_INCLUDE_TIME_H

#include <openenclave/bits/types.h>
#include <time.h>

OE_EXTERNC_BEGIN

// Milliseconds since 1970.
uint64_t oe_get_time(void);

OE_EXTERNC_END

#endif
