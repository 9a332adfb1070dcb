// What the parts under test ask of the rest of the library, without an enclave around it.
#include <openenclave/enclave.h>

#include <openenclave/internal/sgxkeys.h>

#include <bit>
#include <cstring>
#include <random>

#include "enclave/sdk/platform.h"

extern "C" oe_result_t oe_random(void* data, size_t size) {
  std::random_device random;
  auto* bytes = static_cast<uint8_t*>(data);
  for (size_t i = 0; i < size; ++i) bytes[i] = static_cast<uint8_t>(random());
  return OE_OK;
}

extern "C" oe_result_t oe_get_key(const sgx_key_request_t* request, sgx_key_t* key) {
  const auto made = coffer::sdk::platform::get_key(std::bit_cast<coffer::sgx::KeyRequest>(*request));
  if (!made) return made.error() == coffer::EnclaveError::kDowngrade ? OE_INVALID_ISVSVN : OE_INVALID_PARAMETER;
  std::memcpy(key->buf, made->bytes().data(), sizeof(key->buf));
  return OE_OK;
}
