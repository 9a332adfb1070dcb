// Tracking of allocations that nobody frees, in any enclave: malloc, oe_malloc, new.
#ifndef _OE_DEBUGMALLOC_H
#define _OE_DEBUGMALLOC_H

#include <openenclave/bits/result.h>

OE_EXTERNC_BEGIN

// Allocations from here on, by any thread, are tracked. OE_FAILURE where it runs already.
oe_result_t oe_debug_malloc_tracking_start(void);
// OE_FAILURE where it does not run.
oe_result_t oe_debug_malloc_tracking_stop(void);
// What was tracked, in any session, and is still in use: how many, and a text for people with a line or more for each,
// which the caller frees with oe_free().
oe_result_t oe_debug_malloc_tracking_report(uint64_t* out_object_count, char** report);

OE_EXTERNC_END

#endif
