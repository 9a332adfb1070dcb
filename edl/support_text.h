// What stands at the top of each generated source: checked sizes and the reading and writing of blocks, as C that is
// C++ too. It needs <stddef.h>, <stdint.h> and <string.h>; EDL_WRITE, which copies to the other side's memory; and
// EDL_ALIGNMENT, to which buffers are aligned in their block. That is 64 where nobody else writes blocks: memcpy takes
// twice as long where its destination lies 16 bytes behind its source, apart from whole pages, and malloc gives large
// buffers 16 bytes behind the beginning of a page.
#pragma once

#include <string_view>

namespace coffer::edl {

inline constexpr std::string_view kSupport = R"(
#ifndef EDL_SUPPORT
#define EDL_SUPPORT
#define EDL_HELPER static inline __attribute__((unused))

/* The size of a buffer that is not there: its pointer is NULL. No buffer is as large. */
#define EDL_NULL ((size_t)-1)
/* In place of addresses in structures that are copied along: the buffer follows. */
#define EDL_PRESENT ((uintptr_t)1)
#define EDL_ALIGNED(size) (((size) + (EDL_ALIGNMENT - 1)) & ~((size_t)EDL_ALIGNMENT - 1))

/* What went wrong first; 0: nothing. */
enum { EDL_OVERFLOW = 1, EDL_MALFORMED = 2, EDL_UNTERMINATED = 3, EDL_BAD_ANSWER = 4, EDL_NO_MEMORY = 5 };

/* Bytes between members belong to nobody; they leave an enclave as zeros. Of structures in the EDL file generated functions
 * see to that, of what a header defines the compiler, where it can. */
EDL_HELPER void edl_zero(void* structure, size_t from, size_t to) {
  if (from < to) memset((uint8_t*)structure + from, 0, to - from);
}
#ifdef __has_builtin
#if __has_builtin(__builtin_clear_padding)
#define EDL_CLEAR_PADDING(pointer) __builtin_clear_padding(pointer)
#endif
#endif
#ifndef EDL_CLEAR_PADDING
#define EDL_CLEAR_PADDING(pointer) ((void)(pointer))
#endif

/* One side's view of a block: everything up to `offset` is used. After the first mistake nothing is read or written. */
typedef struct edl_block {
  uint8_t* base;
  size_t size;
  size_t offset;
  int bad;
} edl_block;

EDL_HELPER void edl_fail(int* bad, int why) {
  if (*bad == 0) *bad = why;
}

EDL_HELPER size_t edl_times(size_t a, size_t b, int* bad) {
  size_t product = 0;
  if (__builtin_mul_overflow(a, b, &product) || product > EDL_NULL / 2) {
    edl_fail(bad, EDL_OVERFLOW);
    return 0;
  }
  return product;
}

/* A string's bytes where its characters are known. */
EDL_HELPER size_t edl_string_size(const void* string, size_t characters, size_t unit, int* bad) {
  return string != NULL ? edl_times(characters, unit, bad) : EDL_NULL;
}

/* Adds a buffer to a block's size; EDL_NULL adds nothing. */
EDL_HELPER void edl_add(size_t* total, size_t bytes, int* bad) {
  if (bytes == EDL_NULL || *bad != 0) return;
  if (bytes > EDL_NULL / 2 - EDL_ALIGNMENT || *total > EDL_NULL / 2 - EDL_ALIGNMENT - bytes) {
    edl_fail(bad, EDL_OVERFLOW);
    return;
  }
  *total += EDL_ALIGNED(bytes);
}

/* The next `bytes` of a block, NULL where it has not as many. */
EDL_HELPER uint8_t* edl_take(edl_block* block, size_t bytes) {
  uint8_t* here = block->base + block->offset;
  if (block->bad != 0) return NULL;
  if (bytes > block->size - block->offset || EDL_ALIGNED(bytes) > block->size - block->offset) {
    block->bad = EDL_MALFORMED;
    return NULL;
  }
  block->offset += EDL_ALIGNED(bytes);
  return here;
}

/* The same of a buffer whose sender said `given` and whose arguments say `expected`. */
EDL_HELPER uint8_t* edl_take_sized(edl_block* block, size_t given, size_t expected) {
  if (given == EDL_NULL) return NULL;
  if (given != expected) edl_fail(&block->bad, EDL_MALFORMED);
  return edl_take(block, expected);
}

/* The same in a block that will be copied out of this memory as a whole: no byte stays what it was. */
EDL_HELPER uint8_t* edl_make(edl_block* block, size_t bytes) {
  uint8_t* here = edl_take(block, bytes);
  /* memset() of nothing stores under an empty mask, for which processors need long where this side never wrote. */
  if (here != NULL && EDL_ALIGNED(bytes) != bytes) memset(here + bytes, 0, EDL_ALIGNED(bytes) - bytes);
  return here;
}
EDL_HELPER uint8_t* edl_make_sized(edl_block* block, size_t given, size_t expected) {
  if (given == EDL_NULL) return NULL;
  if (given != expected) edl_fail(&block->bad, EDL_MALFORMED);
  return edl_make(block, expected);
}
EDL_HELPER uint8_t* edl_make_zeros(edl_block* block, size_t given, size_t expected) {
  uint8_t* here = edl_make_sized(block, given, expected);
  if (here != NULL && expected != 0) memset(here, 0, expected);
  return here;
}
EDL_HELPER uint8_t* edl_make_copy(edl_block* block, const void* from, size_t bytes) {
  uint8_t* here = NULL;
  if (from == NULL) return NULL;
  here = edl_make(block, bytes);
  if (here != NULL && bytes != 0) memcpy(here, from, bytes);
  return here;
}

/* Writes a buffer to the other side's block. */
EDL_HELPER void edl_put(edl_block* block, const void* from, size_t bytes) {
  uint8_t* here = NULL;
  if (bytes == EDL_NULL) return;
  here = edl_take(block, bytes);
  if (here != NULL && bytes != 0) EDL_WRITE(here, from, bytes);
}
/* What was copied is what counts from here on: the compiler must not read it once more where it came from. */
#define EDL_SETTLED(copy) __asm__ volatile("" : : "r"(copy) : "memory")

/* Copies a buffer of the other side's block, whatever it is by now, to where it belongs. */
EDL_HELPER void edl_get(edl_block* block, void* to, size_t bytes) {
  const uint8_t* here = NULL;
  if (bytes == EDL_NULL) return;
  here = edl_take(block, bytes);
  if (here != NULL && bytes != 0) memcpy(to, here, bytes);
  EDL_SETTLED(to);
}

/* Of a bool any byte but 0 is true; one that is neither 0 nor 1 is no bool to the compiler. */
EDL_HELPER void edl_make_bools(void* first, size_t bytes) {
  uint8_t* const all = (uint8_t*)first;
  size_t i = 0;
  for (i = 0; i < bytes; ++i) all[i] = all[i] != 0;
}

/* A string of `bytes` ends with its terminator, of `unit` bytes. */
EDL_HELPER void edl_check_terminated(const void* string, size_t bytes, size_t unit, int* bad) {
  size_t i = 0;
  if (string == NULL || *bad != 0) return;
  if (bytes < unit || bytes % unit != 0) {
    edl_fail(bad, EDL_MALFORMED);
    return;
  }
  for (i = bytes - unit; i < bytes; ++i) {
    if (((const uint8_t*)string)[i] != 0) edl_fail(bad, EDL_UNTERMINATED);
  }
}
#endif
)";

}  // namespace coffer::edl
