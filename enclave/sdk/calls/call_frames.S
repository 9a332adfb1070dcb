// The enclave's side of boundary/call_frames.h.
#define CALL_ANCHOR coffer_ocall
#define CALL_BRIDGE coffer_ecall_inside
#define CALL_SIDE coffer_enclave_calls
#include "boundary/call_frames.S"
