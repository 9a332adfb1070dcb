// The host's side of boundary/call_frames.h.
#define CALL_ANCHOR coffer_ecall
#define CALL_BRIDGE coffer_ocall_handler
#define CALL_SIDE coffer_host_calls
#include "boundary/call_frames.S"
