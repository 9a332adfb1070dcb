// What an enclave says about itself: OE_SET_ENCLAVE_SGX() and OE_SET_ENCLAVE_SGX2(), once in an enclave's sources.
//
// They put a record into the section .oeinfo of the enclave's ELF file, which oesign reads (and oe_create_enclave(),
// for debug enclaves that nobody signed). A configuration file that oesign is given goes before it, setting by setting.
#ifndef _OE_BITS_PROPERTIES_H
#define _OE_BITS_PROPERTIES_H

#include "defs.h"
#include "result.h"
#include "types.h"

#define OE_INFO_SECTION_NAME ".oeinfo"

typedef struct _oe_enclave_size_settings {
  uint64_t num_heap_pages;   // what malloc() gives at most, in pages of 4096 bytes
  uint64_t num_stack_pages;  // of each thread
  uint64_t num_tcs;          // ECALLs that can be inside at once
} oe_enclave_size_settings_t;

typedef struct _oe_enclave_properties_header {
  uint32_t size;  // bytes of the whole record
  oe_enclave_type_t enclave_type;
  oe_enclave_size_settings_t size_settings;
} oe_enclave_properties_header_t;

#include "sgx/sgxproperties.h"

// For enclaves of OP-TEE; nothing here.
#define OE_SET_ENCLAVE_OPTEE(uuid, heap_size, stack_size, flags, version, description)

#endif
