// The C library has it.
#ifndef _OE_PTHREAD_H
#define _OE_PTHREAD_H

#include <pthread.h>

#endif
