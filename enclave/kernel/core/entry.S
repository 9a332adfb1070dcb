// The doors of the enclave: entry, exit, the system-call entry, ENCLU. The C++ side is kernel.cc, exceptions.cc and
// start.cc; boundary/calls.h describes the registers.

#include "enclave/kernel/core/thread_offsets.h"
#include "sgx/offsets.h"

// An ENCLU site: processor/patch.h. R10 holds the TCS's address, R11 is clobbered.
.macro ENCLU
    .balign 16
    .byte 0x0f, 0x01, 0xd7
    .byte 0x66, 0x2e, 0x0f, 0x1f, 0x84, 0x00, 0x00, 0x00, 0x00, 0x00
    .byte 0x0f, 0x1f, 0x00
.endm

// EEXIT: a site of its own form, because what does not come back must not be called: a call without its return would have
// the CPU mispredict every return that follows, the host's too.
.macro EEXIT
    mov $SGX_ENCLU_EEXIT, %eax
    .balign 16
    .byte 0x0f, 0x01, 0xd7
    .byte 0x66, 0x2e, 0x0f, 0x1f, 0x84, 0x00, 0x01, 0x00, 0x00, 0x00
    .byte 0x0f, 0x1f, 0x00
    ud2
.endm

// Leaves for the host's stack with nothing of the enclave in the registers that carry nothing out: RDI, RSI, RDX, R8 and R9
// are the request's. RBX = where to, R10 = the TCS, as an EEXIT site has it.
.macro LEAVE_TO_HOST
    mov %gs:TCB_EXIT_TARGET, %rbx
    mov %gs:TCB_TCS, %r10
    mov %rsp, %gs:TCB_SAVED_RSP
    mov %gs:TCB_HOST_RSP, %rsp
    mov %gs:TCB_HOST_RBP, %rbp
    xor %ecx, %ecx
    xor %r11d, %r11d
    xor %r12d, %r12d
    xor %r13d, %r13d
    xor %r14d, %r14d
    xor %r15d, %r15d
    EEXIT
.endm

// TF, DF, NT, AC, ID: what compiled code must not meet. The other flags mean nothing to it. POPFQ costs three times what
// looking costs, so it is for the case that never happens. Needs a stack.
#define FOREIGN_FLAGS 0x244500
#define INITIAL_MXCSR 0x1f80
#define INITIAL_CONTROL_WORD 0x37f
// What a thread left for: on top of its stack while it is outside.
#define BACK_TO_EXIT 0
#define BACK_TO_CALL 1
.macro CLEAR_FOREIGN_FLAGS
    pushfq
    testl $FOREIGN_FLAGS, (%rsp)
    jz .Lclean\@
    movq $2, (%rsp)
    popfq
    pushfq
.Lclean\@:
    lea 8(%rsp), %rsp
.endm

    .section .text.entry, "ax", @progbits
    .globl coffer_enclave_entry
    .type coffer_enclave_entry, @function
// RAX = CSSA, RBX = TCS, RCX = where EEXIT shall go, RDI, RSI, RDX, R8, R9 as the host set them, GS = ThreadControl.
// Flags are the host's until the stack is ours: DF and AC are cleared before any C++ runs.
coffer_enclave_entry:
    test %rax, %rax
    jnz .Lexception
    mov %rsp, %gs:TCB_HOST_RSP
    mov %rbp, %gs:TCB_HOST_RBP
    mov %rcx, %gs:TCB_EXIT_TARGET
    mov %gs:TCB_SAVED_RSP, %rax
    test %rax, %rax
    jz .Lfirst
    mov %rax, %rsp
    movq $0, %gs:TCB_SAVED_RSP
    CLEAR_FOREIGN_FLAGS
    lfence
    jmp .Lback

// The program begins with the control words that the ABI says, not with the host's rounding.
.Lfirst:
    rdgsbase %rsp
    CLEAR_FOREIGN_FLAGS
    lfence
    fninit
    ldmxcsr coffer_initial_vector_state+24(%rip)
    xor %ebp, %ebp
    mov %rbx, %rcx
    call coffer_first_entry
    ud2

