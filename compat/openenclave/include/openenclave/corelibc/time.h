// The C library has it.
#ifndef _OE_TIME_H
#define _OE_TIME_H

#include <time.h>

#define oe_time time
#define oe_nanosleep nanosleep
#define oe_clock_gettime clock_gettime
#define oe_gmtime_r gmtime_r

#endif
