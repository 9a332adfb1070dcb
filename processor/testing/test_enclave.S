// A tiny enclave that does on command what the processor's tests want to see: exits, leaves, faults of every kind, and
// loops that watch over all registers. Position-independent; its bytes are EADDed, never executed where they stand.

#include "processor/testing/test_enclave_layout.h"
#include "sgx/offsets.h"

    .section .rodata.coffer_test_enclave,"a",@progbits
    .balign 4096
    .globl coffer_test_code_begin
coffer_test_code_begin:
.Lcode:

#define DATA(offset) (.Lcode + TE_DATA + offset)(%rip)

// ENCLU in the form that a fast path may replace (processor/patch.h).
.macro ENCLU_SITE
    .balign 16, 0x90
    .byte 0x0f, 0x01, 0xd7, 0x66, 0x2e, 0x0f, 0x1f, 0x84, 0, 0, 0, 0, 0, 0x0f, 0x1f, 0
.endm

// The same for an EEXIT that nothing comes back from.
.macro EXIT_SITE
    .balign 16, 0x90
    .byte 0x0f, 0x01, 0xd7, 0x66, 0x2e, 0x0f, 0x1f, 0x84, 0, 1, 0, 0, 0, 0x0f, 0x1f, 0
.endm

    mov %rbx, %gs:TE_GS_TCS
    mov %rcx, %gs:TE_GS_AEP
    mov %rax, %gs:TE_GS_CSSA
    mov %rsp, %gs:TE_GS_RSP
    mov %rbp, %gs:TE_GS_RBP
    lea TE_BLOCK+0x2000(%rbx), %rsp
    test %rax, %rax
    jz 1f
    lea TE_BLOCK+0x1000(%rbx), %rsp
    cmpl $0, DATA(TE_HANDLER)
    je 1f
2:  incq DATA(TE_HANDLED)
    cmpl $1, DATA(TE_HANDLER)
    je 2b
1:  cmp $TE_CMD_LEAF, %rdi
    je .Lleaf
    cmp $TE_CMD_PATTERN, %rdi
    je .Lpattern
    cmp $TE_CMD_STACKS, %rdi
    je .Lstacks
    cmp $TE_CMD_EXIT_SITE, %rdi
    je .Lexit_site
    cmp $TE_CMD_EXCEPTION, %rdi
    je .Lexception
    cmp $TE_CMD_FILL, %rdi
    je .Lfill
    cmp $TE_CMD_SUM, %rdi
    je .Lsum
    cmp $TE_CMD_LOAD, %rdi
    je .Lload
    cmp $TE_CMD_STORE, %rdi
    je .Lstore
    cmp $TE_CMD_RESUME, %rdi
    je .Lresume
    cmp $TE_CMD_QUIET_LEAF, %rdi
    je .Lquiet_leaf
.Lidentify:
    mov %rax, %rdi
    mov %rbx, %rsi
    mov %rcx, %rdx
    rdfsbase %r8
    rdgsbase %r9
.Lexit:
    mov %gs:TE_GS_TCS, %r10
    mov %gs:TE_GS_AEP, %rbx
    mov $SGX_ENCLU_EEXIT, %eax
    ENCLU_SITE
    ud2

.Lexit_site:
    wrfsbase %rdx
    mov %rsi, %rax
    mov %gs:TE_GS_TCS, %r10
    mov %gs:TE_GS_AEP, %rbx
    EXIT_SITE
    ud2

.Lstacks:
    mov %gs:TE_GS_RSP, %rdi
    mov %gs:TE_GS_RBP, %rsi
    jmp .Lexit

.Lleaf:
    mov %rsi, %rax
    mov %rdx, %rbx
    mov %r8, %rcx
    mov %r9, %rdx
    mov %gs:TE_GS_TCS, %r10
    ENCLU_SITE
    mov %rax, %rdi
    pushfq
    pop %rsi
    mov %rdx, %r9
    mov %rbx, %rdx
    mov %rcx, %r8
    jmp .Lexit

.Lexception:
    cmpl $3, DATA(TE_HANDLER)
    jne .Lidentify
    mov $TE_DENIED, %edi
    jmp .Lexit
.Lresume:
    mov $1, %edi
    jmp .Lexit
.Lquiet_leaf:
    mov %rsi, %rax
    mov %rdx, %rbx
    mov %r8, %rcx
    mov %r9, %rdx
    mov %gs:TE_GS_TCS, %r10
    ENCLU_SITE
    mov %rax, %rsi
    jmp .Lgood
.Lfill:
    mov $512, %ecx
