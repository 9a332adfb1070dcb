// Extended enclave initialization data was an experiment of Open Enclave's; it is absent here.
#ifndef _OE_BITS_EEID_H
#define _OE_BITS_EEID_H

#include "defs.h"
#include "types.h"

#endif
