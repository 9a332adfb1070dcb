// Offsets inside Lane, ThreadState and GateDescriptor that entry.S uses; entry.h proves them.
#pragma once

#define LANE_HOST_RSP 0
#define LANE_HOST_FS 8
#define LANE_HOST_GS 16
#define LANE_INSIDE 24
#define LANE_RDI 32
#define LANE_RSI 40
#define LANE_RDX 48
#define LANE_R8 56
#define LANE_R9 64
#define LANE_ENCLAVE_FS 72
#define LANE_ENCLAVE_GS 80
#define LANE_ENTRY 88
#define LANE_TCS_ADDRESS 96
#define LANE_CSSA 104
#define LANE_EXIT_KIND 112
#define LANE_SSA_GPR 120
#define LANE_XSAVE_MASK 128
#define LANE_DISPATCH 136
#define LANE_IRET_FRAME 144
#define LANE_RESUME_GPR 184
#define LANE_AEP 312
#define LANE_XSAVE 320
#define LANE_THREAD 3400
#define LANE_SLOT 3448
#define LANE_GENERATION_NOW 3456
#define LANE_GENERATION 3464
#define LANE_POLLS 3472
#define LANE_TURNS 3480
#define LANE_SERVE_END 3488

#define THREAD_LANE 0
#define THREAD_LEFT_FS 8
#define THREAD_CSSA 48
#define THREAD_BUSY 4120

#define GATE_FUNCTION 0
#define GATE_BASE 8
#define GATE_SIZE 16
#define GATE_THREADS 24
#define GATE_EXIT 32

#define EXIT_SITES_BASE 0
#define EXIT_SITES_SIZE 8
#define EXIT_SITES_THREADS 16

#define EXIT_KIND_EEXIT 1

// processor::ServeEnd
#define SERVE_NO_TURN 0
#define SERVE_PEER_SLEEPS 1
#define SERVE_LEFT 2
#define SERVE_REFUSED 3
