#ifndef _OE_CORELIBC_BITS_TYPES_H
#define _OE_CORELIBC_BITS_TYPES_H

#include <openenclave/bits/types.h>
#include <sys/types.h>

typedef mode_t oe_mode_t;
typedef off_t oe_off_t;
typedef pid_t oe_pid_t;
typedef uid_t oe_uid_t;
typedef gid_t oe_gid_t;

#endif
