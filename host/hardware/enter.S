// int coffer_hardware_enter(EnterFunction, unsigned leaf, Registers*, sgx_enclave_run*): one call of the vDSO's function,
// with the enclave's registers in and out. The function keeps RBX, RBP and RSP; every other register, the flags, MXCSR and
// the x87 unit are what the enclave left, which may be anything.

#define REGISTERS_RDI 0
#define REGISTERS_RSI 8
#define REGISTERS_RDX 16
#define REGISTERS_R8 24
#define REGISTERS_R9 32
#define CLEAN_FLAGS 2

    .text
    .globl coffer_hardware_enter
    .type coffer_hardware_enter, @function
coffer_hardware_enter:
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
    .cfi_offset %rbx, -24
    .cfi_offset %r12, -32
    .cfi_offset %r13, -40
    .cfi_offset %r14, -48
    .cfi_offset %r15, -56
    push %rdx
    sub $8, %rsp
    stmxcsr (%rsp)
    fnstcw 4(%rsp)
    push %rcx  // the seventh argument; the stack is aligned now
    mov %rdi, %rax
    mov %rdx, %r10
    mov %esi, %ecx
    mov REGISTERS_RDI(%r10), %rdi
    mov REGISTERS_RSI(%r10), %rsi
    mov REGISTERS_RDX(%r10), %rdx
    mov REGISTERS_R8(%r10), %r8
    mov REGISTERS_R9(%r10), %r9
    call *%rax
    pushq $CLEAN_FLAGS
    popfq
    add $8, %rsp
    fninit
    fldcw 4(%rsp)
    ldmxcsr (%rsp)
    add $8, %rsp
    pop %r10
    mov %rdi, REGISTERS_RDI(%r10)
    mov %rsi, REGISTERS_RSI(%r10)
    mov %rdx, REGISTERS_RDX(%r10)
    mov %r8, REGISTERS_R8(%r10)
    mov %r9, REGISTERS_R9(%r10)
    pop %r15
    pop %r14
    pop %r13
    pop %r12
    pop %rbx
    pop %rbp
    .cfi_def_cfa %rsp, 8
    ret
    .cfi_endproc
    .size coffer_hardware_enter, . - coffer_hardware_enter
    .section .note.GNU-stack,"",@progbits
