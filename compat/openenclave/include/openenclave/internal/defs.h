// Names of internal headers that programs include; see docs/sdk/openenclave.md.
#ifndef _OE_INTERNAL_DEFS_H
#define _OE_INTERNAL_DEFS_H

#include <openenclave/bits/defs.h>

#endif
