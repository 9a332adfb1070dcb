#ifndef OE_ADVANCED_MALLINFO_H
#define OE_ADVANCED_MALLINFO_H

#include <openenclave/bits/result.h>

OE_EXTERNC_BEGIN

typedef struct _oe_mallinfo {  // bytes
  size_t max_total_heap_size;  // NumHeapPages
  size_t current_allocated_heap_size;
  size_t peak_allocated_heap_size;
} oe_mallinfo_t;

oe_result_t oe_allocator_mallinfo(oe_mallinfo_t* info);

OE_EXTERNC_END

#endif