// CSSA > 0: SSA[CSSA-1] holds a state that an exception or interrupt left. On the exception stack, below the TCS's SSA.
.Lexception:
    cmp $1, %rax
    ja .Lnested
    mov %rsp, %r8
    lea EXCEPTION_STACK_END(%rbx), %rsp
    push %r8
    push %rbp
    push %rcx
    push %rbx
    sub $32, %rsp
    CLEAR_FOREIGN_FLAGS
    lfence
    mov %rbx, %rdi
    mov %rax, %rsi
    mov %rsp, %rdx
    xor %ebp, %ebp
    call coffer_exception
    mov 0(%rsp), %rdi
    mov 8(%rsp), %rsi
    mov 16(%rsp), %rdx
    mov 24(%rsp), %r8
    add $32, %rsp
    pop %r10
    pop %rbx
    pop %rbp
    pop %rsp
    xor %ecx, %ecx
    xor %r9d, %r9d
    EEXIT

// CSSA > 1: the handler itself was stopped, and its stack is in use, so this touches none. A host that only interrupted it
// resumes it; where it faulted, nothing can help it. EEXIT with kUnhandled, SIGSEGV and where it stopped.
.Lnested:
    shl $12, %rax
    mov (THREAD_SSA_OFFSET - SGX_GPR_SIZE + SGX_GPR_RIP)(%rbx, %rax), %rdx
    lea __kernel_begin(%rip), %rax
    sub %rax, %rdx
    and $-4096, %rdx  // the page: what a host may know of a production enclave
    mov $REQUEST_UNHANDLED, %edi
    mov $11, %esi
    xor %r8d, %r8d
    xor %r9d, %r9d
    mov %rbx, %r10
    mov %rcx, %rbx
    xor %ecx, %ecx
    EEXIT
    .size coffer_enclave_entry, . - coffer_enclave_entry

    .text
// uint64_t coffer_exit(uint64_t request, a, b, c, d, Answer* answer): EEXIT with the request; returns the command of the
// EENTER that came back, with its registers in *answer. Keeps FS; vector registers, x87 and the control words are the
// caller's affair.
    .globl coffer_exit
    .type coffer_exit, @function
coffer_exit:
    push %rbp
    push %rbx
    push %r12
    push %r13
    push %r14
    push %r15
    push %r9
    rdfsbase %rax
    push %rax
    pushq $BACK_TO_EXIT
    mov %r8, %r9
    mov %rcx, %r8
    LEAVE_TO_HOST
// Where coffer_enclave_entry goes on with a thread's own stack: what it left for, then its FS base.
.Lback:
    pop %rcx
    pop %rax
    rdfsbase %r10
    cmp %rax, %r10  // software rungs come back with the FS base that the thread left with (processor/entry.S)
    je .Lsame_fs
    wrfsbase %rax
.Lsame_fs:
    test %ecx, %ecx
    jnz .Lcalled
    pop %rcx
    mov %rsi, 0(%rcx)
    mov %rdx, 8(%rcx)
    mov %r8, 16(%rcx)
    mov %r9, 24(%rcx)
    mov %rdi, %rax
    pop %r15
    pop %r14
    pop %r13
    pop %r12
    pop %rbx
    pop %rbp
    ret
    .size coffer_exit, . - coffer_exit

// void coffer_leave(uint64_t request, a, uint32_t* state, uint32_t value): EEXIT for good. The thread's block is free for
// others with the last write; nothing of it, nor of its stack, is touched after that.
    .globl coffer_leave
    .type coffer_leave, @function
coffer_leave:
    mov %rdx, %r12
    mov %rcx, %r13
    mov %gs:TCB_XSAVE_MASK, %rax
    xor %edx, %edx
    xrstor64 coffer_initial_vector_state(%rip)
    mov %gs:TCB_EXIT_TARGET, %rbx
    mov %gs:TCB_TCS, %r10
    mov %gs:TCB_HOST_RSP, %rsp
    mov %gs:TCB_HOST_RBP, %rbp
    xor %ecx, %ecx
    xor %edx, %edx
    xor %r8d, %r8d
    xor %r9d, %r9d
    xor %r14d, %r14d
    xor %r15d, %r15d
    mov %r13d, (%r12)
    xor %r12d, %r12d
    xor %r13d, %r13d
    EEXIT
    .size coffer_leave, . - coffer_leave

