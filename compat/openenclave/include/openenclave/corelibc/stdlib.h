// The C library's functions under Open Enclave's names. Inside an enclave malloc() and oe_malloc() are one allocator.
#ifndef _OE_STDLIB_H
#define _OE_STDLIB_H

#include <openenclave/bits/defs.h>
#include <openenclave/bits/result.h>
#include <openenclave/bits/types.h>
#include <openenclave/corelibc/limits.h>
#include <stdlib.h>

OE_EXTERNC_BEGIN

typedef struct _oe_syscall_path {
  char buf[OE_PATH_MAX];
} oe_syscall_path_t;

void* oe_malloc(size_t size);
void oe_free(void* ptr);
void* oe_calloc(size_t nmemb, size_t size);
void* oe_realloc(void* ptr, size_t size);
void* oe_memalign(size_t alignment, size_t size);
void oe_memalign_free(void* ptr);
int oe_posix_memalign(void** memptr, size_t alignment, size_t size);
void* oe_aligned_alloc(size_t alignment, size_t size);
size_t oe_malloc_usable_size(void* ptr);
unsigned long int oe_strtoul(const char* nptr, char** endptr, int base);
int oe_atoi(const char* nptr);
int oe_atexit(void (*function)(void));
char* oe_realpath(const char* path, oe_syscall_path_t* resolved_path);
OE_NO_RETURN void oe_exit(int status);
OE_NO_RETURN void oe_abort(void);

OE_EXTERNC_END

// Programs that include this alone expect to have it.
#include <openenclave/enclave.h>

#endif
