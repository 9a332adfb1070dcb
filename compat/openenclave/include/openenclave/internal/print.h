// Output of an enclave on the host's standard output and error. device 0: standard output, 1: standard error.
#ifndef _OE_PRINT_H
#define _OE_PRINT_H

#include <openenclave/corelibc/stdarg.h>
#include <openenclave/internal/defs.h>
#include <openenclave/internal/types.h>

OE_EXTERNC_BEGIN

// size OE_SIZE_MAX: up to the terminator. -1 on error.
int oe_host_write(int device, const char* str, size_t size);
int oe_host_vfprintf(int device, const char* fmt, oe_va_list arguments);
OE_PRINTF_FORMAT(1, 2) int oe_host_printf(const char* fmt, ...);
OE_PRINTF_FORMAT(2, 3) int oe_host_fprintf(int device, const char* fmt, ...);

OE_EXTERNC_END

#endif
