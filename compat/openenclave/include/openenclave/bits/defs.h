// Open Enclave's basic macros. C and C++. GCC and clang on x86-64.
#ifndef _OE_BITS_DEFS_H
#define _OE_BITS_DEFS_H

#include <stddef.h>

#ifndef OE_API_VERSION
#define OE_API_VERSION 2
#endif
#if OE_API_VERSION < 2
#error "Only OE_API_VERSION of 2 is supported"
#endif

#ifdef __cplusplus
#define OE_EXTERNC extern "C"
#define OE_EXTERNC_BEGIN extern "C" {
#define OE_EXTERNC_END }
#define OE_EXPORT_CONST OE_EXPORT extern const
#else
#define OE_EXTERNC
#define OE_EXTERNC_BEGIN
#define OE_EXTERNC_END
#define OE_EXPORT_CONST OE_EXPORT const
#endif

#define OE_NO_RETURN __attribute__((__noreturn__))
#define OE_PRINTF_FORMAT(text, arguments) __attribute__((format(printf, text, arguments)))
#define OE_UNUSED(value) (void)(value)
#define OE_USED __attribute__((__used__))
#define OE_UNUSED_FUNC __attribute__((unused))
#define OE_UNUSED_ATTRIBUTE __attribute__((unused))
#define OE_ALWAYS_INLINE __attribute__((always_inline)) inline
#define OE_NEVER_INLINE __attribute__((noinline))
#define OE_INLINE static __inline__
#define OE_RETURNS_TWICE __attribute__((returns_twice))
#define OE_EXPORT __attribute__((visibility("default")))
#define OE_ALIGNED(bytes) __attribute__((aligned(bytes)))
#define OE_WEAK __attribute__((__weak__))
#define OE_WEAK_ALIAS(old_name, new_name) extern __typeof(old_name) new_name __attribute__((__weak__, alias(#old_name)))
#define OE_DEPRECATED(function, message) function __attribute__((deprecated(message)))
#define OE_PACK_BEGIN _Pragma("pack(push, 1)")
#define OE_PACK_END _Pragma("pack(pop)")
#define OE_ZERO_SIZED_ARRAY

#ifdef __clang__
#define OE_NO_OPTIMIZE_BEGIN _Pragma("clang optimize off")
#define OE_NO_OPTIMIZE_END _Pragma("clang optimize on")
#else
#define OE_NO_OPTIMIZE_BEGIN _Pragma("GCC push_options") _Pragma("GCC optimize(\"O0\")")
#define OE_NO_OPTIMIZE_END _Pragma("GCC pop_options")
#endif

#define OE_COUNTOF(array) (sizeof(array) / sizeof((array)[0]))
#define OE_OFFSETOF(type, member) __builtin_offsetof(type, member)
#define OE_FIELD_SIZE(type, field) (sizeof(((type*)0)->field))
#define OE_ENUM_MAX 0xffffffff
#define OE_PAGE_SIZE 0x1000

#define __OE_CONCAT(first, second) first##second
#define OE_CONCAT(first, second) __OE_CONCAT(first, second)
#ifdef __cplusplus
#define OE_STATIC_ASSERT(condition) static_assert(condition, #condition)
#else
#define OE_STATIC_ASSERT(condition) _Static_assert(condition, #condition)
#endif
#define OE_CHECK_SIZE(one, other) OE_STATIC_ASSERT((one) == (other))
#define OE_CHECK_FIELD(one, other, field)                                 \
  OE_STATIC_ASSERT(OE_OFFSETOF(one, field) == OE_OFFSETOF(other, field)); \
  OE_STATIC_ASSERT(OE_FIELD_SIZE(one, field) == OE_FIELD_SIZE(other, field))

#endif
