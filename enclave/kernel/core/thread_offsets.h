// Offsets inside ThreadControl and SyscallFrame that entry.S uses; thread.h proves them.
#pragma once

#define TCB_SAVED_RSP 0
#define TCB_EXIT_TARGET 8
#define TCB_HOST_RSP 16
#define TCB_HOST_RBP 24
#define TCB_USER_RSP 32
#define TCB_TCS 40
#define TCB_XSAVE_MASK 48

#define FRAME_RAX 104

// Where the exception stack ends, from the TCS; boundary/image_layout.h says why.
#define EXCEPTION_STACK_END 24576
