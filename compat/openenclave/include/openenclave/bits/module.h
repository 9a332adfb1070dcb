// Loading parts of the runtime: there is nothing to load, the enclave's kernel has them. Every function answers OE_OK.
#ifndef _OE_BITS_MODULE_H
#define _OE_BITS_MODULE_H

#include "defs.h"
#include "result.h"

OE_EXTERNC_BEGIN

oe_result_t oe_load_module_host_file_system(void);
oe_result_t oe_load_module_host_socket_interface(void);
oe_result_t oe_load_module_host_resolver(void);
oe_result_t oe_load_module_host_epoll(void);

OE_EXTERNC_END

#endif
