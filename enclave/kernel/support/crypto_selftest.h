#pragma once

namespace coffer::kernel {

// AES-GCM (its stitched path too) and SHA-256 against known answers.
[[nodiscard]] bool crypto_self_test();

}  // namespace coffer::kernel