1:  mov %rdx, (%rsi)
    add %r8, %rdx
    add $8, %rsi
    dec %ecx
    jnz 1b
    jmp .Lgood
.Lsum:
    mov $512, %ecx
    xor %eax, %eax
1:  rol $7, %rax
    xor (%rsi), %rax
    add $8, %rsi
    dec %ecx
    jnz 1b
    mov %rax, %rsi
    jmp .Lgood
.Lload:
    mov (%rsi), %rsi
    jmp .Lgood
.Lstore:
    mov %rdx, (%rsi)
.Lgood:
    xor %edi, %edi
    jmp .Lexit

.altmacro
.macro LOAD_ONE instruction, width, i, base
    \instruction (.Lcode + TE_DATA + \base + \i * 64)(%rip), %\width\i
.endm
.macro STORE_ONE instruction, width, i, base
    \instruction %\width\i, (.Lcode + TE_DATA + \base + \i * 64)(%rip)
.endm
.macro LOAD_ALL instruction, width, count
    .set .Li, 0
    .rept \count
        LOAD_ONE \instruction, \width, %.Li, TE_VECTORS_IN
        .set .Li, .Li + 1
    .endr
.endm
.macro STORE_ALL instruction, width, count
    .set .Li, 0
    .rept \count
        STORE_ONE \instruction, \width, %.Li, TE_VECTORS_OUT
        .set .Li, .Li + 1
    .endr
.endm
.macro MOVE_K load, i
    .if \load
        kmovw (.Lcode + TE_DATA + TE_K_IN + \i * 8)(%rip), %k\i
    .else
        kmovw %k\i, (.Lcode + TE_DATA + TE_K_OUT + \i * 8)(%rip)
    .endif
.endm
.macro MOVE_ALL_K load
    .set .Li, 0
    .rept 8
        MOVE_K \load, %.Li
        .set .Li, .Li + 1
    .endr
.endm

.Lpattern:
    lea .Lbodies(%rip), %rax
    movslq (%rax,%rsi,4), %rcx
    add %rcx, %rax
    mov %rax, DATA(TE_JUMP)
    mov DATA(TE_LEVEL), %rax
    cmp $1, %rax
    jb 1f
    je 2f
    LOAD_ALL vmovdqu64, zmm, 32
    MOVE_ALL_K 1
    jmp 3f
2:  LOAD_ALL vmovdqu, ymm, 16
    jmp 3f
1:  LOAD_ALL movdqu, xmm, 16
3:  fninit
    fldt DATA(TE_X87_IN + 96)
    fldt DATA(TE_X87_IN + 80)
    fldt DATA(TE_X87_IN + 64)
    fldt DATA(TE_X87_IN + 48)
    fldt DATA(TE_X87_IN + 32)
    fldt DATA(TE_X87_IN + 16)
    fldt DATA(TE_X87_IN)
    fldcw DATA(TE_FCW_IN)
    ldmxcsr DATA(TE_MXCSR_IN)
    pushq DATA(TE_REGS_IN + 128)
    popfq
    mov DATA(TE_REGS_IN), %rax
    mov DATA(TE_REGS_IN + 8), %rcx
    mov DATA(TE_REGS_IN + 16), %rdx
    mov DATA(TE_REGS_IN + 24), %rbx
    mov DATA(TE_REGS_IN + 32), %rsp
    mov DATA(TE_REGS_IN + 40), %rbp
    mov DATA(TE_REGS_IN + 48), %rsi
    mov DATA(TE_REGS_IN + 56), %rdi
    mov DATA(TE_REGS_IN + 64), %r8
    mov DATA(TE_REGS_IN + 72), %r9
    mov DATA(TE_REGS_IN + 80), %r10
    mov DATA(TE_REGS_IN + 88), %r11
    mov DATA(TE_REGS_IN + 96), %r12
    mov DATA(TE_REGS_IN + 104), %r13
    mov DATA(TE_REGS_IN + 112), %r14
    mov DATA(TE_REGS_IN + 120), %r15
    jmp *DATA(TE_JUMP)

