#pragma once

#include <cstdint>

namespace coffer::kernel::libcrypto {

// Tells the assembler which instructions it may use; CpuFeatures::capability.
void set_capabilities(const std::uint32_t (&capability)[4]);

// With AVX and MOVBE, CRYPTO_gcm128_init prepares its tables for aesni_gcm_encrypt and aesni_gcm_decrypt; without,
// these must not be called.
[[nodiscard]] bool stitched_gcm_works();

}  // namespace coffer::kernel::libcrypto
