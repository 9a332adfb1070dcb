// The C library has it.
#ifndef _OE_STDINT_H
#define _OE_STDINT_H

#include <openenclave/bits/types.h>

#endif
