// EENTER, ERESUME, EEXIT and the gate of the software processor. The C++ side is entry.cc; offsets are in
// lane_offsets.h. Between coffer_entry_begin and coffer_entry_end the FS base may be either side's.

#include "boundary/slot_offsets.h"
#include "processor/lane_offsets.h"
#include "sgx/offsets.h"

    .text
    .globl coffer_entry_begin
coffer_entry_begin:

// Saves the host's context on its stack; the lane remembers where. %rdi = Lane*.
.macro SAVE_HOST
    push %rbp
    push %rbx
    push %r12
    push %r13
    push %r14
    push %r15
    sub $8, %rsp
    stmxcsr (%rsp)
    fnstcw 4(%rsp)
    mov %rsp, LANE_HOST_RSP(%rdi)
.endm

// Writing a base costs ten times what reading one costs. GS often is right already: a host thread without a GS base of
// its own keeps the enclave's after an exit.
.macro LOAD_ENCLAVE_SEGMENTS lane, scratch, other
    mov LANE_ENCLAVE_FS(\lane), \scratch
    wrfsbase \scratch
    mov LANE_ENCLAVE_GS(\lane), \scratch
    rdgsbase \other
    cmp \scratch, \other
    je .Lsame_gs\@
    wrgsbase \scratch
.Lsame_gs\@:
    movb $1, LANE_DISPATCH(\lane)
    movq $1, LANE_INSIDE(\lane)
.endm

.macro LOAD_HOST_SEGMENTS lane, scratch
    movq $0, LANE_INSIDE(\lane)
    movb $0, LANE_DISPATCH(\lane)
    mov LANE_HOST_FS(\lane), \scratch
    wrfsbase \scratch
    mov LANE_HOST_GS(\lane), \scratch
    test \scratch, \scratch
    jz .Lno_gs\@
    wrgsbase \scratch
.Lno_gs\@:
.endm

// No flag of the enclave's: compiled code stands neither DF nor AC. POPFQ, which costs three times what looking costs, is
// for exits with one of TF, DF, NT, AC and ID; the arithmetic flags are the test's.
#define FOREIGN_FLAGS 0x244500
.macro CLEAR_FOREIGN_FLAGS
    pushfq
    testl $FOREIGN_FLAGS, (%rsp)
    jz .Lclean\@
    movq $0x202, (%rsp)
    popfq
    pushfq
.Lclean\@:
    lea 8(%rsp), %rsp
.endm

// void coffer_enter(Lane*): EENTER. Returns when the enclave has left, by EEXIT or AEX.
    .globl coffer_enter
    .type coffer_enter, @function
coffer_enter:
    SAVE_HOST
    mov %rdi, %r11
    mov LANE_SSA_GPR(%r11), %rax
    mov %rsp, SGX_GPR_URSP(%rax)
    mov %rbp, SGX_GPR_URBP(%rax)
    LOAD_ENCLAVE_SEGMENTS %r11, %rax, %rcx
    mov LANE_CSSA(%r11), %rax
    mov LANE_TCS_ADDRESS(%r11), %rbx
    lea coffer_exit_landing(%rip), %rcx
    mov LANE_RDI(%r11), %rdi
    mov LANE_RSI(%r11), %rsi
    mov LANE_RDX(%r11), %rdx
    mov LANE_R8(%r11), %r8
    mov LANE_R9(%r11), %r9
    jmp *LANE_ENTRY(%r11)
    .size coffer_enter, . - coffer_enter

// Where every exit ends: RSP = the lane's host_rsp, host segments loaded. Returns from coffer_enter / coffer_resume.
    .globl coffer_exit_landing
coffer_exit_landing:
    CLEAR_FOREIGN_FLAGS
    ldmxcsr (%rsp)
    fldcw 4(%rsp)
    add $8, %rsp
    pop %r15
    pop %r14
    pop %r13
    pop %r12
    pop %rbx
    pop %rbp
    ret

// void coffer_resume(Lane*): ERESUME from the lane's resume_gpr, xsave and iret_frame. IRETQ loads RIP, RSP and RFLAGS
// in one step and touches no byte of the enclave's stack, whose red zone is in use.
    .globl coffer_resume
    .type coffer_resume, @function
coffer_resume:
    SAVE_HOST
// The same with nothing to come back to: leaving is an exit of ordinary code's entry (raw_entry.h).
    .globl coffer_resume_raw
