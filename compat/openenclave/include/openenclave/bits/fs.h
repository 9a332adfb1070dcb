#ifndef _OE_BITS_FS_H
#define _OE_BITS_FS_H

#include "defs.h"
#include "result.h"
#include "types.h"

// What mount() is told for the host's files. The files of Coffer's enclaves are mounts of the image:
// docs/sdk/openenclave.md.
#define OE_HOST_FILE_SYSTEM "oe_host_file_system"

#endif
