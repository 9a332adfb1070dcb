// Logs, on both sides.
#ifndef _OE_INTERNAL_TRACE_H
#define _OE_INTERNAL_TRACE_H

#include <openenclave/bits/defs.h>
#include <openenclave/bits/result.h>
#include <openenclave/bits/types.h>
#include <openenclave/log.h>

OE_EXTERNC_BEGIN

#define OE_LOG_MESSAGE_LEN_MAX 2048U
#define OE_MAX_FILENAME_LEN 256U

// Messages end with a line feed. What is above the level in force goes nowhere.
OE_PRINTF_FORMAT(2, 3) oe_result_t oe_log(oe_log_level_t level, const char* fmt, ...);
oe_log_level_t oe_get_current_logging_level(void);

#define OE_TRACE(level, ...) oe_log(level, __VA_ARGS__)
#define _OE_TRACE_AT(level, fmt, ...) \
  OE_TRACE(level, fmt " [%s:%s:%d]\n", ##__VA_ARGS__, __FILE__, __FUNCTION__, __LINE__)
#define OE_TRACE_FATAL(fmt, ...) _OE_TRACE_AT(OE_LOG_LEVEL_FATAL, fmt, ##__VA_ARGS__)
#define OE_TRACE_ERROR(fmt, ...) _OE_TRACE_AT(OE_LOG_LEVEL_ERROR, fmt, ##__VA_ARGS__)
#define OE_TRACE_WARNING(fmt, ...) _OE_TRACE_AT(OE_LOG_LEVEL_WARNING, fmt, ##__VA_ARGS__)
#define OE_TRACE_INFO(fmt, ...) _OE_TRACE_AT(OE_LOG_LEVEL_INFO, fmt, ##__VA_ARGS__)
#define OE_TRACE_VERBOSE(fmt, ...) _OE_TRACE_AT(OE_LOG_LEVEL_VERBOSE, fmt, ##__VA_ARGS__)

OE_EXTERNC_END

#endif
