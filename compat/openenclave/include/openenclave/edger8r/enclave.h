// For the enclave's half of the code that oeedger8r generates.
#ifndef _OE_EDGER8R_ENCLAVE_H
#define _OE_EDGER8R_ENCLAVE_H

#ifdef _OE_EDGER8R_HOST_H
#error "edger8r/enclave.h and edger8r/host.h must not be included in the same compilation unit."
#endif

#include <openenclave/bits/defs.h>
#include <openenclave/bits/result.h>
#include <openenclave/bits/security.h>
#include <openenclave/bits/types.h>
#include <openenclave/corelibc/errno.h>
#include <openenclave/corelibc/stdlib.h>
#include <openenclave/corelibc/string.h>
#include <openenclave/corelibc/wchar.h>
#include <openenclave/edger8r/common.h>

OE_EXTERNC_BEGIN

// An ECALL's bridge. Both buffers are enclave memory of this call's own.
typedef void (*oe_ecall_func_t)(const uint8_t* input_buffer, size_t input_buffer_size, uint8_t* output_buffer,
                                size_t output_buffer_size, size_t* output_bytes_written);
// Generated code defines the table of bridges, oe_ecalls_table, in the order of the host's names, and its size.
#define OE_DEFINE_EMPTY_ECALL_TABLE()                         \
  OE_EXPORT_CONST oe_ecall_func_t oe_ecalls_table[] = {NULL}; \
  OE_EXPORT_CONST size_t oe_ecalls_table_size = 0

// OCALL `function_id`. Both buffers come from oe_allocate_ocall_buffer(). *output_bytes_written is at most
// output_buffer_size; it and what stands in the output buffer are the host's word.
oe_result_t oe_call_host_function(size_t function_id, const void* input_buffer, size_t input_buffer_size,
                                  void* output_buffer, size_t output_buffer_size, size_t* output_bytes_written);
oe_result_t oe_switchless_call_host_function(size_t function_id, const void* input_buffer, size_t input_buffer_size,
                                             void* output_buffer, size_t output_buffer_size,
                                             size_t* output_bytes_written);

// Host memory for an OCALL, aligned to 16; checked to be outside the enclave. NULL where there is none.
void* oe_allocate_ocall_buffer(size_t size);
void oe_free_ocall_buffer(void* buffer);
void* oe_allocate_switchless_ocall_buffer(size_t size);
void oe_free_switchless_ocall_buffer(void* buffer);

// OE_OK while the enclave runs.
oe_result_t oe_get_enclave_status(void);

// Whether the results of OCALLs are copied into the enclave before they are read. On.
extern bool oe_edger8r_secure_unserialize;

// Coffer's own, which the code of Coffer's oeedger8r uses where it is there. A deep copy that an OCALL returned: checks
// that it stands outside, copies it to oe_malloc()ed memory and frees the host's. NULL: not so, or no memory.
#define COFFER_OE_EDGE 1
uint8_t* coffer_oe_take_deep_copy(uint8_t* host, size_t size);
// Defined by generated code, by function number.
extern const char* const coffer_oe_ecall_names[];
extern const char* const coffer_oe_ocall_names[];
extern const size_t coffer_oe_ocall_count;

#define oe_lfence() __builtin_ia32_lfence()

OE_EXTERNC_END

#endif
