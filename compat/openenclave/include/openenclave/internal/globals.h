// Where an enclave stands and what it may use.
#ifndef _OE_GLOBALS_H
#define _OE_GLOBALS_H

#include <openenclave/bits/defs.h>
#include <openenclave/bits/types.h>
#include <openenclave/internal/types.h>

OE_EXTERNC_BEGIN

const void* __oe_get_enclave_start_address(void);  // of ELRANGE
const void* __oe_get_enclave_base_address(void);   // likewise
size_t __oe_get_enclave_size(void);                // of ELRANGE, bytes
size_t __oe_get_heap_size(void);                   // what malloc() gives at most: NumHeapPages, in bytes
uint64_t oe_get_num_heap_pages(void);
uint64_t oe_get_num_pages(void);

// The host's handle; see oe_get_enclave().
extern oe_enclave_t* oe_enclave;

OE_EXTERNC_END

#endif
