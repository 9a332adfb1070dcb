// Copies to host memory. Aligned ones write whole words of 8 bytes.
#ifndef _OE_BITS_SGX_WRITEBARRIER_H
#define _OE_BITS_SGX_WRITEBARRIER_H

#include <openenclave/bits/defs.h>
#include <openenclave/bits/result.h>
#include <openenclave/bits/types.h>

OE_EXTERNC_BEGIN

// Both addresses and the size are multiples of 8; each word is read and written once.
OE_INLINE void oe_memcpy_aligned(void* to, const void* from, size_t size) {
  volatile uint64_t* target = (volatile uint64_t*)to;
  const volatile uint64_t* source = (const volatile uint64_t*)from;
  for (size_t i = 0; i < size / sizeof(uint64_t); ++i) target[i] = source[i];
}

void* oe_memcpy_with_barrier(void* to, const void* from, size_t size);
void* oe_memmove_with_barrier(void* to, const void* from, size_t size);
void* oe_memset_with_barrier(void* to, int value, size_t size);
// Refuse sizes that the target has no room for.
oe_result_t oe_memcpy_s_with_barrier(void* to, size_t room, const void* from, size_t size);
oe_result_t oe_memmove_s_with_barrier(void* to, size_t room, const void* from, size_t size);
oe_result_t oe_memset_s_with_barrier(void* to, size_t room, int value, size_t size);

// Writes one value of at most 8 bytes.
#define OE_WRITE_VALUE_WITH_BARRIER(to, value)               \
  do {                                                       \
    __typeof__(value) _value_ = (value);                     \
    oe_memcpy_with_barrier((to), &_value_, sizeof(_value_)); \
  } while (0)

OE_EXTERNC_END

#endif
