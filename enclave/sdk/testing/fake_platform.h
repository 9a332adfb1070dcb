// The library's platform without an enclave: the software processor's key derivation in the test's own process, for
// whichever identity the test says it is. Never part of an enclave: it is linked into tests only.
#pragma once

#include <cstdint>

#include "sgx/arch.h"

namespace coffer::sdk::testing {

// An initialised production enclave; the digests are filled with these bytes.
[[nodiscard]] sgx::Secs identity(std::uint8_t mrenclave = 1, std::uint8_t mrsigner = 2, std::uint16_t svn = 3);

// From now on this process is that enclave, on the platform with this number. Not thread-safe.
void become(const sgx::Secs& secs, int platform = 0);
// And now it is none.
void leave();

// How often EGETKEY was asked since the last become().
[[nodiscard]] int key_requests();

}  // namespace coffer::sdk::testing
