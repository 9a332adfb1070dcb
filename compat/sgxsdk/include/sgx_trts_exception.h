/* Exceptions of the processor inside the enclave: handlers that see and change the interrupted state. */
#ifndef COFFER_SGXSDK_SGX_TRTS_EXCEPTION_H
#define COFFER_SGXSDK_SGX_TRTS_EXCEPTION_H

#include <stddef.h>
#include <stdint.h>
#include "sgx_defs.h"

#define EXCEPTION_CONTINUE_SEARCH 0
#define EXCEPTION_CONTINUE_EXECUTION (-1)

typedef enum _sgx_exception_vector_t {
  SGX_EXCEPTION_VECTOR_DE = 0,
  SGX_EXCEPTION_VECTOR_DB = 1,
  SGX_EXCEPTION_VECTOR_BP = 3,
  SGX_EXCEPTION_VECTOR_BR = 5,
  SGX_EXCEPTION_VECTOR_UD = 6,
  SGX_EXCEPTION_VECTOR_GP = 13,
  SGX_EXCEPTION_VECTOR_PF = 14,
  SGX_EXCEPTION_VECTOR_MF = 16,
  SGX_EXCEPTION_VECTOR_AC = 17,
  SGX_EXCEPTION_VECTOR_XM = 19,
} sgx_exception_vector_t;
typedef enum _sgx_exception_type_t {
  SGX_EXCEPTION_HARDWARE = 3,
  SGX_EXCEPTION_SOFTWARE = 6,
} sgx_exception_type_t;

typedef struct _cpu_context_t {
  uint64_t rax, rcx, rdx, rbx, rsp, rbp, rsi, rdi;
  uint64_t r8, r9, r10, r11, r12, r13, r14, r15;
  uint64_t rflags;
  uint64_t rip;
} sgx_cpu_context_t;

/* Of page faults and general protection. */
typedef struct _exinfo_t {
  uint64_t faulting_address;
  uint32_t error_code;
  uint32_t reserved;
} sgx_misc_exinfo_t;

typedef struct _exception_info_t {
  sgx_cpu_context_t cpu_context; /* what a handler changes here is in force afterwards */
  sgx_exception_vector_t exception_vector;
  sgx_exception_type_t exception_type;
  sgx_misc_exinfo_t exinfo;
  uint32_t exception_valid; /* 1 */
  uint32_t do_aex_mitigation;
  uint64_t xsave_size; /* 0: the vector state is kept and cannot be changed */
  uint64_t reserved[1];
  uint8_t xsave_area[0];
} __attribute__((aligned(64))) sgx_exception_info_t;

typedef int (*sgx_exception_handler_t)(sgx_exception_info_t* info);

#ifdef __cplusplus
extern "C" {
#endif

/* Puts a handler before all others, or behind them. Handlers are asked in order until one answers
 * EXCEPTION_CONTINUE_EXECUTION; where none does, the enclave crashes. NULL: no memory, or no handler given. */
void* SGXAPI sgx_register_exception_handler(int is_first_handler, sgx_exception_handler_t exception_handler);
/* 1 where the handler was there. */
int SGXAPI sgx_unregister_exception_handler(void* handler);

#ifdef __cplusplus
}
#endif

#endif
