// <sgx_trts.h>, <sgx_cpuid.h>, <sgx_spinlock.h>.
#include <coffer/calls.h>
#include <cpuid.h>
#include <sched.h>

#include <algorithm>

#include "compat/sgxsdk/include/sgx_cpuid.h"
#include "compat/sgxsdk/include/sgx_spinlock.h"
#include "compat/sgxsdk/include/sgx_trts.h"
#include "enclave/sdk/platform.h"

using namespace coffer;

extern "C" {

// A range of no bytes counts as the byte that it points to.
int sgx_is_within_enclave(const void* addr, size_t size) {
  return calls::within_enclave(addr, std::max<size_t>(size, 1)) ? 1 : 0;
}
// Of a production enclave only memory that both sides share is outside: around it lies the processor's.
int sgx_is_outside_enclave(const void* addr, size_t size) {
  return calls::in_shared_memory(addr, std::max<size_t>(size, 1)) ? 1 : 0;
}
int sgx_is_enclave_crashed(void) { return 0; }

sgx_status_t sgx_read_rand(unsigned char* rand, size_t length_in_bytes) {
  if (rand == nullptr || length_in_bytes == 0) return SGX_ERROR_INVALID_PARAMETER;
  if (sgx_is_within_enclave(rand, length_in_bytes) == 0 && sgx_is_outside_enclave(rand, length_in_bytes) == 0) {
    return SGX_ERROR_INVALID_PARAMETER;
  }
  const bool given = sdk::platform::random({reinterpret_cast<std::byte*>(rand), length_in_bytes});
  return given ? SGX_SUCCESS : SGX_ERROR_UNEXPECTED;
}

sgx_status_t sgx_cpuidex(int cpuinfo[4], int leaf, int subleaf) {
  if (cpuinfo == nullptr) return SGX_ERROR_INVALID_PARAMETER;
  unsigned a = 0, b = 0, c = 0, d = 0;
  __cpuid_count(leaf, subleaf, a, b, c, d);
  const unsigned registers[4] = {a, b, c, d};
  std::copy(registers, registers + 4, reinterpret_cast<unsigned*>(cpuinfo));
  return SGX_SUCCESS;
}
sgx_status_t sgx_cpuid(int cpuinfo[4], int leaf) { return sgx_cpuidex(cpuinfo, leaf, 0); }

uint32_t sgx_spin_lock(sgx_spinlock_t* lock) {
  constexpr int kSpins = 1000;
  while (__atomic_exchange_n(lock, 1, __ATOMIC_ACQUIRE) != 0) {
    for (int i = 0; *lock != 0; ++i) {
      __builtin_ia32_pause();
      // The holder may wait for this very CPU.
      if (i % kSpins == kSpins - 1) ::sched_yield();
    }
  }
  return 0;
}
uint32_t sgx_spin_unlock(sgx_spinlock_t* lock) {
  __atomic_store_n(lock, 0, __ATOMIC_RELEASE);
  return 0;
}

}  // extern "C"