// uint64_t coffer_enclu(leaf, rbx, rcx, rdx): any leaf but EENTER, ERESUME and EEXIT; returns RAX.
    .globl coffer_enclu
    .type coffer_enclu, @function
coffer_enclu:
    push %rbx
    mov %rdi, %rax
    mov %rsi, %rbx
    mov %rcx, %rdi
    mov %rdx, %rcx
    mov %rdi, %rdx
    mov %gs:TCB_TCS, %r10
    ENCLU
    pop %rbx
    ret
    .size coffer_enclu, . - coffer_enclu

// NAME(const Secinfo*, address, count): a leaf for neighbouring pages. The site in front of the loop is the bulk form of
// software rungs; everywhere else the loop does it. RAX, of a leaf that answers, is 0 or the first error.
.macro RANGE_OF_PAGES name, leaf, answers
    .globl \name
    .type \name, @function
\name:
    push %rbx
    mov %rdi, %rbx
    mov %rsi, %rcx
    call .Leach\@
    pop %rbx
    ret
.Leach\@:
    mov %gs:TCB_TCS, %r10
    mov $(0x80000000 | \leaf), %eax
    .balign 16
    .byte 0x0f, 0x1f, 0x84, 0x00, 0xee, 0xff, 0xc0, 0x00
    .byte 0x0f, 0x1f, 0x84, 0x00, 0xee, 0xff, 0xc0, 0x00
    mov %rdx, %rdi
.Lnext\@:
    mov %gs:TCB_TCS, %r10
    mov $\leaf, %eax
    ENCLU
    .if \answers
    test %rax, %rax
    jnz .Ldone\@
    .endif
    add $4096, %rcx
    dec %rdi
    jnz .Lnext\@
.Ldone\@:
    ret
    .size \name, . - \name
.endm

// uint64_t coffer_accept_range(...): EACCEPT; void coffer_extend_range(...): EMODPE.
    RANGE_OF_PAGES coffer_accept_range, SGX_ENCLU_EACCEPT, 1
    RANGE_OF_PAGES coffer_extend_range, SGX_ENCLU_EMODPE, 0

// The system call entry: RAX = number, RCX = where to go on, RSP = the application's, whose red zone is in use. All
// registers but RAX, RCX and R11 come back as they were.
    .globl coffer_syscall_entry
    .type coffer_syscall_entry, @function
coffer_syscall_entry:
    mov %rsp, %gs:TCB_USER_RSP
    rdgsbase %rsp
    pushq %gs:TCB_USER_RSP
    push %rcx
    push %rax
    push %rdx
    push %rsi
    push %rdi
    push %r8
    push %r9
    push %r10
    push %rbx
    push %rbp
    push %r12
    push %r13
    push %r14
    push %r15
    pushfq
    cld
.Lcall:
    mov %rsp, %rdi
    call coffer_syscall
    cmpq $0, %gs:TCB_CALL_LEAVES
    jne .Lnext_call
// From here on to the jump an interrupt that brings a signal begins again: exceptions.cc sends it back to
// coffer_leave_begin, with the frame, which nothing below changes, at the stack's end. So no signal comes too late.
    .globl coffer_leave_begin
coffer_leave_begin:
    mov coffer_shared_signals(%rip), %rax
    or %gs:TCB_PENDING_SIGNALS, %rax
    mov %gs:TCB_SIGNAL_MASK, %rcx
    not %rcx
    test %rcx, %rax
    jnz .Lsignals
    // POPFQ only where more than the arithmetic flags must come back: the kernel itself runs with the others clear.
    testl $FOREIGN_FLAGS, (%rsp)
    jnz .Lall_flags
    mov (%rsp), %eax
    lea 8(%rsp), %rsp
    mov %eax, %ecx
    shr $11, %ecx
    and $1, %ecx
    mov %al, %ah
    mov %cl, %al
    add $0x7f, %al  // OF = bit 11
    sahf            // SF, ZF, AF, PF, CF
