// The record in .oeinfo. Included by <openenclave/bits/properties.h>; layout and names are part of the interface.
#ifndef _OE_BITS_SGX_SGXPROPERTIES_H
#define _OE_BITS_SGX_SGXPROPERTIES_H

#define OE_SGX_MAX_TCS 1024
#define OE_SGX_FLAGS_DEBUG 0x0000000000000002ULL
#define OE_SGX_FLAGS_MODE64BIT 0x0000000000000004ULL
#define OE_SGX_FLAGS_KSS 0x0000000000000080ULL
#define OE_SGX_SIGSTRUCT_SIZE 1808

typedef struct _oe_sgx_enclave_image_info_t {  // of Open Enclave's loader; zero here
  uint64_t oeinfo_rva, oeinfo_size, reloc_rva, reloc_size, heap_rva, enclave_size;
} oe_sgx_enclave_image_info_t;

typedef struct _oe_sgx_enclave_flags_t {
  uint32_t capture_pf_gp_exceptions : 1;
  uint32_t create_zero_base_enclave : 1;
  uint32_t reserved : 30;
} oe_sgx_enclave_flags_t;

typedef struct oe_sgx_enclave_config_t {
  uint16_t product_id;
  uint16_t security_version;
  oe_sgx_enclave_flags_t flags;
  uint8_t family_id[16];
  uint8_t extended_product_id[16];
  uint64_t attributes;  // OE_SGX_FLAGS_*
  uint64_t xfrm;
  uint64_t start_address;
} oe_sgx_enclave_config_t;

typedef struct _oe_sgx_enclave_properties {
  oe_enclave_properties_header_t header;
  oe_sgx_enclave_config_t config;
  oe_sgx_enclave_image_info_t image_info;
  uint8_t sigstruct[OE_SGX_SIGSTRUCT_SIZE];  // zero: Coffer's images carry the signature elsewhere
  uint64_t end_marker;                       // 0xecececececececec
} oe_sgx_enclave_properties_t;

#define OE_INFO_SECTION_BEGIN OE_EXTERNC_BEGIN
#define OE_INFO_SECTION_END OE_EXTERNC_END

#define OE_MAKE_ATTRIBUTES(allow_debug, require_kss) \
  (OE_SGX_FLAGS_MODE64BIT | ((allow_debug) ? OE_SGX_FLAGS_DEBUG : 0) | ((require_kss) ? OE_SGX_FLAGS_KSS : 0))

#define _OE_WITHOUT_PARENTHESES(...) __VA_ARGS__

#define _OE_SET_ENCLAVE(product, version, extended_product, family, debug, kss, capture, zero_base, start, heap, \
                        stack, tcs)                                                                              \
  OE_INFO_SECTION_BEGIN                                                                                          \
  extern volatile const oe_sgx_enclave_properties_t oe_enclave_properties_sgx;                                   \
  __attribute__((section(OE_INFO_SECTION_NAME),                                                                  \
                 used)) volatile const oe_sgx_enclave_properties_t oe_enclave_properties_sgx = {                 \
      {sizeof(oe_sgx_enclave_properties_t), OE_ENCLAVE_TYPE_SGX, {(heap), (stack), (tcs)}},                      \
      {(product),                                                                                                \
       (version),                                                                                                \
       {(capture), (zero_base), 0},                                                                              \
       _OE_WITHOUT_PARENTHESES family,                                                                           \
       _OE_WITHOUT_PARENTHESES extended_product,                                                                 \
       OE_MAKE_ATTRIBUTES(debug, kss),                                                                           \
       0,                                                                                                        \
       (zero_base) ? (start) : 0},                                                                               \
      {0, 0, 0, 0, 0, 0},                                                                                        \
      {0},                                                                                                       \
      0xecececececececec,                                                                                        \
  };                                                                                                             \
  OE_INFO_SECTION_END                                                                                            \
  OE_STATIC_ASSERT((tcs) <= OE_SGX_MAX_TCS)

// product_id and security_version: numbers of 16 bits; heap, stack: pages of 4096 bytes; tcs: threads.
#define OE_SET_ENCLAVE_SGX(product_id, security_version, allow_debug, heap_page_count, stack_page_count, tcs_count) \
  _OE_SET_ENCLAVE(product_id, security_version, ({0}), ({0}), allow_debug, false, 0, false, 0, heap_page_count,     \
                  stack_page_count, tcs_count)

// With key separation. The two ids are 16 bytes in braces in parentheses: ({0x01, 0x02, ...}).
#define OE_SET_ENCLAVE_SGX2(product_id, security_version, extended_product_id, family_id, allow_debug,              \
                            capture_pf_gp_exceptions, require_kss, create_zero_base_enclave, enclave_start_address, \
                            heap_page_count, stack_page_count, tcs_count)                                           \
  _OE_SET_ENCLAVE(product_id, security_version, extended_product_id, family_id, allow_debug, require_kss,           \
                  capture_pf_gp_exceptions, create_zero_base_enclave, enclave_start_address, heap_page_count,       \
                  stack_page_count, tcs_count)

#endif