.Lafter:  // none of these instructions changes RFLAGS before they are stored
    mov %rax, DATA(TE_REGS_OUT)
    mov %rcx, DATA(TE_REGS_OUT + 8)
    mov %rdx, DATA(TE_REGS_OUT + 16)
    mov %rbx, DATA(TE_REGS_OUT + 24)
    mov %rsp, DATA(TE_REGS_OUT + 32)
    mov %rbp, DATA(TE_REGS_OUT + 40)
    mov %rsi, DATA(TE_REGS_OUT + 48)
    mov %rdi, DATA(TE_REGS_OUT + 56)
    mov %r8, DATA(TE_REGS_OUT + 64)
    mov %r9, DATA(TE_REGS_OUT + 72)
    mov %r10, DATA(TE_REGS_OUT + 80)
    mov %r11, DATA(TE_REGS_OUT + 88)
    mov %r12, DATA(TE_REGS_OUT + 96)
    mov %r13, DATA(TE_REGS_OUT + 104)
    mov %r14, DATA(TE_REGS_OUT + 112)
    mov %r15, DATA(TE_REGS_OUT + 120)
    mov %gs:TE_GS_TCS, %rax
    lea TE_BLOCK+0x2000(%rax), %rsp
    pushfq
    popq DATA(TE_REGS_OUT + 128)
    pushq $0x202
    popfq
    stmxcsr DATA(TE_MXCSR_OUT)
    fnstcw DATA(TE_FCW_OUT)
    fstpt DATA(TE_X87_OUT)
    fstpt DATA(TE_X87_OUT + 16)
    fstpt DATA(TE_X87_OUT + 32)
    fstpt DATA(TE_X87_OUT + 48)
    fstpt DATA(TE_X87_OUT + 64)
    fstpt DATA(TE_X87_OUT + 80)
    fstpt DATA(TE_X87_OUT + 96)
    fninit
    mov DATA(TE_LEVEL), %rax
    cmp $1, %rax
    jb 1f
    je 2f
    MOVE_ALL_K 0
    STORE_ALL vmovdqu64, zmm, 32
    jmp 3f
2:  STORE_ALL vmovdqu, ymm, 16
    jmp 3f
1:  STORE_ALL movdqu, xmm, 16
3:  movl $0x1f80, DATA(TE_SCRATCH)
    ldmxcsr DATA(TE_SCRATCH)
    xor %edi, %edi
    jmp .Lexit

    .balign 4
.Lbodies:
    .long .Lafter - .Lbodies
    .long .Lbody_ud2 - .Lbodies
    .long .Lbody_int3 - .Lbodies
    .long .Lbody_divide - .Lbodies
    .long .Lbody_load - .Lbodies
    .long .Lbody_store - .Lbodies
    .long .Lbody_jump - .Lbodies
    .long .Lbody_syscall - .Lbodies
    .long .Lbody_hlt - .Lbodies
    .long .Lbody_simd - .Lbodies
    .long .Lbody_x87 - .Lbodies
    .long .Lbody_misaligned - .Lbodies
    .long .Lbody_int1 - .Lbodies
    .long .Lbody_enclu - .Lbodies
    .long .Lbody_raw_enclu - .Lbodies
    .long .Lbody_spin - .Lbodies
    .long .Lwatch_sse - .Lbodies
    .long .Lwatch_avx - .Lbodies
    .long .Lwatch_avx512 - .Lbodies
    .long .Lbody_cpuid - .Lbodies

// Where each body's faulting instruction stands and how long it is, for the tests.
    .globl coffer_test_faults
    .balign 4
coffer_test_faults:
    .long .Lafter - .Lcode, 0
    .long .Lbody_ud2 - .Lcode, 2
    .long .Lbody_int3 - .Lcode, 1
    .long .Lbody_divide - .Lcode, .Lbody_load - .Lbody_divide - 5
    .long .Lbody_load - .Lcode, 3
    .long .Lbody_store - .Lcode, 3
    .long .Lbody_jump - .Lcode, 2
    .long .Lbody_syscall - .Lcode, 2
    .long .Lbody_hlt - .Lcode, 1
    .long .Lbody_simd - .Lcode, .Lbody_x87 - .Lbody_simd - 5
    .long .Lx87_wait - .Lcode, 1
    .long .Lbody_misaligned - .Lcode, .Lbody_int1 - .Lbody_misaligned - 5
    .long .Lbody_int1 - .Lcode, 1
    .long .Lbody_enclu - .Lcode, 3
    .long .Lbody_raw_enclu - .Lcode, 3
    .long 0, 0, 0, 0, 0, 0, 0, 0  // nothing of these faults
    .long .Lbody_cpuid - .Lcode, 2

// Jumps of five bytes whatever the distance, so that the table above can take lengths.
.macro GO_ON
    .byte 0xe9
    .long .Lafter - . - 4
.endm

.Lbody_ud2:
    ud2
    GO_ON
.Lbody_int3:
    int3
    GO_ON
.Lbody_divide:
    divl DATA(TE_ZERO)
    GO_ON
