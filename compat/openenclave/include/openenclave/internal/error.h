// Host programs that end with an error.
#ifndef _OE_ERROR_H
#define _OE_ERROR_H

#include <openenclave/bits/defs.h>
#include <openenclave/bits/types.h>
#include <stdio.h>

OE_EXTERNC_BEGIN

// Prints the program's name, file, line and message on standard error and ends the program with status 1.
OE_PRINTF_FORMAT(3, 4) void __oe_put_err(const char* file, unsigned int line, const char* format, ...);
#define oe_put_err(...) __oe_put_err(__FILE__, __LINE__, __VA_ARGS__)
void oe_set_program_name(const char* name);

OE_EXTERNC_END

#endif
