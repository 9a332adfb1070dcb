// The C library's functions under Open Enclave's names.
#ifndef _OE_STDIO_H
#define _OE_STDIO_H

#include <openenclave/bits/defs.h>
#include <openenclave/bits/types.h>
#include <openenclave/corelibc/stdarg.h>
#include <stdio.h>

typedef FILE OE_FILE;
#define oe_stdin stdin
#define oe_stdout stdout
#define oe_stderr stderr
#define OE_EOF EOF
#define OE_BUFSIZ BUFSIZ
#define oe_vsnprintf vsnprintf
#define oe_snprintf snprintf
#define oe_vprintf vprintf
#define oe_printf printf
#define oe_vfprintf vfprintf
#define oe_fprintf fprintf
#define oe_fputc fputc
#define oe_rename rename
#define oe_fopen fopen
#define oe_fdopen fdopen
#define oe_fflush fflush
#define oe_fclose fclose
#define oe_fread fread
#define oe_fwrite fwrite
#define oe_ftell ftell
#define oe_ftello ftello
#define oe_fseek fseek
#define oe_fseeko fseeko
#define oe_ferror ferror
#define oe_feof feof
#define oe_clearerr clearerr
#define oe_fgetc fgetc
#define oe_fgets fgets
#define oe_fileno fileno

#endif
