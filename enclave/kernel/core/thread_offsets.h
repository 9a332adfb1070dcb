// Offsets inside ThreadControl and SyscallFrame that entry.S uses; thread.h proves them.
#pragma once

#define TCB_SAVED_RSP 0
#define TCB_EXIT_TARGET 8
#define TCB_HOST_RSP 16
#define TCB_HOST_RBP 24
#define TCB_USER_RSP 32
#define TCB_TCS 40
#define TCB_XSAVE_MASK 48
#define TCB_CLEARING 56
#define TCB_CALL_LEAVES 64
#define TCB_CALL_STATUS 72
#define TCB_CALL_WRITTEN 80
#define TCB_PENDING_SIGNALS 88
#define TCB_SIGNAL_MASK 96

// How vector registers are cleared on the way out: by XRSTOR, or by instructions where only they are in use.
#define CLEAR_BY_XRSTOR 0
#define CLEAR_AVX 1
#define CLEAR_AVX512 2

#define FRAME_RAX 104
#define FRAME_SIZE 128

// Where the exception stack ends, from the TCS; boundary/image_layout.h says why.
#define EXCEPTION_STACK_END 24576

// Where the first SSA frame begins, from the TCS; boundary/image_layout.h says why.
#define THREAD_SSA_OFFSET 4096

// boundary::Request::kUnhandled
#define REQUEST_UNHANDLED 22

// boundary::Request::kNextCall
#define REQUEST_NEXT_CALL 16
