// An image that is a part of Coffer, signed by this platform: so that what a service seals to its signer is open to the
// next version of it.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

#include "base/file.h"
#include "base/result.h"

namespace coffer::service {

// The part `name` ("attestation-service.enclave") under the key services.pem of the state directory, which is made
// where it is missing, as a file in memory: its path is /proc/self/fd/N as long as the descriptor is open.
[[nodiscard]] Result<FileDescriptor> platform_image(std::string_view name);

}  // namespace coffer::service
