// In tests there is no enclave: everything is inside, but for what a test declares to be outside.
#include "compat/sgxsdk/enclave/testing/whole_process.h"

#include <sys/random.h>

#include "compat/sgxsdk/include/sgx_trts.h"

namespace coffer::sgxsdk::testing {

const void* outside = nullptr;

}  // namespace coffer::sgxsdk::testing

extern "C" {

int sgx_is_within_enclave(const void* addr, size_t) {
  return addr != nullptr && addr != coffer::sgxsdk::testing::outside ? 1 : 0;
}
int sgx_is_outside_enclave(const void* addr, size_t size) { return 1 - sgx_is_within_enclave(addr, size); }
sgx_status_t sgx_read_rand(unsigned char* rand, size_t size) {
  return ::getrandom(rand, size, 0) == static_cast<ssize_t>(size) ? SGX_SUCCESS : SGX_ERROR_UNEXPECTED;
}

}  // extern "C"
