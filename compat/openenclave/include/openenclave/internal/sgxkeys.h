// EGETKEY.
#ifndef _OE_KEYS_H
#define _OE_KEYS_H

#include <openenclave/bits/result.h>
#include <openenclave/bits/sgx/sgxtypes.h>

OE_EXTERNC_BEGIN

// OE_INVALID_CPUSVN, OE_INVALID_ISVSVN, OE_INVALID_KEYNAME, OE_INVALID_PARAMETER: *key is left alone then.
oe_result_t oe_get_key(const sgx_key_request_t* request, sgx_key_t* key);

OE_EXTERNC_END

#endif
