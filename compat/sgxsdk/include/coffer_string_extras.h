/* What the SDK's <string.h> and <mbusafecrt.h> declare beyond the C library's. Included by include/tlibc's; not for
 * programs. */
#ifndef COFFER_SGXSDK_COFFER_STRING_EXTRAS_H
#define COFFER_SGXSDK_COFFER_STRING_EXTRAS_H

#include <stdarg.h>
#include <stddef.h>

#ifndef _ERRNO_T_DEFINED
#define _ERRNO_T_DEFINED
typedef int errno_t;
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* Copies to memory outside the enclave. */
void* memcpy_verw(void* to, const void* from, size_t size);
void* memmove_verw(void* to, const void* from, size_t size);
void* memset_verw(void* to, int byte, size_t size);

/* Never left out by the compiler. EOVERFLOW where `size` is more than `room`; then `room` bytes are set. */
errno_t memset_s(void* to, size_t room, int byte, size_t size);
errno_t memset_verw_s(void* to, size_t room, int byte, size_t size);
/* ERANGE, and zeros, where `size` is more than `room`. */
errno_t memcpy_s(void* to, size_t room, const void* from, size_t size);
errno_t memmove_s(void* to, size_t room, const void* from, size_t size);
errno_t memcpy_verw_s(void* to, size_t room, const void* from, size_t size);
errno_t memmove_verw_s(void* to, size_t room, const void* from, size_t size);
/* 1 where the bytes are the same; the time depends on the size only. */
int consttime_memequal(const void* a, const void* b, size_t size);

/* ERANGE, and an empty string, where the text does not fit; EINVAL for NULL. */
errno_t strcpy_s(char* to, size_t room, const char* from);
errno_t strncpy_s(char* to, size_t room, const char* from, size_t count);
errno_t strcat_s(char* to, size_t room, const char* from);
errno_t strncat_s(char* to, size_t room, const char* from, size_t count);
char* strtok_s(char* text, const char* delimiters, char** rest);
/* -1, and an empty string, where the text does not fit `room`; cut after `count` characters. */
int sprintf_s(char* to, size_t room, const char* format, ...);
int _snprintf_s(char* to, size_t room, size_t count, const char* format, ...);
int _vsnprintf_s(char* to, size_t room, size_t count, const char* format, va_list arguments);

#ifdef __cplusplus
}
#endif

#endif
