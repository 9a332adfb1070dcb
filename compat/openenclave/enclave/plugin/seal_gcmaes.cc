// Linking this object links the plug-in, which registers itself: what Open Enclave's users ask for by naming the
// object.
#include <openenclave/sgx/seal.h>

extern "C" __attribute__((used)) const oe_seal_plugin_definition_t* const coffer_oe_linked_seal_plugin =
    &oe_seal_plugin_gcm_aes;
