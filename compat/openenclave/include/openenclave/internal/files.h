// Names of internal headers that programs include; see docs/sdk/openenclave.md.
#ifndef _OE_FILES_H
#define _OE_FILES_H

#include <openenclave/bits/types.h>

#endif
