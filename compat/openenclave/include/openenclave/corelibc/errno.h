// The C library has it.
#ifndef _OE_ERRNO_H
#define _OE_ERRNO_H

#include <errno.h>

#define oe_errno errno
#define OE_EPERM EPERM
#define OE_ENOENT ENOENT
#define OE_EINTR EINTR
#define OE_EIO EIO
#define OE_EBADF EBADF
#define OE_EAGAIN EAGAIN
#define OE_ENOMEM ENOMEM
#define OE_EACCES EACCES
#define OE_EFAULT EFAULT
#define OE_EBUSY EBUSY
#define OE_EEXIST EEXIST
#define OE_ENOTDIR ENOTDIR
#define OE_EISDIR EISDIR
#define OE_EINVAL EINVAL
#define OE_ENOSPC ENOSPC
#define OE_ERANGE ERANGE
#define OE_ENOSYS ENOSYS
#define OE_ENOTSUP ENOTSUP
#define OE_EOVERFLOW EOVERFLOW
#define OE_ETIMEDOUT ETIMEDOUT

#endif
