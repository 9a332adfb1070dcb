// The C library has it.
#ifndef _OE_SETJMP_H
#define _OE_SETJMP_H

#include <setjmp.h>

#endif