.Lrestore:
    pop %r15
    pop %r14
    pop %r13
    pop %r12
    pop %rbp
    pop %rbx
    pop %r10
    pop %r9
    pop %r8
    pop %rdi
    pop %rsi
    pop %rdx
    pop %rax
    pop %rcx
    pop %rsp
    jmp *%rcx
.Lall_flags:
    popfq
    jmp .Lrestore

    .globl coffer_leave_end
coffer_leave_end:
.Lsignals:
    mov %rsp, %rdi
    call coffer_signals_after_call
    jmp coffer_leave_begin

// Leaves for the next call (syscalls/coffer.cc) and goes on with it. No call is open meanwhile: the CPU foretells returns
// from a stack of its own, which every return across the boundary would put out of step. The vector registers are cleared
// and come back as the host has them, which the SDK's call knows; x87 comes back empty, the control words as they were.
.Lnext_call:
    movq $0, %gs:TCB_CALL_LEAVES
    sub $16, %rsp  // MXCSR, x87 control word
    stmxcsr (%rsp)
    cmpl $CLEAR_BY_XRSTOR, %gs:TCB_CLEARING
    je .Lclear_all
    // XGETBV with ECX = 1: which state is in use. Beyond the vector registers (x87) XRSTOR does it.
    mov $1, %ecx
    xgetbv
    test $0x19, %al
    jnz .Lclear_all
    movw $INITIAL_CONTROL_WORD, 4(%rsp)  // x87 is as it is initially, the control word with it
    vzeroall
    cmpl $CLEAR_AVX512, %gs:TCB_CLEARING
    jne .Lvectors_clear
    .irp register, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31
    vpxord %zmm\register, %zmm\register, %zmm\register
    .endr
    .irp register, 0, 1, 2, 3, 4, 5, 6, 7
    kxorq %k\register, %k\register, %k\register
    .endr
    vzeroupper
.Lvectors_clear:
    ldmxcsr coffer_initial_vector_state+24(%rip)
    jmp .Lcleared
.Lclear_all:
    fnstcw 4(%rsp)
    mov %gs:TCB_XSAVE_MASK, %rax
    xor %edx, %edx
    xrstor64 coffer_initial_vector_state(%rip)
.Lcleared:
    rdfsbase %rax
    push %rax
    pushq $BACK_TO_CALL
    mov $REQUEST_NEXT_CALL, %edi
    mov %gs:TCB_CALL_STATUS, %rsi
    mov %gs:TCB_CALL_WRITTEN, %rdx
    xor %r8d, %r8d
    xor %r9d, %r9d
    LEAVE_TO_HOST

// The host came back; FS is the program's again. The host may have filled the x87 stack, so that the program's next load
// would be a NaN, or changed the rounding.
.Lcalled:
    emms
    cmpw $INITIAL_CONTROL_WORD, 4(%rsp)
    jne .Lcontrol_word
    fldcw 4(%rsp)
.Lcontrol_words:
    ldmxcsr (%rsp)
    add $16, %rsp
    mov %rdi, %rax
    mov %rsp, %rdi
    mov %r8, %rcx
    mov %r9, %r8
    mov %rax, %r9
    call coffer_take_call
    mov %rax, FRAME_RAX(%rsp)
    jmp coffer_leave_begin
.Lcontrol_word:
    fninit  // exceptions that the host left pending would be raised by a word that does not mask them
    fldcw 4(%rsp)
    jmp .Lcontrol_words
    .size coffer_syscall_entry, . - coffer_syscall_entry

// void coffer_resume_user(const SyscallFrame*): the frame goes to where a system call's stands. coffer_repeat_call makes
// the system call of the frame again.
.macro TAKE_FRAME
    rdgsbase %rsp
    sub $FRAME_SIZE, %rsp
    mov %rdi, %rsi
    mov %rsp, %rdi
    mov $(FRAME_SIZE / 8), %ecx
    cld
    rep movsq
.endm
    .globl coffer_resume_user
    .type coffer_resume_user, @function
coffer_resume_user:
    TAKE_FRAME
    jmp coffer_leave_begin
    .size coffer_resume_user, . - coffer_resume_user
    .globl coffer_repeat_call
    .type coffer_repeat_call, @function
