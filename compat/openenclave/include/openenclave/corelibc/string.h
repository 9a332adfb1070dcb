// The C library's functions under Open Enclave's names.
#ifndef _OE_STRING_H
#define _OE_STRING_H

#include <openenclave/bits/defs.h>
#include <openenclave/bits/types.h>
#include <string.h>

OE_EXTERNC_BEGIN

size_t oe_strlen(const char* s);
int oe_strcmp(const char* s1, const char* s2);
int oe_strncmp(const char* s1, const char* s2, size_t n);
char* oe_strstr(const char* haystack, const char* needle);
char* oe_strerror(int errnum);
char* oe_strtok_r(char* str, const char* delim, char** saveptr);
char* oe_strdup(const char* s);
size_t oe_strspn(const char* s, const char* accept);
size_t oe_strcspn(const char* s, const char* reject);
char* oe_strchr(const char* s, int c);
char* oe_strrchr(const char* s, int c);
// As in BSD: always terminated where there is room at all; the length that it would have been.
size_t oe_strlcpy(char* dest, const char* src, size_t size);
size_t oe_strlcat(char* dest, const char* src, size_t size);

OE_EXTERNC_END

#endif
