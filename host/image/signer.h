// Makes enclave images: lays out the enclave kernel, a program and its settings as boundary/image_layout.h says,
// measures the result and fills in the SIGSTRUCT. The same inputs (and date) give the same file, byte for byte.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "host/image/settings.h"
#include "sgx/sigstruct.h"

namespace coffer::image {

// A measured file that is ready to be laid out.
struct MeasuredInput {
  std::string path;  // absolute, inside the enclave
  std::uint32_t mode = 0444;
  std::vector<std::byte> content;
};

// Reads the settings' files; directories with all regular files below them, in the order of their paths.
[[nodiscard]] Result<std::vector<MeasuredInput>> collect_files(const Settings& settings);

struct SignInput {
  ByteView kernel;           // the enclave kernel's ELF file
  ByteView program;          // the application's ELF file
  std::string program_name;  // for messages, and the name where the settings have none
  Settings settings;
  std::vector<MeasuredInput> files;
  std::uint32_t date = 0;  // of the SIGSTRUCT: 0xYYYYMMDD, decimal digits in hexadecimal places
};

struct UnsignedImage {
  std::vector<std::byte> file;  // complete but for the signature
  sgx::Sigstruct sigstruct;
  std::uint64_t enclave_size = 0, measured_size = 0;  // bytes
  std::size_t sites_found = 0, sites_patched = 0;     // system-call instructions of the program
  std::size_t cpuid_sites = 0;                        // CPUID instructions of kernel and program
};

// Lays out and measures. The image is complete but for the key's fields of the SIGSTRUCT.
[[nodiscard]] Result<UnsignedImage> build_image(const SignInput& input);

// Both fill the key's fields of the image file's SIGSTRUCT, in place. The file must be an image (checked).
[[nodiscard]] Result<sgx::Sigstruct> sign_image(std::span<std::byte> file, std::string_view name,
                                                const sgx::SigningKey& key);
// `signature`: PKCS #1 v1.5 with SHA-256, big-endian, made elsewhere over the digest that digest_to_sign() gives.
[[nodiscard]] Result<sgx::Sigstruct> attach_signature_to_image(std::span<std::byte> file, std::string_view name,
                                                               const sgx::SigningKey& public_key, ByteView signature);

// 0xYYYYMMDD of $SOURCE_DATE_EPOCH where it is set, else of today (UTC).
[[nodiscard]] Result<std::uint32_t> signing_date();
// "20261122" or "2026-11-22".
[[nodiscard]] Result<std::uint32_t> parse_date(std::string_view text);

}  // namespace coffer::image