coffer_resume_raw:
    mov LANE_XSAVE_MASK(%rdi), %rax
    mov %rax, %rdx
    shr $32, %rdx
    xrstor64 LANE_XSAVE(%rdi)
    LOAD_ENCLAVE_SEGMENTS %rdi, %rax, %rcx
    lea LANE_IRET_FRAME(%rdi), %rsp
    mov LANE_RESUME_GPR+0(%rdi), %rax
    mov LANE_RESUME_GPR+8(%rdi), %rcx
    mov LANE_RESUME_GPR+16(%rdi), %rdx
    mov LANE_RESUME_GPR+24(%rdi), %rbx
    mov LANE_RESUME_GPR+32(%rdi), %rbp
    mov LANE_RESUME_GPR+40(%rdi), %rsi
    mov LANE_RESUME_GPR+56(%rdi), %r8
    mov LANE_RESUME_GPR+64(%rdi), %r9
    mov LANE_RESUME_GPR+72(%rdi), %r10
    mov LANE_RESUME_GPR+80(%rdi), %r11
    mov LANE_RESUME_GPR+88(%rdi), %r12
    mov LANE_RESUME_GPR+96(%rdi), %r13
    mov LANE_RESUME_GPR+104(%rdi), %r14
    mov LANE_RESUME_GPR+112(%rdi), %r15
    mov LANE_RESUME_GPR+48(%rdi), %rdi
    iretq
    .size coffer_resume, . - coffer_resume

// void coffer_serve_turns(Lane*): EENTER of the lane's thread whenever the turn of the lane's slot is the cell's, with the
// registers there; a remote request goes back through the slot. All the while the segments are the enclave's, no call is
// open and nothing is loaded or saved that the next entry would only undo. Each EENTER takes the TCS, and asks whether
// what eenter() has checked still holds. LANE_SERVE_END says why it returns; SERVE_LEFT: the enclave left in another way.
#define CLOSE_POLLS 128
    .globl coffer_serve_turns
    .type coffer_serve_turns, @function
coffer_serve_turns:
    SAVE_HOST
    mov LANE_ENCLAVE_FS(%rdi), %rax
    wrfsbase %rax
    mov LANE_ENCLAVE_GS(%rdi), %rax
    rdgsbase %rcx
    cmp %rax, %rcx
    je .Lgs_is_right
    wrgsbase %rax
.Lgs_is_right:
    mov LANE_SLOT(%rdi), %rsi
.Lwait:
    mov $CLOSE_POLLS, %edx
.Lclose_look:
    cmpl $TURN_CELL, SLOT_TURN(%rsi)
    je .Lturn
    lfence  // a fifth of PAUSE
    dec %edx
    jnz .Lclose_look
    mov LANE_POLLS(%rdi), %ecx
.Llook:
    cmpl $TURN_CELL, SLOT_TURN(%rsi)
    je .Lturn
    pause
    dec %ecx
    jnz .Llook
    movq $SERVE_NO_TURN, LANE_SERVE_END(%rdi)
    jmp .Lto_host

.Lturn:
    mov LANE_THREAD(%rdi), %r10
    mov $1, %eax
    xchg %al, THREAD_BUSY(%r10)
    test %al, %al
    jnz .Lrefused
    mov LANE_GENERATION_NOW(%rdi), %rax
    mov (%rax), %rax
    cmp LANE_GENERATION(%rdi), %rax
    jne .Lrelease
    cmpl $0, THREAD_CSSA(%r10)
    jne .Lrelease
    mov %rdi, THREAD_LANE(%r10)
    movq $0, THREAD_LEFT_FS(%r10)
    mov %rdi, %r11
    incq LANE_TURNS(%r11)
    movq $SERVE_LEFT, LANE_SERVE_END(%r11)
    mov LANE_SSA_GPR(%r11), %rax
    mov %rsp, SGX_GPR_URSP(%rax)
    mov %rbp, SGX_GPR_URBP(%rax)
    mov SLOT_RDI(%rsi), %rdi
    mov SLOT_RDX(%rsi), %rdx
    mov SLOT_R8(%rsi), %r8
    mov SLOT_R9(%rsi), %r9
    mov SLOT_RSI(%rsi), %rsi
    movq $1, LANE_INSIDE(%r11)
    xor %eax, %eax
    mov LANE_TCS_ADDRESS(%r11), %rbx
    lea coffer_exit_landing(%rip), %rcx
    jmp *LANE_ENTRY(%r11)

// The exit gate's way back: R11 = lane, R10 = its thread, RAX = slot; the registers are the request's.
.Lgive_back:
    movq $0, LANE_INSIDE(%r11)
    mov %rdi, SLOT_RDI(%rax)
    mov %rsi, SLOT_RSI(%rax)
    mov %rdx, SLOT_RDX(%rax)
    mov %r8, SLOT_R8(%rax)
    mov %r9, SLOT_R9(%rax)
    movq $0, SLOT_TURN(%rax)  // kHost, and kRequest behind it
    mov LANE_HOST_RSP(%r11), %rsp
    movq $0, THREAD_LANE(%r10)
    movb $0, THREAD_BUSY(%r10)
    CLEAR_FOREIGN_FLAGS
    mov %r11, %rdi
    mov %rax, %rsi
    xor %eax, %eax
    lock xadd %eax, SLOT_HOST_SLEEPS(%rsi)  // boundary/turns.h says why
    test %eax, %eax
    jz .Lwait
    movq $SERVE_PEER_SLEEPS, LANE_SERVE_END(%rdi)
    jmp .Lto_host

.Lrelease:
    movb $0, THREAD_BUSY(%r10)
.Lrefused:
    movq $SERVE_REFUSED, LANE_SERVE_END(%rdi)
