// The C library has it.
#ifndef _OE_SCHED_H
#define _OE_SCHED_H

#include <sched.h>

#define oe_sched_yield sched_yield

#endif
