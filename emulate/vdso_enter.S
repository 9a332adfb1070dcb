// __vdso_sgx_enter_enclave, after the contract in the kernel's <asm/sgx.h>:
//
//   int f(rdi, rsi, rdx, function, r8, r9, struct sgx_enclave_run* run)
//
// -EINVAL where the function is neither EENTER nor ERESUME or a reserved byte of `run` is set. RBX and RBP are kept,
// every other general register is the enclave's. ENCLU is a call here; its exceptions go to the landing
// (processor/raw_entry.h): EAX the leaf, DI the vector, SI the error code, RDX the address.

#include "sgx/offsets.h"

#define RUN_OF_FRAME 16
#define RUN_TCS 0
#define RUN_FUNCTION 8
#define RUN_VECTOR 12
#define RUN_ERROR_CODE 14
#define RUN_ADDRESS 16
#define RUN_HANDLER 24
#define RUN_RESERVED 40
#define RUN_SIZE 256
#define MINUS_EINVAL -22

    .text
    .globl coffer_vdso_enter
    .type coffer_vdso_enter, @function
coffer_vdso_enter:
    .cfi_startproc
    push %rbp
    .cfi_def_cfa_offset 16
    .cfi_offset %rbp, -16
    mov %rsp, %rbp
    .cfi_def_cfa_register %rbp
    push %rbx
    .cfi_offset %rbx, -24
    mov %ecx, %eax

.Lagain:
    lea -SGX_ENCLU_EENTER(%rax), %ecx
    cmp $(SGX_ENCLU_ERESUME - SGX_ENCLU_EENTER), %ecx
    ja .Linvalid
    mov RUN_OF_FRAME(%rbp), %rbx
    mov $RUN_RESERVED, %ecx
.Lreserved:
    cmpq $0, (%rbx,%rcx)
    jne .Linvalid
    add $8, %ecx
    cmp $RUN_SIZE, %ecx
    jb .Lreserved
    mov RUN_TCS(%rbx), %rbx
    lea coffer_vdso_enclu(%rip), %rcx

    .globl coffer_vdso_enclu
coffer_vdso_enclu:  // of the first entry, and where asynchronous exits come out: again with ERESUME
    call coffer_raw_enclu

    mov RUN_OF_FRAME(%rbp), %rbx
    movl $SGX_ENCLU_EEXIT, RUN_FUNCTION(%rbx)
.Ltell:
    cmpq $0, RUN_HANDLER(%rbx)
    jne .Lhandler
    xor %eax, %eax
.Lreturn:
    mov -8(%rbp), %rbx
    mov %rbp, %rsp
    pop %rbp
    .cfi_remember_state
    .cfi_def_cfa %rsp, 8
    ret
    .cfi_restore_state

.Linvalid:
    mov $MINUS_EINVAL, %eax
    jmp .Lreturn

    .globl coffer_vdso_landing
coffer_vdso_landing:
    mov RUN_OF_FRAME(%rbp), %rbx
    mov %eax, RUN_FUNCTION(%rbx)
    mov %di, RUN_VECTOR(%rbx)
    mov %si, RUN_ERROR_CODE(%rbx)
    mov %rdx, RUN_ADDRESS(%rbx)
    jmp .Ltell

// The handler gets the enclave's RDI, RSI, RDX, R8 and R9, the stack pointer that the enclave left, and `run` on the
// stack. What it answers is an ENCLU function, or, not above 0, the caller's result. The enclave may have put data on
// the stack: RSP is given back as it was.
.Lhandler:
    mov %rsp, %rcx
    mov %rbx, %rax
    mov %rsp, %rbx
    and $-16, %rsp
    push %rbx
    push %rax
    cld
    call *RUN_HANDLER(%rax)
    mov %rbx, %rsp
    test %eax, %eax
    jle .Lreturn
    jmp .Lagain
    .cfi_endproc
    .size coffer_vdso_enter, . - coffer_vdso_enter
    .section .note.GNU-stack,"",@progbits
