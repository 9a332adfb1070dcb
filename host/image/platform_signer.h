// Images that are parts of Coffer, signed on this machine: the keys of the platform's own, and what is signed with one
// as a file in memory.
#pragma once

#include <filesystem>
#include <span>
#include <string>
#include <string_view>

#include "base/file.h"
#include "base/result.h"
#include "sgx/sigstruct.h"

namespace coffer::image {

// The private key of a PEM file of at most 64 KiB. Input error where it is a public key.
[[nodiscard]] Result<sgx::SigningKey> read_signing_key(const std::filesystem::path& path);

// The key NAME.pem of the state directory, made at first use; two first uses at once agree on one.
[[nodiscard]] Result<sgx::SigningKey> platform_signing_key(std::string_view name);

// Signs `file`, the bytes of an image, with `key`. The result's path is /proc/self/fd/N as long as the descriptor is
// open.
[[nodiscard]] Result<FileDescriptor> sign_in_memory(std::span<std::byte> file, const std::string& name,
                                                    const sgx::SigningKey& key);

}  // namespace coffer::image
