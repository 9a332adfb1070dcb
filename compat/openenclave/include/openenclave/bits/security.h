#ifndef _OE_BITS_SECURITY_H
#define _OE_BITS_SECURITY_H

#include "sgx/writebarrier.h"

#endif
