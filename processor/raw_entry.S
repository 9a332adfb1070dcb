// ENCLU of ordinary code, as a call: EENTER and ERESUME with every register as the architecture leaves it, and EEXIT
// from patched sites. The C++ side is raw_entry.cc. As in entry.S, the FS base may be either side's in here.

#include "processor/lane_offsets.h"
#include "sgx/offsets.h"

// Both bases are exactly the other side's: ordinary code may look at them.
.macro LOAD_ENCLAVE_SEGMENTS lane, scratch
    mov LANE_ENCLAVE_FS(\lane), \scratch
    wrfsbase \scratch
    mov LANE_ENCLAVE_GS(\lane), \scratch
    wrgsbase \scratch
    movb $1, LANE_DISPATCH(\lane)
    movq $1, LANE_INSIDE(\lane)
.endm

.macro LOAD_HOST_SEGMENTS lane, scratch
    movq $0, LANE_INSIDE(\lane)
    movb $0, LANE_DISPATCH(\lane)
    mov LANE_HOST_FS(\lane), \scratch
    wrfsbase \scratch
    mov LANE_HOST_GS(\lane), \scratch
    wrgsbase \scratch
.endm

    .text
    .globl coffer_raw_begin
coffer_raw_begin:

// Called in place of ENCLU: EAX = EENTER or ERESUME, RBX = TCS, RCX = AEP, on the stack the address behind the
// instruction. Comes back there after EEXIT, or, where the leaf faults, where raw_entry.cc puts the return address.
    .globl coffer_raw_enclu
    .type coffer_raw_enclu, @function
coffer_raw_enclu:
    push %r11
    push %r10
    push %r9
    push %r8
    push %rdi
    push %rsi
    push %rdx
    push %rcx
    push %rbx
    push %rax
    mov %rsp, %rdi
    mov %rbp, %rsi
    push %rbp
    mov %rsp, %rbp
    and $-16, %rsp
    call coffer_raw_prepare
    mov %rbp, %rsp
    pop %rbp
    test %rax, %rax
    jz .Lfault
    cmpl $SGX_ENCLU_ERESUME, (%rsp)
    je .Lresume

    mov %rax, %r11
    mov 80(%rsp), %rcx  // EENTER tells the enclave where the instruction ends
    mov LANE_ENTRY(%r11), %rax
    mov %rax, 80(%rsp)
    LOAD_ENCLAVE_SEGMENTS %r11, %rax
    mov LANE_CSSA(%r11), %rax
    mov 24(%rsp), %rdx
    mov 32(%rsp), %rsi
    mov 40(%rsp), %rdi
    mov 48(%rsp), %r8
    mov 56(%rsp), %r9
    mov 64(%rsp), %r10
    mov 72(%rsp), %r11
    lea 80(%rsp), %rsp
    ret  // to the entry point, with RSP as the caller had it

.Lresume:
    mov %rax, %rdi
    jmp coffer_resume_raw

.Lfault:
    pop %rax
    pop %rbx
    pop %rcx
    pop %rdx
    pop %rsi
    pop %rdi
    pop %r8
    pop %r9
    pop %r10
    pop %r11
    ret
    .size coffer_raw_enclu, . - coffer_raw_enclu

// Where patched EEXIT sites go: RBX = target, RCX = ExitSites*. RAX is EEXIT's, RCX the AEP afterwards: both are free
// until then; no stack is used, because RSP is whatever the enclave says. Arithmetic flags are not kept.
    .globl coffer_raw_exit
    .type coffer_raw_exit, @function
coffer_raw_exit:
    rdfsbase %rax
    sub EXIT_SITES_BASE(%rcx), %rax
    cmp EXIT_SITES_SIZE(%rcx), %rax
    jae .Ltrap
    shr $12, %rax
    mov EXIT_SITES_THREADS(%rcx), %rcx
    mov (%rcx,%rax,8), %rax
    test %rax, %rax
    jz .Ltrap
    mov THREAD_LANE(%rax), %rcx
    test %rcx, %rcx
    jz .Ltrap
    LOAD_HOST_SEGMENTS %rcx, %rax
    mov LANE_THREAD(%rcx), %rax
    movq $0, LANE_THREAD(%rcx)
    movq $0, THREAD_LANE(%rax)
    mov LANE_AEP(%rcx), %rcx
    movb $0, THREAD_BUSY(%rax)
    mov $SGX_ENCLU_EEXIT, %eax
    jmp *%rbx
// Nobody's FS base says whose exit it is: the trap knows.
.Ltrap:
    mov $SGX_ENCLU_EEXIT, %eax
    .globl coffer_raw_exit_trap
coffer_raw_exit_trap:
    .byte 0x0f, 0x01, 0xd7
    .size coffer_raw_exit, . - coffer_raw_exit

    .globl coffer_raw_end
coffer_raw_end:
    .section .note.GNU-stack,"",@progbits
