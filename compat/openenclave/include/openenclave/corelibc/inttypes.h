// The C library has it.
#ifndef _OE_INTTYPES_H
#define _OE_INTTYPES_H

#include <inttypes.h>

#endif
