// Offsets and numbers of the SGX architecture that assembler and C++ both need (Intel SDM volume 3D, chapter 34 and
// 37-39). Plain macros, because this file is included from .S files; sgx/arch.h proves each against the structures.
#pragma once

// TCS, SDM 3D table 34-5
#define SGX_TCS_CSSA 24
#define SGX_TCS_NSSA 28

// GPRSGX, SDM 3D table 34-10: offsets inside the 184-byte area at the end of an SSA frame
#define SGX_GPR_RAX 0
#define SGX_GPR_RCX 8
#define SGX_GPR_RDX 16
#define SGX_GPR_RBX 24
#define SGX_GPR_RSP 32
#define SGX_GPR_RBP 40
#define SGX_GPR_RSI 48
#define SGX_GPR_RDI 56
#define SGX_GPR_R8 64
#define SGX_GPR_R9 72
#define SGX_GPR_R10 80
#define SGX_GPR_R11 88
#define SGX_GPR_R12 96
#define SGX_GPR_R13 104
#define SGX_GPR_R14 112
#define SGX_GPR_R15 120
#define SGX_GPR_RFLAGS 128
#define SGX_GPR_RIP 136
#define SGX_GPR_URSP 144
#define SGX_GPR_URBP 152
#define SGX_GPR_EXITINFO 160
#define SGX_GPR_FSBASE 168
#define SGX_GPR_GSBASE 176
#define SGX_GPR_SIZE 184

// ENCLU leaves, SDM 3D table 36-2
#define SGX_ENCLU_EREPORT 0
#define SGX_ENCLU_EGETKEY 1
#define SGX_ENCLU_EENTER 2
#define SGX_ENCLU_ERESUME 3
#define SGX_ENCLU_EEXIT 4
#define SGX_ENCLU_EACCEPT 5
#define SGX_ENCLU_EMODPE 6
#define SGX_ENCLU_EACCEPTCOPY 7
#define SGX_ENCLU_EDECCSSA 9

#define SGX_PAGE_SIZE 4096
