// An enclave as small as one can be, for programs that bring their own loader: the device layer's tests and bench.
#include "emulate/testing/small_enclave_layout.h"
#include "sgx/offsets.h"

    .section .rodata.coffer_small_enclave,"a",@progbits
    .balign 4096
    .globl coffer_small_code_begin
coffer_small_code_begin:
    mov %rcx, %fs:8
    lea .Lcommands(%rip), %r10
    movslq (%r10,%rdi,4), %r11
    add %r10, %r11
    jmp *%r11
.Lcommands:
    .long .Lidentify - .Lcommands, .Lstore - .Lcommands, .Lload - .Lcommands, .Lleaf - .Lcommands
    .long .Lpush - .Lcommands, .Lud2 - .Lcommands, .Lspin - .Lcommands, .Lslow - .Lcommands

.Lidentify:
    mov %rax, %rdi
    mov %rbx, %rsi
    mov %rcx, %rdx
.Lexit:
    mov %fs:8, %rbx
    mov $SGX_ENCLU_EEXIT, %eax
    .byte 0x0f, 0x01, 0xd7
    ud2
.Lstore:
    mov %rsi, (%rdx)
    jmp .Lexit
.Lload:
    mov (%rdx), %rsi
    jmp .Lexit
.Lleaf:
    mov %rsi, %rax
    mov %rdx, %rbx
    mov %r8, %rcx
    .byte 0x0f, 0x01, 0xd7
    mov %rax, %rdi
    jmp .Lexit
.Lpush:
    push %rsi
    jmp .Lexit
.Lud2:
    ud2
    jmp .Lexit
.Lspin:
    pause
    cmpq $0, (%rdx)
    je .Lspin
    jmp .Lexit
.Lslow:
    mov %rax, %rdi
    mov %rbx, %rsi
    mov %rcx, %rdx
    mov %fs:8, %rbx
    mov $(SGX_ENCLU_EEXIT * 2), %eax
    shr $1, %eax
    .byte 0x0f, 0x01, 0xd7
    ud2
    .balign 4096
    .section .note.GNU-stack,"",@progbits

    .text
// int coffer_small_call(function, Call* call, run, u64* lost)
    .globl coffer_small_call
    .type coffer_small_call, @function
coffer_small_call:
    .cfi_startproc
    push %rbp
    .cfi_def_cfa_offset 16
    .cfi_offset %rbp, -16
    mov %rsp, %rbp
    .cfi_def_cfa_register %rbp
    push %rbx
    push %r12
    push %r13
    push %r14
    push %r15
    push %rsi  // -48: Call*
    push %rcx  // -56: lost
    mov %rdi, %rax
    mov %rsi, %r10
    push %rbp
    push %rdx  // the seventh parameter
    mov 0(%r10), %rdi
    mov 8(%r10), %rsi
    mov 16(%r10), %rdx
    mov 24(%r10), %r8
    mov 32(%r10), %r9
    mov 40(%r10), %ecx
    mov $0x5ead, %ebx
    call *%rax
    mov $0, %r11d
    cmp $0x5ead, %rbx
    setne %r11b
    lea -72(%rbp), %r10
    cmp %rsp, %r10
    je 1f
    or $2, %r11d
1:  cmp %rbp, 8(%rsp)
    je 2f
    or $4, %r11d
2:  mov -48(%rbp), %r10
    mov %rdi, 0(%r10)
    mov %rsi, 8(%r10)
    mov %rdx, 16(%r10)
    mov %r8, 24(%r10)
    mov %r9, 32(%r10)
    mov -56(%rbp), %rcx
    mov %r11, (%rcx)
    lea -40(%rbp), %rsp
    pop %r15
    pop %r14
    pop %r13
    pop %r12
    pop %rbx
    pop %rbp
    .cfi_def_cfa %rsp, 8
    ret
    .cfi_endproc
    .size coffer_small_call, . - coffer_small_call
