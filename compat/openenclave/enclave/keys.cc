// Sealing keys and what gives the same key again: the KEYREQUEST.
#include "compat/openenclave/enclave/keys.h"

#include <coffer/enclave.h>
#include <openenclave/enclave.h>
#include <openenclave/internal/sgxkeys.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "enclave/sdk/platform.h"
#include "sgx/arch.h"

namespace coffer::openenclave {

namespace {

static_assert(sizeof(sgx_key_request_t) == sizeof(sgx::KeyRequest));

// Copies that callers free.
template <class T>
oe_result_t give(const T& value, std::uint8_t** buffer, std::size_t* size) {
  auto* copy = static_cast<T*>(std::malloc(sizeof(T)));
  if (copy == nullptr) return OE_OUT_OF_MEMORY;
  *copy = value;
  *buffer = reinterpret_cast<std::uint8_t*>(copy);
  *size = sizeof(value);
  return OE_OK;
}

}  // namespace

oe_result_t seal_key_request(oe_seal_policy_t policy, sgx_key_request_t& request) {
  if (policy != OE_SEAL_POLICY_UNIQUE && policy != OE_SEAL_POLICY_PRODUCT) return OE_INVALID_PARAMETER;
  const auto own = sdk::platform::own_identity();
  if (!own) return OE_UNEXPECTED;
  request = {};
  request.key_name = SGX_KEYSELECT_SEAL;
  request.key_policy = policy == OE_SEAL_POLICY_UNIQUE ? SGX_KEYPOLICY_MRENCLAVE : SGX_KEYPOLICY_MRSIGNER;
  const auto& body = reinterpret_cast<const sgx_report_body_t&>(*own);
  request.isv_svn = body.isvsvn;
  std::memcpy(request.cpu_svn, body.cpusvn, sizeof(request.cpu_svn));
  request.attribute_mask = {OE_SEALKEY_DEFAULT_FLAGSMASK, OE_SEALKEY_DEFAULT_XFRMMASK};
  request.misc_attribute_mask = OE_SEALKEY_DEFAULT_MISCMASK;
  return OE_OK;
}

}  // namespace coffer::openenclave

using namespace coffer::openenclave;

extern "C" {

oe_result_t oe_get_seal_key_v2(const uint8_t* key_info, size_t key_info_size, uint8_t** key_buffer,
                               size_t* key_buffer_size) {
  if (key_info == nullptr || key_buffer == nullptr || key_buffer_size == nullptr ||
      key_info_size != sizeof(sgx_key_request_t)) {
    return OE_INVALID_PARAMETER;
  }
  sgx_key_request_t request;
  std::memcpy(&request, key_info, sizeof(request));
  if (request.key_name != SGX_KEYSELECT_SEAL) return OE_INVALID_KEYNAME;
  sgx_key_t key = {};
  oe_result_t result = oe_get_key(&request, &key);
  if (result == OE_OK) result = give(key, key_buffer, key_buffer_size);
  ::explicit_bzero(&key, sizeof(key));
  return result;
}

oe_result_t oe_get_seal_key_by_policy_v2(oe_seal_policy_t seal_policy, uint8_t** key_buffer, size_t* key_buffer_size,
                                         uint8_t** key_info, size_t* key_info_size) {
  if (key_buffer == nullptr || key_buffer_size == nullptr || (key_info == nullptr) != (key_info_size == nullptr)) {
    return OE_INVALID_PARAMETER;
  }
  sgx_key_request_t request;
  if (const oe_result_t made = seal_key_request(seal_policy, request); made != OE_OK) return made;
  const auto* bytes = reinterpret_cast<const uint8_t*>(&request);
  oe_result_t result = oe_get_seal_key_v2(bytes, sizeof(request), key_buffer, key_buffer_size);
  if (result != OE_OK || key_info == nullptr) return result;
  result = give(request, key_info, key_info_size);
  if (result == OE_OK) return result;
  oe_free_key(*key_buffer, *key_buffer_size, nullptr, 0);
  *key_buffer = nullptr;
  *key_buffer_size = 0;
  return result;
}

void oe_free_key(uint8_t* key_buffer, size_t key_buffer_size, uint8_t* key_info, size_t key_info_size) {
  if (key_buffer != nullptr) ::explicit_bzero(key_buffer, key_buffer_size);
  if (key_info != nullptr) ::explicit_bzero(key_info, key_info_size);
  std::free(key_buffer);
  std::free(key_info);
}

void oe_free_seal_key(uint8_t* key_buffer, uint8_t* key_info) {
  oe_free_key(key_buffer, sizeof(sgx_key_t), key_info, sizeof(sgx_key_request_t));
}

}  // extern "C"