.Lbody_load:
    mov (%rax), %rax
    GO_ON
.Lbody_store:
    mov %rax, (%rax)
    GO_ON
.Lbody_jump:
    jmp *%rax
    GO_ON
.Lbody_syscall:
    syscall
    GO_ON
.Lbody_hlt:
    hlt
    GO_ON
.Lbody_simd:
    divps DATA(TE_ZERO), %xmm0
    GO_ON
.Lbody_x87:
    fld1
    fdivs DATA(TE_ZERO)
.Lx87_wait:
    fwait
    GO_ON
.Lbody_misaligned:
    mov DATA(TE_ZERO + 1), %eax
    GO_ON
.Lbody_int1:
    .byte 0xf1
    GO_ON
    ENCLU_SITE
    .set .Lbody_enclu, . - 16
    GO_ON
.Lbody_raw_enclu:
    .byte 0x0f, 0x01, 0xd7
    GO_ON
.Lbody_cpuid:
    cpuid
    GO_ON
.Lbody_spin:
    pause
    incq DATA(TE_ROUNDS)
    cmpl $0, DATA(TE_STOP)
    je .Lbody_spin
    GO_ON

// Watching. Everything is compared with memory, so that no register is free of a pattern but the one that a vector
// comparison needs for its result.
.macro WATCH register, offset
    cmp DATA(\offset), %\register
    jne .Lgeneral_wrong
.endm
.macro WATCH_COMMON
    WATCH rax, TE_REGS_IN
    WATCH rcx, TE_REGS_IN+8
    WATCH rdx, TE_REGS_IN+16
    WATCH rbx, TE_REGS_IN+24
    WATCH rsp, TE_REGS_IN+32
    WATCH rbp, TE_REGS_IN+40
    WATCH rsi, TE_REGS_IN+48
    WATCH rdi, TE_REGS_IN+56
    WATCH r8, TE_REGS_IN+64
    WATCH r9, TE_REGS_IN+72
    WATCH r10, TE_REGS_IN+80
    WATCH r11, TE_REGS_IN+88
    WATCH r12, TE_REGS_IN+96
    WATCH r13, TE_REGS_IN+104
    WATCH r14, TE_REGS_IN+112
    WATCH r15, TE_REGS_IN+120
    .set .Li, 0
    .rept 7
        WATCH_X87 %.Li, %(.Li+1)
        .set .Li, .Li + 1
    .endr
    fnstcw DATA(TE_SCRATCH)
    cmpw $0x27f, DATA(TE_SCRATCH)
    jne .Lcontrol_wrong
    stmxcsr DATA(TE_SCRATCH)
    cmpl $0x7f80, DATA(TE_SCRATCH)
    jne .Lcontrol_wrong
    cmpl $0x5ec7e7, %fs:TE_SCRATCH+8
    jne .Lsegments_wrong
    incq DATA(TE_ROUNDS)
.endm
.macro WATCH_X87 i, next
    fldt (.Lcode + TE_DATA + TE_X87_IN + \i * 16)(%rip)
    fucomip %st(\next), %st
    jne .Lx87_wrong
    jp .Lx87_wrong
.endm
.macro WATCH_XMM i
    movdqa %xmm\i, %xmm15
    pxor (.Lcode + TE_DATA + TE_VECTORS_IN + \i * 64)(%rip), %xmm15
    ptest %xmm15, %xmm15
    jnz .Lvector_wrong
.endm
.macro WATCH_YMM i
    vpxor (.Lcode + TE_DATA + TE_VECTORS_IN + \i * 64)(%rip), %ymm\i, %ymm15
    vptest %ymm15, %ymm15
    jnz .Lvector_wrong
.endm
.macro WATCH_ZMM i
    vpcmpeqd (.Lcode + TE_DATA + TE_VECTORS_IN + \i * 64)(%rip), %zmm\i, %k0
    kortestw %k0, %k0
    jnc .Lvector_wrong
.endm
.macro WATCH_K i
    kmovw %k\i, DATA(TE_SCRATCH)
    cmpw $0xa5a0 + \i, DATA(TE_SCRATCH)
    jne .Lmask_wrong
.endm
.macro WATCH_MANY what, from, count
    .set .Li, \from
    .rept \count
        \what %.Li
        .set .Li, .Li + 1
    .endr
.endm

.Lwatch_sse:
    WATCH_COMMON
    WATCH_MANY WATCH_XMM, 0, 15
    cmpl $0, DATA(TE_STOP)
    je .Lwatch_sse
    movdqa DATA(TE_VECTORS_IN + 15 * 64), %xmm15
    jmp .Lafter
