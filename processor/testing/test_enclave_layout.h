// Where things stand in the test enclave and what it understands; shared by test_enclave.S and its users.
#pragma once

#define TE_SIZE 0x100000
#define TE_LAYOUT 0x8000     // one R page for an ImageLayout; all code stands before it
#define TE_DATA 0x10000      // four RW pages; FS base
#define TE_READONLY 0x18000  // one R page
#define TE_THREADS 0x20000
#define TE_STRIDE 0x10000
#define TE_SSA 0x1000    // in a thread's block: its SSA frames, up to six pages
#define TE_BLOCK 0x8000  // in a thread's block: two RW pages with its variables (GS base) and its stacks
#define TE_HEAP 0x80000  // never added

// Commands in RDI at EENTER.
#define TE_CMD_IDENTIFY 0     // EEXIT with RDI = RAX, RSI = RBX, RDX = RCX as EENTER set them, R8 = FS, R9 = GS base
#define TE_CMD_LEAF 1         // ENCLU: RAX = RSI, RBX = RDX, RCX = R8, RDX = R9. Out: RDI = RAX, RSI = RFLAGS
#define TE_CMD_PATTERN 2      // loads every register from the data pages, runs body RSI, stores every register
#define TE_CMD_STACKS 3       // EEXIT with RDI = RSP, RSI = RBP as EENTER left them
#define TE_CMD_EXCEPTION 4    // a carrier's EnterCommand::kException. With TE_HANDLER 3: EEXIT with RDI = TE_DENIED
#define TE_CMD_FILL 5         // stores RDX, RDX + R8, RDX + 2 * R8, ... to the page at RSI
#define TE_CMD_SUM 6          // of the page at RSI: S = 0, then S = rotate-left(S, 7) ^ word for each. Out: RSI = S
#define TE_CMD_LOAD 7         // Out: RSI = the word at RSI
#define TE_CMD_STORE 8        // stores RDX to the word at RSI
#define TE_CMD_EXIT_SITE 9    // FS base = RDX; ENCLU with RAX = RSI through a site that only ever is EEXIT
#define TE_CMD_RESUME 10      // EEXIT with RDI = 1, a carrier's Request::kResume
#define TE_CMD_QUIET_LEAF 11  // as TE_CMD_LEAF, with nothing in RDI that a carrier takes for a request. Out: RSI = RAX
// TE_CMD_FILL to TE_CMD_STORE and TE_CMD_QUIET_LEAF use registers and the thread's own block alone, and leave with RDI
// 0.
#define TE_DENIED 0xde41ed

// Bodies of TE_CMD_PATTERN. What faults and is resumed behind its instruction goes on to store the registers.
#define TE_BODY_NOTHING 0
#define TE_BODY_UD2 1
#define TE_BODY_INT3 2
#define TE_BODY_DIVIDE 3
#define TE_BODY_LOAD 4   // mov (%rax),%rax
#define TE_BODY_STORE 5  // mov %rax,(%rax)
#define TE_BODY_JUMP 6   // jmp *%rax
#define TE_BODY_SYSCALL 7
#define TE_BODY_HLT 8
#define TE_BODY_SIMD 9  // divps of XMM0 by zeros
#define TE_BODY_X87 10  // 1/0 and fwait
#define TE_BODY_MISALIGNED 11
#define TE_BODY_INT1 12
#define TE_BODY_ENCLU 13      // through a site that can be patched; R10 = TCS
#define TE_BODY_RAW_ENCLU 14  // an instruction that nobody patches
#define TE_BODY_SPIN 15       // until TE_STOP
#define TE_BODY_WATCH_SSE 16  // verifies every register until TE_STOP; TE_FAILED says what was wrong
#define TE_BODY_WATCH_AVX 17
#define TE_BODY_WATCH_AVX512 18
#define TE_BODY_CPUID 19
#define TE_BODY_COUNT 20

// Offsets in the data pages.
#define TE_JUMP 0
#define TE_STOP 8
#define TE_ROUNDS 16
#define TE_FAILED 24
#define TE_SCRATCH 32
#define TE_ZERO 48   // sixteen zero bytes
#define TE_LEVEL 64  // 0: SSE, 1: AVX, 2: AVX-512
#define TE_HANDLER \
  72  // entries at CSSA > 0: 0 nothing special, 1 count rounds and stay, 2 count one and go on, 3 see above
#define TE_HANDLED 80     // those rounds
#define TE_REGS_IN 0x100  // rax rcx rdx rbx rsp rbp rsi rdi r8..r15 rflags
#define TE_REGS_OUT 0x200
#define TE_X87_IN 0x300  // seven registers, 16 bytes apart
#define TE_MXCSR_IN 0x380
#define TE_FCW_IN 0x384
#define TE_MXCSR_OUT 0x388
#define TE_FCW_OUT 0x38c
#define TE_X87_OUT 0x400
#define TE_K_IN 0x500
#define TE_K_OUT 0x540
#define TE_VECTORS_IN 0x1000  // 32 registers, 64 bytes apart
#define TE_VECTORS_OUT 0x1800
#define TE_OPERANDS 0x2000  // two pages for operands of leaves

// Variables in a thread's block.
#define TE_GS_TCS 0
#define TE_GS_AEP 8
#define TE_GS_CSSA 16
#define TE_GS_RSP 24
#define TE_GS_RBP 32
