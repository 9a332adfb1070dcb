// What tests written for Open Enclave are made of: checks that end the program, or the enclave, with a line that says
// where.
#ifndef _OE_TESTS_H
#define _OE_TESTS_H

#include <openenclave/bits/defs.h>
#include <openenclave/bits/result.h>
#include <openenclave/bits/types.h>

#if defined(OE_BUILD_ENCLAVE) || defined(_OE_ENCLAVE_H)
#include <openenclave/enclave.h>
#include <openenclave/internal/print.h>
#define OE_PRINT oe_host_fprintf
#define OE_ABORT oe_abort
#define STDERR 1
#else
#include <stdio.h>
#include <stdlib.h>
#define OE_PRINT fprintf
#define OE_ABORT abort
#define STDERR stderr
#endif

OE_EXTERNC_BEGIN

#define _OE_FAILED_TEST(fatal, format, ...)                                                                            \
  do {                                                                                                                 \
    OE_PRINT(STDERR, "Test failed: %s(%u): %s " format "\n", __FILE__, (unsigned)__LINE__, __FUNCTION__, __VA_ARGS__); \
    if (fatal) OE_ABORT();                                                                                             \
  } while (0)

#define OE_TEST_CODE_IF(expression, code, fatal)                                                            \
  do {                                                                                                      \
    const oe_result_t _got_ = (expression), _wanted_ = (code);                                              \
    if (_got_ != _wanted_) _OE_FAILED_TEST(fatal, "%s!=%s", oe_result_str(_got_), oe_result_str(_wanted_)); \
  } while (0)
#define OE_TEST_CODE(expression, code) OE_TEST_CODE_IF(expression, code, true)
#define OE_TEST_CODE_IGNORE(expression, code) OE_TEST_CODE_IF(expression, code, false)

#define OE_TEST_IF(condition, fatal)                            \
  do {                                                          \
    if (!(condition)) _OE_FAILED_TEST(fatal, "%s", #condition); \
  } while (0)
#define OE_TEST(condition) OE_TEST_IF(condition, true)
#define OE_TEST_IGNORE(condition) OE_TEST_IF(condition, false)

#define OE_EXPECT_IF(value, expected, fatal)                                                                        \
  do {                                                                                                              \
    const uint64_t _got_ = (uint64_t)(value), _wanted_ = (uint64_t)(expected);                                      \
    if (_got_ != _wanted_)                                                                                          \
      _OE_FAILED_TEST(fatal, "expected: %llu, got: %llu", (unsigned long long)_wanted_, (unsigned long long)_got_); \
  } while (0)
#define OE_EXPECT(value, expected) OE_EXPECT_IF(value, expected, true)
#define OE_EXPECT_IGNORE(value, expected) OE_EXPECT_IF(value, expected, false)

// Heap pages for an enclave of so many threads.
#define OE_TEST_MT_HEAP_SIZE(num_tcs) (64 + 64 * (num_tcs))

// Host: OE_ENCLAVE_FLAG_DEBUG, and OE_ENCLAVE_FLAG_SIMULATE where $OE_SIMULATION is 1.
uint32_t oe_get_create_flags(void);

OE_EXTERNC_END

#endif
