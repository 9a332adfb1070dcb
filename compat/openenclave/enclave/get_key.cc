// EGETKEY, with the processor's own words for what it refuses.
#include <coffer/enclave.h>
#include <openenclave/enclave.h>
#include <openenclave/internal/sgxkeys.h>

#include <cerrno>
#include <cstring>

#include "sgx/arch.h"

extern "C" {

oe_result_t oe_get_key(const sgx_key_request_t* request, sgx_key_t* key) {
  if (request == nullptr || key == nullptr) return OE_INVALID_PARAMETER;
  alignas(SGX_KEY_REQUEST_ALIGNMENT) const sgx_key_request_t aligned = *request;
  alignas(SGX_KEY_ALIGNMENT) sgx_key_t got = {};
  const long answer = coffer::detail::enclave_call(coffer::detail::kGetKey, coffer::detail::address(&aligned),
                                                   coffer::detail::address(&got));
  oe_result_t result = OE_OK;
  if (answer == 0) {
    *key = got;
  } else if (answer == -ENOSYS) {
    result = OE_UNSUPPORTED;
  } else {
    switch (static_cast<coffer::sgx::LeafError>(answer)) {
      case coffer::sgx::LeafError::kInvalidCpuSvn:
        result = OE_INVALID_CPUSVN;
        break;
      case coffer::sgx::LeafError::kInvalidIsvSvn:
        result = OE_INVALID_ISVSVN;
        break;
      case coffer::sgx::LeafError::kInvalidKeyName:
        result = OE_INVALID_KEYNAME;
        break;
      default:
        result = OE_INVALID_PARAMETER;
    }
  }
  ::explicit_bzero(&got, sizeof(got));
  return result;
}

}  // extern "C"