coffer_repeat_call:
    TAKE_FRAME
    jmp .Lcall
    .size coffer_repeat_call, . - coffer_repeat_call

// Where the exception handler sends an application that was stopped and has signals: an empty kernel stack, CSSA 0, the
// vector registers as they were.
    .globl coffer_trap_entry
    .type coffer_trap_entry, @function
coffer_trap_entry:
    xor %ebp, %ebp
    call coffer_trap
    ud2
    .size coffer_trap_entry, . - coffer_trap_entry

// void coffer_resume_context(): the exception handler knows this instruction, and puts the context into the SSA.
    .globl coffer_resume_context
    .globl coffer_resume_point
    .type coffer_resume_context, @function
coffer_resume_context:
coffer_resume_point:
    ud2
    .size coffer_resume_context, . - coffer_resume_context

// void coffer_save_vectors(void* area): XSAVE of the vector registers and x87; 64-byte aligned, the header zero before.
    .globl coffer_save_vectors
    .type coffer_save_vectors, @function
coffer_save_vectors:
    mov %gs:TCB_XSAVE_MASK, %rax
    xor %edx, %edx
    xsave64 (%rdi)
    ret
    .size coffer_save_vectors, . - coffer_save_vectors

// void coffer_load_vectors(const void* area): XRSTOR of them; null for the state that a program starts with.
    .globl coffer_load_vectors
    .type coffer_load_vectors, @function
coffer_load_vectors:
    test %rdi, %rdi
    jnz 1f
    lea coffer_initial_vector_state(%rip), %rdi
1:  mov %gs:TCB_XSAVE_MASK, %rax
    xor %edx, %edx
    xrstor64 (%rdi)
    ret
    .size coffer_load_vectors, . - coffer_load_vectors

// void coffer_enter_user(rip, rsp): the first instruction of the program, with nothing of the kernel in its registers.
    .globl coffer_enter_user
    .type coffer_enter_user, @function
coffer_enter_user:
    mov %rsi, %rsp
    mov %rdi, %r11
    xor %eax, %eax
    wrfsbase %rax
    xor %ebx, %ebx
    xor %ecx, %ecx
    xor %edx, %edx
    xor %esi, %esi
    xor %edi, %edi
    xor %ebp, %ebp
    xor %r8d, %r8d
    xor %r9d, %r9d
    xor %r10d, %r10d
    xor %r12d, %r12d
    xor %r13d, %r13d
    xor %r14d, %r14d
    xor %r15d, %r15d
    jmp *%r11
    .size coffer_enter_user, . - coffer_enter_user

// uint64_t coffer_exit_preserving(...): as coffer_exit, with the vector registers saved, cleared for the time outside,
// and restored.
    .globl coffer_exit_preserving
    .type coffer_exit_preserving, @function
coffer_exit_preserving:
    push %rbp
    mov %rsp, %rbp
    sub $3072, %rsp
    and $-64, %rsp
    mov %rdx, %r10
    xor %eax, %eax
    mov %rax, 512(%rsp)
    mov %rax, 520(%rsp)
    mov %rax, 528(%rsp)
    mov %rax, 536(%rsp)
    mov %rax, 544(%rsp)
    mov %rax, 552(%rsp)
    mov %rax, 560(%rsp)
    mov %rax, 568(%rsp)
    mov %gs:TCB_XSAVE_MASK, %rax
    xor %edx, %edx
    xsave64 (%rsp)
    xrstor64 coffer_initial_vector_state(%rip)
    mov %r10, %rdx
    call coffer_exit
    mov %rax, %r10
    mov %gs:TCB_XSAVE_MASK, %rax
    xor %edx, %edx
    xrstor64 (%rsp)
    mov %r10, %rax
    mov %rbp, %rsp
    pop %rbp
    ret
    .size coffer_exit_preserving, . - coffer_exit_preserving

    .section .rodata
    .balign 64
coffer_initial_vector_state:
    .short INITIAL_CONTROL_WORD
    .skip 22
    .long INITIAL_MXCSR
    .skip 548

    .section .note.GNU-stack,"",@progbits
