// Where things stand in the small enclave and what it understands; shared by small_enclave.S and its users.
#pragma once

#define SE_SIZE 0x10000
#define SE_TCS 0x0       // two TCS pages
#define SE_CODE 0x2000   // R-X
#define SE_DATA 0x3000   // RW-; FS base of the first thread
#define SE_SSA 0x4000    // two frames for each thread
#define SE_DATA2 0x8000  // RW-; FS base of the second thread
#define SE_FREE 0x9000   // never added

// Commands in RDI.
#define SE_CMD_EXIT 0   // RDI = RAX, RSI = RBX, RDX = RCX as EENTER set them
#define SE_CMD_STORE 1  // RSI to the address in RDX
#define SE_CMD_LOAD 2   // RSI = what stands at RDX
#define SE_CMD_LEAF 3   // ENCLU with RAX = RSI, RBX = RDX, RCX = R8; RDI = RAX afterwards
#define SE_CMD_PUSH 4   // RSI on the caller's stack, and leaves RSP there
#define SE_CMD_UD2 5
#define SE_CMD_SPIN 6   // until the word at RDX is not zero
#define SE_CMD_ENCLU 7  // leaves as SE_CMD_EXIT does, by an ENCLU that nothing can be done about
