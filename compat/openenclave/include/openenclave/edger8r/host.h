// For the host's half of the code that oeedger8r generates.
#ifndef _OE_EDGER8R_HOST_H
#define _OE_EDGER8R_HOST_H

#ifdef _OE_EDGER8R_ENCLAVE_H
#error "edger8r/enclave.h and edger8r/host.h must not be included in the same compilation unit."
#endif

#include <errno.h>
#include <openenclave/bits/defs.h>
#include <openenclave/bits/result.h>
#include <openenclave/bits/types.h>
#include <openenclave/edger8r/common.h>
#include <openenclave/host.h>
#include <stdlib.h>
#include <string.h>
#include <wchar.h>

OE_EXTERNC_BEGIN

#define OE_GLOBAL_ECALL_ID_NULL OE_UINT64_MAX
#define OE_ECALL_ID_NULL OE_UINT64_MAX

// ECALL `name`. *global_id is the call site's own, OE_GLOBAL_ECALL_ID_NULL at first. Both buffers are the host's;
// inside, the function gets copies. OE_NOT_FOUND, OE_OUT_OF_THREADS, OE_REENTRANT_ECALL, OE_ENCLAVE_ABORTING ...
oe_result_t oe_call_enclave_function(oe_enclave_t* enclave, uint64_t* global_id, const char* name,
                                     const void* input_buffer, size_t input_buffer_size, void* output_buffer,
                                     size_t output_buffer_size, size_t* output_bytes_written);
oe_result_t oe_switchless_call_enclave_function(oe_enclave_t* enclave, uint64_t* global_id, const char* name,
                                                const void* input_buffer, size_t input_buffer_size, void* output_buffer,
                                                size_t output_buffer_size, size_t* output_bytes_written);

// Coffer's own, which the code of Coffer's oeedger8r uses where it is there: the block of one ECALL, aligned to 16, in
// memory that the enclave reaches (NULL: none left), and whether the enclave can reach what a user_check pointer points
// to. Where it cannot, that has been said on standard error, with function, parameter and what to do.
#define COFFER_OE_EDGE 1
void* coffer_oe_call_buffer(oe_enclave_t* enclave, size_t size);
void coffer_oe_free_call_buffer(oe_enclave_t* enclave, void* buffer);
bool coffer_oe_reaches(oe_enclave_t* enclave, const char* function, const char* parameter, const void* pointer);

OE_INLINE void* oe_malloc(size_t size) { return malloc(size); }
OE_INLINE void oe_free(void* ptr) { free(ptr); }
OE_INLINE void* oe_realloc(void* ptr, size_t size) { return realloc(ptr, size); }
OE_INLINE size_t oe_strlen(const char* s) { return strlen(s); }
OE_INLINE size_t oe_wcslen(const wchar_t* s) { return wcslen(s); }

OE_EXTERNC_END

#endif
