// <sgx_capable.h>.
#include "compat/sgxsdk/include/sgx_capable.h"

extern "C" {

sgx_status_t sgx_is_capable(int* sgx_capable) {
  if (sgx_capable == nullptr) return SGX_ERROR_INVALID_PARAMETER;
  *sgx_capable = 1;
  return SGX_SUCCESS;
}
sgx_status_t sgx_cap_get_status(sgx_device_status_t* sgx_device_status) {
  if (sgx_device_status == nullptr) return SGX_ERROR_INVALID_PARAMETER;
  *sgx_device_status = SGX_ENABLED;
  return SGX_SUCCESS;
}
sgx_status_t sgx_cap_enable_device(sgx_device_status_t* sgx_device_status) {
  return sgx_cap_get_status(sgx_device_status);
}

}  // extern "C"
