// The C library has it.
#ifndef _OE_ASSERT_H
#define _OE_ASSERT_H

#include <assert.h>
#include <openenclave/enclave.h>

#endif
