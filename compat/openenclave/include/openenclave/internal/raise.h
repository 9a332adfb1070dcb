// Statements that leave a function by its label `done` with its variable `result` set.
#ifndef _OE_RAISE_H
#define _OE_RAISE_H

#include <openenclave/bits/defs.h>
#include <openenclave/bits/result.h>
#include <openenclave/internal/trace.h>

#define OE_RAISE_NO_TRACE(code) \
  do {                          \
    result = (code);            \
    goto done;                  \
  } while (0)
#define OE_RAISE(code, ...)                                            \
  do {                                                                 \
    result = (code);                                                   \
    if (result != OE_OK) OE_TRACE_ERROR(":%s", oe_result_str(result)); \
    goto done;                                                         \
  } while (0)
#define OE_RAISE_MSG(code, fmt, ...)                                                                    \
  do {                                                                                                  \
    result = (code);                                                                                    \
    if (result != OE_OK) OE_TRACE_ERROR(fmt " (oe_result_t=%s)", ##__VA_ARGS__, oe_result_str(result)); \
    goto done;                                                                                          \
  } while (0)
#define OE_CHECK(expression)                   \
  do {                                         \
    const oe_result_t _result_ = (expression); \
    if (_result_ != OE_OK) OE_RAISE(_result_); \
  } while (0)
#define OE_CHECK_NO_TRACE(expression)                   \
  do {                                                  \
    const oe_result_t _result_ = (expression);          \
    if (_result_ != OE_OK) OE_RAISE_NO_TRACE(_result_); \
  } while (0)
#define OE_CHECK_MSG(expression, fmt, ...)                             \
  do {                                                                 \
    const oe_result_t _result_ = (expression);                         \
    if (_result_ != OE_OK) OE_RAISE_MSG(_result_, fmt, ##__VA_ARGS__); \
  } while (0)

#endif