.Lwatch_avx:
    WATCH_COMMON
    WATCH_MANY WATCH_YMM, 0, 15
    cmpl $0, DATA(TE_STOP)
    je .Lwatch_avx
    vmovdqa DATA(TE_VECTORS_IN + 15 * 64), %ymm15
    jmp .Lafter
.Lwatch_avx512:
    WATCH_COMMON
    WATCH_MANY WATCH_ZMM, 0, 32
    WATCH_MANY WATCH_K, 1, 7
    cmpl $0, DATA(TE_STOP)
    je .Lwatch_avx512
    kmovw DATA(TE_K_IN), %k0
    jmp .Lafter

.Lgeneral_wrong:
    movq $1, DATA(TE_FAILED)
    jmp .Lafter
.Lx87_wrong:
    movq $2, DATA(TE_FAILED)
    jmp .Lafter
.Lcontrol_wrong:
    movq $3, DATA(TE_FAILED)
    jmp .Lafter
.Lsegments_wrong:
    movq $4, DATA(TE_FAILED)
    jmp .Lafter
.Lvector_wrong:
    movq $5, DATA(TE_FAILED)
    jmp .Lafter
.Lmask_wrong:
    movq $6, DATA(TE_FAILED)
    jmp .Lafter

    .globl coffer_test_code_end
coffer_test_code_end:

// void coffer_test_capture(Lane*): coffer_enter, then every register as the host finds it behind the exit, into
// coffer_test_captured: rax rcx rdx rsi rdi r8..r11, rbx rbp r12..r15, 32 vector registers of 64 bytes, k0..k7, MXCSR, FCW. The
// callee-saved registers hold 0x1111... before.
    .text
    .globl coffer_test_capture
    .type coffer_test_capture, @function
coffer_test_capture:
    push %rbx
    push %rbp
    push %r12
    push %r13
    push %r14
    push %r15
    sub $8, %rsp
    movabs $0x1111111111111111, %rbx
    mov %rbx, %rbp
    mov %rbx, %r12
    mov %rbx, %r13
    mov %rbx, %r14
    mov %rbx, %r15
    call coffer_enter
    mov %rax, coffer_test_captured(%rip)
    mov %rcx, coffer_test_captured+8(%rip)
    mov %rdx, coffer_test_captured+16(%rip)
    mov %rsi, coffer_test_captured+24(%rip)
    mov %rdi, coffer_test_captured+32(%rip)
    mov %r8, coffer_test_captured+40(%rip)
    mov %r9, coffer_test_captured+48(%rip)
    mov %r10, coffer_test_captured+56(%rip)
    mov %r11, coffer_test_captured+64(%rip)
    mov %rbx, coffer_test_captured+72(%rip)
    mov %rbp, coffer_test_captured+80(%rip)
    mov %r12, coffer_test_captured+88(%rip)
    mov %r13, coffer_test_captured+96(%rip)
    mov %r14, coffer_test_captured+104(%rip)
    mov %r15, coffer_test_captured+112(%rip)
    stmxcsr coffer_test_captured+120(%rip)
    fnstcw coffer_test_captured+124(%rip)
    cmpq $1, coffer_test_capture_level(%rip)
    jb 1f
    je 2f
.macro CAPTURE instruction, width, i
    \instruction %\width\i, (coffer_test_captured + 128 + \i * 64)(%rip)
.endm
.macro CAPTURE_ALL instruction, width, count
    .set .Li, 0
    .rept \count
        CAPTURE \instruction, \width, %.Li
        .set .Li, .Li + 1
    .endr
.endm
.macro CAPTURE_K i
    kmovw %k\i, (coffer_test_captured + 128 + 2048 + \i * 8)(%rip)
.endm
    CAPTURE_ALL vmovdqu64, zmm, 32
    WATCH_MANY CAPTURE_K, 0, 8
    jmp 3f
2:  CAPTURE_ALL vmovdqu, ymm, 16
    jmp 3f
1:  CAPTURE_ALL movdqu, xmm, 16
3:  add $8, %rsp
    pop %r15
    pop %r14
    pop %r13
    pop %r12
    pop %rbp
    pop %rbx
    ret
    .size coffer_test_capture, . - coffer_test_capture

    .bss
    .balign 64
    .globl coffer_test_captured
coffer_test_captured:
    .skip 128 + 2048 + 64
    .globl coffer_test_capture_level
coffer_test_capture_level:
    .skip 8

    .section .note.GNU-stack,"",@progbits
