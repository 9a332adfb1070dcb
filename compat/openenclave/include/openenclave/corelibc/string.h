// The C library's functions under Open Enclave's names.
#ifndef _OE_STRING_H
#define _OE_STRING_H

#include <openenclave/bits/defs.h>
#include <openenclave/bits/types.h>
#include <string.h>

OE_EXTERNC_BEGIN

OE_INLINE size_t oe_strlen(const char* s) { return strlen(s); }
OE_INLINE int oe_strcmp(const char* s1, const char* s2) { return strcmp(s1, s2); }
OE_INLINE int oe_strncmp(const char* s1, const char* s2, size_t n) { return strncmp(s1, s2, n); }
OE_INLINE char* oe_strstr(const char* haystack, const char* needle) { return (char*)strstr(haystack, needle); }
OE_INLINE char* oe_strerror(int errnum) { return strerror(errnum); }
OE_INLINE char* oe_strtok_r(char* str, const char* delim, char** saveptr) { return strtok_r(str, delim, saveptr); }
OE_INLINE char* oe_strdup(const char* s) { return strdup(s); }
OE_INLINE size_t oe_strspn(const char* s, const char* accept) { return strspn(s, accept); }
OE_INLINE size_t oe_strcspn(const char* s, const char* reject) { return strcspn(s, reject); }
OE_INLINE char* oe_strchr(const char* s, int c) { return (char*)strchr(s, c); }
OE_INLINE char* oe_strrchr(const char* s, int c) { return (char*)strrchr(s, c); }
// As in BSD: always terminated, and the length that it would have been.
OE_INLINE size_t oe_strlcpy(char* dest, const char* src, size_t size) {
  const size_t length = strlen(src);
  if (size != 0) {
    const size_t copied = length < size ? length : size - 1;
    memcpy(dest, src, copied);
    dest[copied] = '\0';
  }
  return length;
}
OE_INLINE size_t oe_strlcat(char* dest, const char* src, size_t size) {
  const size_t have = strnlen(dest, size);
  return have == size ? size + strlen(src) : have + oe_strlcpy(dest + have, src, size - have);
}

OE_EXTERNC_END

#endif
