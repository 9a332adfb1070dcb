// dlsym() of the program: the vDSO's function by its name, everything else by the C library's dlsym, which must see its
// real caller to find "the next definition".
    .text
    .globl dlsym
    .type dlsym, @function
dlsym:
    .cfi_startproc
    push %rdi
    .cfi_adjust_cfa_offset 8
    push %rsi
    .cfi_adjust_cfa_offset 8
    sub $8, %rsp
    .cfi_adjust_cfa_offset 8
    mov %rsi, %rdi
    call coffer_symbol_of_ours
    add $8, %rsp
    .cfi_adjust_cfa_offset -8
    pop %rsi
    .cfi_adjust_cfa_offset -8
    pop %rdi
    .cfi_adjust_cfa_offset -8
    test %rax, %rax
    jz 1f
    ret
1:  mov coffer_real_dlsym(%rip), %rax
    jmp *%rax
    .cfi_endproc
    .size dlsym, . - dlsym
    .section .note.GNU-stack,"",@progbits
