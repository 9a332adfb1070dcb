// Exceptions of the processor, as handlers inside an enclave see them.
#ifndef _OE_BITS_EXCEPTION_H
#define _OE_BITS_EXCEPTION_H

#include "defs.h"
#include "types.h"

// What a handler answers.
#define OE_EXCEPTION_CONTINUE_SEARCH 0x0            // not mine: ask the next
#define OE_EXCEPTION_CONTINUE_EXECUTION 0xFFFFFFFF  // go on with the context as it is now
#define OE_EXCEPTION_ABORT_EXECUTION 0xFFFFFFF0     // end the enclave

#define OE_EXCEPTION_DIVIDE_BY_ZERO 0x0
#define OE_EXCEPTION_BREAKPOINT 0x1
#define OE_EXCEPTION_BOUND_OUT_OF_RANGE 0x2
#define OE_EXCEPTION_ILLEGAL_INSTRUCTION 0x3
#define OE_EXCEPTION_ACCESS_VIOLATION 0x4
#define OE_EXCEPTION_PAGE_FAULT 0x5
#define OE_EXCEPTION_X87_FLOAT_POINT 0x6
#define OE_EXCEPTION_MISALIGNMENT 0x7
#define OE_EXCEPTION_SIMD_FLOAT_POINT 0x8
#define OE_EXCEPTION_UNKNOWN 0xFFFFFFFF

#define OE_EXCEPTION_FLAGS_HARDWARE 0x1
#define OE_EXCEPTION_FLAGS_SOFTWARE 0x2

// Of error_code, for page faults.
#define OE_SGX_PAGE_FAULT_P_FLAG 0x1
#define OE_SGX_PAGE_FAULT_WR_FLAG 0x2
#define OE_SGX_PAGE_FAULT_US_FLAG 0x4
#define OE_SGX_PAGE_FAULT_RSVD 0x8
#define OE_SGX_PAGE_FAULT_ID_FLAG 0x10
#define OE_SGX_PAGE_FAULT_PK_FLAG 0x20
#define OE_SGX_PAGE_FAULT_SGX_FLAG 0x8000

typedef struct _oe_basic_xstate {
  uint8_t blob[512];  // as FXSAVE writes it
} OE_ALIGNED(16) oe_basic_xstate_t;

typedef struct _oe_context {
  uint64_t flags;
  uint64_t rax, rbx, rcx, rdx, rbp, rsp, rdi, rsi;
  uint64_t r8, r9, r10, r11, r12, r13, r14, r15;
  uint64_t rip;
  uint32_t mxcsr;
  oe_basic_xstate_t basic_xstate;
} oe_context_t;

typedef struct _oe_exception_record {
  uint32_t code;              // OE_EXCEPTION_*
  uint32_t flags;             // OE_EXCEPTION_FLAGS_*
  uint64_t address;           // of the instruction
  uint64_t faulting_address;  // page faults
  uint32_t error_code;        // page faults
  uint16_t host_signal_number;
  oe_context_t* context;  // may be changed
} oe_exception_record_t;

typedef uint64_t (*oe_vectored_exception_handler_t)(oe_exception_record_t* exception_context);

#endif
