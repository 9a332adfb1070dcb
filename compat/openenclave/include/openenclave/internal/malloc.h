// Allocations that fail, and those that nobody frees.
#ifndef _OE_MALLOC_H
#define _OE_MALLOC_H

#include <openenclave/bits/defs.h>
#include <openenclave/bits/result.h>
#include <openenclave/bits/types.h>

OE_EXTERNC_BEGIN

typedef void (*oe_allocation_failure_callback_t)(const char* file, size_t line, const char* func, size_t size);
// Called, on the thread that asked, with each size that malloc() and its kin could not give.
void oe_set_allocation_failure_callback(oe_allocation_failure_callback_t function);

// Prints what oe_debug_malloc_tracking_report() says.
void oe_debug_malloc_dump(void);
// The same, and how many there are.
size_t oe_debug_malloc_check(void);
oe_result_t oe_check_memory_leaks(void);
extern bool oe_disable_debug_malloc_check;

OE_EXTERNC_END

#endif
