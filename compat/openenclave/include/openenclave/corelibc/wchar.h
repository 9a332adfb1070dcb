#ifndef _OE_WCHAR_H
#define _OE_WCHAR_H

#include <openenclave/bits/defs.h>
#include <wchar.h>

OE_EXTERNC_BEGIN

OE_INLINE size_t oe_wcslen(const wchar_t* s) { return wcslen(s); }

OE_EXTERNC_END

#endif
