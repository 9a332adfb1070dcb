// Two functions of each side through which a debugger's stack goes on at the other side's (boundary/call_frames.h); to be
// included after CALL_ANCHOR, CALL_BRIDGE and CALL_SIDE have been defined as the names of the functions and of the side.

// void CALL_ANCHOR(void (*function)(void*), void* context, FramePlace* place): calls function(context); meanwhile *place
// is this function's own context, from which its caller's frames can be found with RSP alone. `place` may be null.
    .text
    .p2align 4
    .globl CALL_ANCHOR
    .type CALL_ANCHOR, @function
CALL_ANCHOR:
.Lanchor_begin:
    .cfi_startproc
    push %rbp
    .cfi_adjust_cfa_offset 8
    .cfi_rel_offset %rbp, 0
    push %rbx
    .cfi_adjust_cfa_offset 8
    .cfi_rel_offset %rbx, 0
    push %r12
    .cfi_adjust_cfa_offset 8
    .cfi_rel_offset %r12, 0
    push %r13
    .cfi_adjust_cfa_offset 8
    .cfi_rel_offset %r13, 0
    push %r14
    .cfi_adjust_cfa_offset 8
    .cfi_rel_offset %r14, 0
    push %r15
    .cfi_adjust_cfa_offset 8
    .cfi_rel_offset %r15, 0
    push %rdx
    .cfi_adjust_cfa_offset 8
    mov %rdi, %rax
    mov %rsi, %rdi
    test %rdx, %rdx
    jz __morestack
    lea .Lanchored(%rip), %rcx
    mov %rcx, 0(%rdx)
    mov %rsp, 8(%rdx)
// GDB takes a stack that goes the wrong way for a damaged one, but for a function of this name: the one that GCC's split
// stacks go on elsewhere by. It is local, and the debugging information below has the name that is shown.
    .type __morestack, @function
__morestack:
    call *%rax
.Lanchored:
    pop %rdx
    .cfi_adjust_cfa_offset -8
    test %rdx, %rdx
    jz .Lunmarked
    movq $0, 0(%rdx)
.Lunmarked:
    pop %r15
    .cfi_adjust_cfa_offset -8
    .cfi_restore %r15
    pop %r14
    .cfi_adjust_cfa_offset -8
    .cfi_restore %r14
    pop %r13
    .cfi_adjust_cfa_offset -8
    .cfi_restore %r13
    pop %r12
    .cfi_adjust_cfa_offset -8
    .cfi_restore %r12
    pop %rbx
    .cfi_adjust_cfa_offset -8
    .cfi_restore %rbx
    pop %rbp
    .cfi_adjust_cfa_offset -8
    .cfi_restore %rbp
    ret
    .cfi_endproc
.Lanchor_end:
    .size __morestack, . - __morestack
    .size CALL_ANCHOR, . - CALL_ANCHOR

// void CALL_BRIDGE(void (*function)(void*), void* context, const FramePlace* target): calls function(context); for who
// unwinds, the frames below this one are those of *target, as it is now, where it is something. `target` may be null.
// The function must not throw: C++ knows no way across.
    .p2align 4
    .globl CALL_BRIDGE
    .type CALL_BRIDGE, @function
CALL_BRIDGE:
.Lbridge_begin:
    .cfi_startproc
    push %rbp
    .cfi_def_cfa_offset 16
    .cfi_offset %rbp, -16
    mov %rsp, %rbp
    .cfi_def_cfa_register %rbp
    sub $16, %rsp
    mov %rdi, %rax
    mov %rsi, %rdi
    mov 8(%rbp), %r8
    lea 16(%rbp), %r9
    test %rdx, %rdx
    jz .Lbridged
    mov 0(%rdx), %rcx
    test %rcx, %rcx
    jz .Lbridged
    mov %rcx, %r8
    mov 8(%rdx), %r9
.Lbridged:
    mov %r8, -8(%rbp)
    mov %r9, -16(%rbp)
    .cfi_remember_state
    .cfi_offset %rip, -24
    .cfi_offset %rsp, -32
    call *%rax
    nop
    .cfi_restore_state
    leave
    .cfi_def_cfa %rsp, 8
    .cfi_restore %rbp
    ret
    .cfi_endproc
.Lbridge_end:
    .size CALL_BRIDGE, . - CALL_BRIDGE

// What the debugger calls them (DWARF 4).
#define STRING_OF(text) #text
#define NAME_OF(name) STRING_OF(name)
    .section .debug_abbrev, "", @progbits
.Labbreviations:
    .uleb128 1, 0x11  // DW_TAG_compile_unit, with children
    .byte 1
    .uleb128 0x03, 0x08, 0x13, 0x0b, 0x11, 0x01, 0x12, 0x07  // name, language, low_pc, high_pc (a size)
    .byte 0, 0
    .uleb128 2, 0x2e  // DW_TAG_subprogram
    .byte 0
    .uleb128 0x03, 0x08, 0x3f, 0x19, 0x11, 0x01, 0x12, 0x07  // name, external, low_pc, high_pc
    .byte 0, 0
    .byte 0
    .section .debug_info, "", @progbits
    .long .Linfo_end - .Linfo_begin
.Linfo_begin:
    .short 4
    .long .Labbreviations
    .byte 8
    .uleb128 1
    .asciz NAME_OF(CALL_SIDE)
    .byte 0x0c  // C99
    .quad .Lanchor_begin
    .quad .Lbridge_end - .Lanchor_begin
    .uleb128 2
    .asciz NAME_OF(CALL_ANCHOR)
    .quad .Lanchor_begin
    .quad .Lanchor_end - .Lanchor_begin
    .uleb128 2
    .asciz NAME_OF(CALL_BRIDGE)
    .quad .Lbridge_begin
    .quad .Lbridge_end - .Lbridge_begin
    .byte 0
.Linfo_end:

    .section .note.GNU-stack, "", @progbits
