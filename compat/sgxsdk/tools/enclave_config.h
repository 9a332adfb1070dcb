// Enclave.config.xml: the settings of an enclave of the Intel SGX SDK, and what they are in an image of Coffer's.
//
// Threads: TCSNum is how many calls can be inside at once; the image has more threads than that, for those that the
// program starts. HeapMaxSize bounds what programs of the SDK allocate; an image's heap holds stacks, mappings and the
// C library's own as well, so it gets room for those on top. Sizes below what a program needs to start are raised.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "host/image/settings.h"

namespace coffer::sgxsdk {

struct EnclaveConfig {
  std::uint16_t product_id = 0, svn = 0;
  bool disable_debug = false;
  std::uint32_t tcs_count = 1;        // TCSMaxNum where it is larger than TCSNum
  std::uint64_t stack_max = 0x40000;  // bytes
  std::uint64_t heap_max = 0x1000000;
  std::uint64_t reserved_max = 0;  // ReservedMemMaxSize
  std::uint64_t user_region = 0;   // UserRegionSize
  bool key_separation = false;
  std::uint64_t family_high = 0, family_low = 0, extended_product_high = 0, extended_product_low = 0;
  std::vector<std::string> warnings;  // one line each: what is not in force, or not known
};

// `file_name` is for messages. An empty document is refused; an absent file is the caller's affair (all defaults).
[[nodiscard]] Result<EnclaveConfig> parse_enclave_config(std::string_view xml, std::string_view file_name);
[[nodiscard]] Result<EnclaveConfig> read_enclave_config(const std::filesystem::path& path);

[[nodiscard]] image::Settings image_settings(const EnclaveConfig& config);

}  // namespace coffer::sgxsdk
