// The C library has it.
#ifndef _OE_CTYPE_H
#define _OE_CTYPE_H

#include <ctype.h>

#define oe_isalnum isalnum
#define oe_isalpha isalpha
#define oe_isdigit isdigit
#define oe_isxdigit isxdigit
#define oe_isspace isspace
#define oe_islower islower
#define oe_isupper isupper
#define oe_isprint isprint
#define oe_ispunct ispunct
#define oe_tolower tolower
#define oe_toupper toupper

#endif
