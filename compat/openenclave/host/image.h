// Enclaves of Open Enclave as Coffer images: what their sources (.oeinfo) and oesign's configuration say, and signing.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "host/image/settings.h"
#include "host/image/signer.h"

namespace coffer::openenclave {

// TCSes of an image beyond those of its ECALLs: for switchless workers and for threads that the program starts.
inline constexpr std::uint32_t kThreadsBesides = 8;

struct Properties {
  std::uint64_t heap_pages = 0, stack_pages = 0, tcs = 0;
  std::uint16_t product_id = 0, security_version = 0;
  bool debug = false;
  bool key_separation = false;
  sgx::Bytes<16> family_id{}, extended_product_id{};
  // Accepted for the sake of sources; Coffer's kernel delivers page faults in any case and never uses address zero.
  bool capture_pf_gp_exceptions = false, create_zero_base_enclave = false;
  std::uint64_t start_address = 0;
};

// The record that OE_SET_ENCLAVE_SGX() left in the ELF file, or nothing where there is none. `name` starts messages.
[[nodiscard]] Result<std::optional<Properties>> read_oeinfo(ByteView elf, std::string_view name);

// Applies oesign's configuration, lines of NAME=VALUE, over `properties`. Errors name file and line.
[[nodiscard]] Result<void> apply_configuration(std::string_view text, std::string_view file_name,
                                               Properties& properties);

// What an image must say: sizes that are there and within their bounds.
[[nodiscard]] Result<void> check_properties(const Properties& properties, std::string_view name);

// The image of an enclave's ELF file, unsigned. `name` is the program's.
[[nodiscard]] Result<image::UnsignedImage> build_image(ByteView elf, const std::string& name,
                                                       const Properties& properties, ByteView kernel,
                                                       std::uint32_t date);

// What a Coffer image says that build_image() made; nothing for other images.
[[nodiscard]] std::optional<Properties> properties_of(std::span<const std::string_view> environment);

// Whether whoever launches the image may make it a debug enclave: Debug=1.
[[nodiscard]] bool may_be_debug(const sgx::Sigstruct& sigstruct);

// The key that debug enclaves are signed with which nobody signed: one for each user, made at its first use. Anybody
// who has the user's files has it, as is right for what protects nothing.
[[nodiscard]] Result<sgx::SigningKey> debug_key();

}  // namespace coffer::openenclave
