// The C library has it.
#ifndef _OE_STDDEF_H
#define _OE_STDDEF_H

#include <stddef.h>

#endif
