// Jumps between frames of one thread.
#ifndef _OE_JUMP_H
#define _OE_JUMP_H

#include <openenclave/bits/defs.h>
#include <openenclave/bits/types.h>
#include <setjmp.h>

typedef struct _oe_jmpbuf {
  jmp_buf state;
} oe_jmpbuf_t;

#define oe_setjmp(environment) setjmp((environment)->state)
#define oe_longjmp(environment, value) longjmp((environment)->state, (value))

#endif
