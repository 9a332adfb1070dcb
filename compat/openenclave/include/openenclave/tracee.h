// An enclave's own logs.
#ifndef _OE_TRACEE_H
#define _OE_TRACEE_H

#include <openenclave/bits/defs.h>
#include <openenclave/enclave.h>
#include <openenclave/log.h>

OE_EXTERNC_BEGIN

typedef void (*oe_enclave_log_callback_t)(void* context, oe_log_level_t level, uint64_t thread_id, const char* message);

// The callback gets the enclave's logs in place of the host; NULL: the host again.
oe_result_t oe_enclave_log_set_callback(void* context, oe_enclave_log_callback_t callback);

OE_EXTERNC_END

#endif
