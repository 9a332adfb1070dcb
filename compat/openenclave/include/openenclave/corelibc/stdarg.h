// The C library has it.
#ifndef _OE_STDARG_H
#define _OE_STDARG_H

#include <stdarg.h>

typedef va_list oe_va_list;
#define oe_va_start va_start
#define oe_va_arg va_arg
#define oe_va_end va_end
#define oe_va_copy va_copy

#endif