.Lto_host:
    mov LANE_HOST_FS(%rdi), %rax
    wrfsbase %rax
    mov LANE_HOST_RSP(%rdi), %rsp
    jmp coffer_exit_landing
    .size coffer_serve_turns, . - coffer_serve_turns

// R11 = the lane of the thread inside at the TCS that R10 names, R10 = its ThreadState, from R11 = GateDescriptor*.
.macro FIND_LANE
    sub GATE_BASE(%r11), %r10
    cmp GATE_SIZE(%r11), %r10
    jae .Lbad_tcs
    shr $12, %r10
    mov GATE_THREADS(%r11), %r11
    mov (%r11,%r10,8), %r10
    test %r10, %r10
    jz .Lbad_tcs
    mov THREAD_LANE(%r10), %r11
    test %r11, %r11
    jz .Lbad_tcs
.endm

// What a patched EEXIT site of Coffer's kernel jumps to, with the registers of the gate below. The thread's next EENTER
// finds the FS base that it leaves with, which the kernel would load again anyway.
    .globl coffer_exit_gate
    .type coffer_exit_gate, @function
coffer_exit_gate:
    FIND_LANE
    cmp $SGX_ENCLU_EEXIT, %eax
    jne .Lbad_tcs
    rdfsbase %rax
    mov %rax, THREAD_LEFT_FS(%r10)
    mov LANE_SLOT(%r11), %rax
    test %rax, %rax
    jz .Lexit
    cmp $REQUEST_FIRST_REMOTE, %rdi
    jb .Lexit
    cmp $REQUEST_FILE_READ, %rdi  // reads and writes may be of a file that is open here: C++ looks
    je .Lexit
    cmp $REQUEST_FILE_READ + 1, %rdi
    jne .Lgive_back
    jmp .Lexit
    .size coffer_exit_gate, . - coffer_exit_gate

// The gate: what a patched ENCLU site calls. R11 = GateDescriptor*, R10 = the TCS's address, RAX = leaf, operands in
// RBX, RCX, RDX; the return address is on the enclave's stack. R10 and R11 are clobbered, RAX holds the result.
    .globl coffer_gate
    .type coffer_gate, @function
coffer_gate:
    FIND_LANE
    cmp $SGX_ENCLU_EEXIT, %eax
    jne .Lleaf

.Lexit:
    mov %rdi, LANE_RDI(%r11)
    mov %rsi, LANE_RSI(%r11)
    mov %rdx, LANE_RDX(%r11)
    mov %r8, LANE_R8(%r11)
    mov %r9, LANE_R9(%r11)
    LOAD_HOST_SEGMENTS %r11, %rax
    movq $EXIT_KIND_EEXIT, LANE_EXIT_KIND(%r11)
    mov LANE_HOST_RSP(%r11), %rsp
    jmp coffer_exit_landing

.Lleaf:
    mov %rsp, %r10
    mov LANE_HOST_RSP(%r11), %rsp
    and $-16, %rsp
    push %r10
    push %r10  // twice, for the alignment
    pushfq
    push %rdi
    push %rsi
    push %r8
    push %r9
    push %r11
    push %rdx
    push %rcx
    push %rbx
    push %rax
    mov $0xe7, %eax
    xor %edx, %edx
    xsave64 LANE_XSAVE(%r11)
    rdfsbase %rax
    mov %rax, LANE_ENCLAVE_FS(%r11)
    rdgsbase %rax
    mov %rax, LANE_ENCLAVE_GS(%r11)
    LOAD_HOST_SEGMENTS %r11, %rax
    pushq $0x202
    popfq
    mov %r11, %rdi
    mov %rsp, %rsi
    call coffer_gate_leaf
    mov 32(%rsp), %r11
    mov %rax, (%rsp)
    mov $0xe7, %eax
    xor %edx, %edx
    xrstor64 LANE_XSAVE(%r11)
    LOAD_ENCLAVE_SEGMENTS %r11, %rax, %rcx
    pop %rax
    pop %rbx
    pop %rcx
    pop %rdx
    pop %r11
    pop %r9
    pop %r8
    pop %rsi
    pop %rdi
    popfq
    pop %rsp
// The enclave's own stack may have been paged out: a fault here is the enclave's, as one at an instruction of its own.
    .globl coffer_gate_return
coffer_gate_return:
    ret

// The enclave named a TCS that nobody is inside of: as a #GP of the ENCLU instruction, which the trap handler sees.
    .globl coffer_gate_bad_tcs
coffer_gate_bad_tcs:
.Lbad_tcs:
    ud2
    .size coffer_gate, . - coffer_gate

    .globl coffer_entry_end
coffer_entry_end:

// The restorer of the trap handlers: the only system call that Syscall User Dispatch lets pass while it blocks.
    .globl coffer_signal_return
    .type coffer_signal_return, @function
coffer_signal_return:
    mov $15, %eax
    syscall
    ud2  // the dispatcher looks at the address behind the instruction: it must be inside too
    .globl coffer_signal_return_end
coffer_signal_return_end:
    .size coffer_signal_return, . - coffer_signal_return

    .section .note.GNU-stack,"",@progbits
