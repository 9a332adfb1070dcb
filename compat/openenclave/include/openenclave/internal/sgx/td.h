// What an enclave's thread says about itself. Only the functions are there: Coffer's threads are the C library's.
#ifndef _OE_SGX_TD_H
#define _OE_SGX_TD_H

#include <malloc.h>
#include <openenclave/internal/defs.h>
#include <openenclave/internal/types.h>

OE_EXTERNC_BEGIN

typedef struct _td oe_sgx_td_t;

#define OE_SGX_EXCEPTION_CODE_MAXIMUM 8

// The calling thread's. Never NULL.
oe_sgx_td_t* oe_sgx_get_td(void);
// An address one page above the thread's stack, which is where Open Enclave has the thread's control structure.
void* td_to_tcs(const oe_sgx_td_t* td);

// A stack for handlers of the exceptions that are registered for it, of the thread `td`, which must be the calling one;
// until the ECALL ends. NULL: none. False: too small (less than a page), or not enclave memory.
bool oe_sgx_td_set_exception_handler_stack(oe_sgx_td_t* td, void* stack, uint64_t size);
// type: OE_EXCEPTION_*. Holds once there is a stack too. False: no such exception.
bool oe_sgx_td_register_exception_handler_stack(oe_sgx_td_t* td, uint64_t type);
bool oe_sgx_td_unregister_exception_handler_stack(oe_sgx_td_t* td, uint64_t type);
bool oe_sgx_td_exception_handler_stack_registered(oe_sgx_td_t* td, uint64_t type);

OE_EXTERNC_END

#endif
