// The host's logs: $OE_LOG_LEVEL (NONE, FATAL, ERROR, WARNING, INFO, VERBOSE; default ERROR) and where they go.
#ifndef _OE_TRACE_H
#define _OE_TRACE_H

#include <openenclave/bits/result.h>
#include <openenclave/bits/types.h>
#include <openenclave/log.h>
#include <time.h>

OE_EXTERNC_BEGIN

typedef void (*oe_log_callback_t)(void* context, bool is_enclave, const struct tm* t, long int usecs,
                                  oe_log_level_t level, uint64_t host_thread_id, const char* message);

// NULL: standard output again. From then on for logs of any level, of the host and of its enclaves.
oe_result_t oe_log_set_callback(void* context, oe_log_callback_t callback);
oe_result_t oe_set_host_log_level(oe_log_level_t log_level);
oe_result_t oe_set_enclave_log_level(oe_enclave_t* enclave, uint32_t log_level);

OE_EXTERNC_END

#endif
