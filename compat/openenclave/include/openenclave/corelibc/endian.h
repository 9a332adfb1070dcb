// The C library has it.
#ifndef _OE_ENDIAN_H
#define _OE_ENDIAN_H

#include <endian.h>

#endif
