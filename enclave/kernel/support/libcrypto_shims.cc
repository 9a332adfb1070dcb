// What libcrypto's members want of the rest of libcrypto.
#include <cstddef>
#include <cstdint>

#include "base/secret.h"
#include "enclave/kernel/core/kernel.h"
#include "enclave/kernel/support/libcrypto_shims.h"

// Hidden, so that a hosted test program that also links the shared libcrypto keeps the two apart.
#define COFFER_SHIM __attribute__((visibility("hidden")))

extern "C" {

COFFER_SHIM constinit std::uint32_t OPENSSL_ia32cap_P[4] = {};

COFFER_SHIM void OPENSSL_cleanse(void* memory, std::size_t size) { coffer::wipe(memory, size); }

COFFER_SHIM int CRYPTO_memcmp(const void* a, const void* b, std::size_t size) {
  return coffer::equal_in_constant_time({static_cast<const std::byte*>(a), size},
                                        {static_cast<const std::byte*>(b), size})
             ? 0
             : 1;
}

// Only CRYPTO_gcm128_new and _release call these, which nothing here does.
COFFER_SHIM void* CRYPTO_malloc(std::size_t, const char*, int) {
  coffer::kernel::panic("the kernel's crypto must not allocate");
}
COFFER_SHIM void CRYPTO_clear_free(void*, std::size_t, const char*, int) {
  coffer::kernel::panic("the kernel's crypto must not allocate");
}
}

namespace coffer::kernel::libcrypto {

void set_capabilities(const std::uint32_t (&capability)[4]) {
  for (std::size_t i = 0; i < 4; ++i) OPENSSL_ia32cap_P[i] = capability[i];
}

bool stitched_gcm_works() {
  constexpr std::uint32_t kNeeded = (1U << 28) | (1U << 22);  // CPUID 1 ECX: AVX, MOVBE
  return (OPENSSL_ia32cap_P[1] & kNeeded) == kNeeded;
}

}  // namespace coffer::kernel::libcrypto
