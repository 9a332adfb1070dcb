// The C library has it.
#ifndef _OE_STDBOOL_H
#define _OE_STDBOOL_H

#include <stdbool.h>

#endif
