// Sealing with plug-ins. The one that is there, AES-GCM, is always linked; plug-ins of the program's own can be
// registered before the first call.
#ifndef _OE_SEAL_H
#define _OE_SEAL_H

#include <openenclave/bits/evidence.h>
#include <openenclave/bits/result.h>
#include <openenclave/bits/types.h>

OE_EXTERNC_BEGIN

typedef struct _oe_seal_setting {
  int type;       // oe_seal_setting_type_t
  uint32_t size;  // of what value.p points to; 0 for values
  union {
    uint64_t q;
    uint32_t d;
    uint16_t w;
    uint8_t b;
    const void* p;
  } value;
} oe_seal_setting_t;

enum oe_seal_setting_type_t {
  OE_SEAL_SETTING_POLICY,              // value.w: oe_seal_policy_t; default UNIQUE
  OE_SEAL_SETTING_ADDITIONAL_CONTEXT,  // bytes that go into the key; given again nowhere: they stand in the blob
  OE_SEAL_SETTING_IV,                  // 12 bytes, for tests; random otherwise
  OE_SEAL_SETTING_MAX = 0x10000,
  OE_SEAL_SETTING_PLUGIN_DEFINED = OE_SEAL_SETTING_MAX / 2
};

#define __OE_SEAL_SET_POINTER(kind, pointer, bytes) \
  {                                                 \
    (kind), (bytes), { (uint64_t)(pointer) }        \
  }
#define __OE_SEAL_SET_VALUE(kind, number) __OE_SEAL_SET_POINTER(kind, number, 0)
#define OE_SEAL_SET_POLICY(policy) __OE_SEAL_SET_VALUE(OE_SEAL_SETTING_POLICY, policy)
#define OE_SEAL_SET_CONTEXT(pointer, bytes) __OE_SEAL_SET_POINTER(OE_SEAL_SETTING_ADDITIONAL_CONTEXT, pointer, bytes)
#define OE_SEAL_SET_IV(pointer, bytes) __OE_SEAL_SET_POINTER(OE_SEAL_SETTING_IV, pointer, bytes)

// The additional data are authenticated, not stored: unsealing needs them again. The blob is freed with oe_free(). On
// an error, *blob is NULL.
oe_result_t oe_seal(const oe_uuid_t* plugin_id, const oe_seal_setting_t* settings, size_t settings_count,
                    const uint8_t* plaintext, size_t plaintext_size, const uint8_t* additional_data,
                    size_t additional_data_size, uint8_t** blob, size_t* blob_size);
oe_result_t oe_unseal(const uint8_t* blob, size_t blob_size, const uint8_t* additional_data,
                      size_t additional_data_size, uint8_t** plaintext, size_t* plaintext_size);

typedef struct _oe_seal_plugin_definition {
  const oe_uuid_t id;
  oe_result_t (*seal)(const oe_seal_setting_t* settings, size_t settings_count, const uint8_t* plaintext,
                      size_t plaintext_size, const uint8_t* additional_data, size_t additional_data_size,
                      uint8_t** blob, size_t* blob_size);
  oe_result_t (*unseal)(const uint8_t* blob, size_t blob_size, const uint8_t* additional_data,
                        size_t additional_data_size, uint8_t** plaintext, size_t* plaintext_size);
} oe_seal_plugin_definition_t;

// OE_ALREADY_EXISTS: that id is taken. OE_OUT_OF_MEMORY: no place for more than eight.
oe_result_t oe_register_seal_plugin(const oe_seal_plugin_definition_t* plugin, bool make_default);
oe_result_t oe_unregister_seal_plugin(const oe_seal_plugin_definition_t* plugin);

OE_EXTERNC_END

#endif
