// The files by which programs find SGX on a Linux machine, and what stands in them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace coffer::emulate {

enum class SystemFile : std::uint8_t { kEnclaveDevice, kProvisionDevice, kText };

// What `path` (absolute, as programs write it) is; nothing where it is not ours.
[[nodiscard]] std::optional<SystemFile> system_file(std::string_view path);
// The text of a kText file. `cpu_information` is the machine's own /proc/cpuinfo.
[[nodiscard]] std::string text_of(std::string_view path, std::uint64_t epc_size, std::string_view cpu_information);

// "64M" and the like, in bytes; nothing where it is no size of whole pages of at least 1 MiB.
[[nodiscard]] std::optional<std::uint64_t> parse_epc_size(std::string_view text);
inline constexpr std::uint64_t kDefaultEpcSize = std::uint64_t{128} << 20;
inline constexpr const char* kEpcVariable = "COFFER_EMULATE_EPC";  // bytes

}  // namespace coffer::emulate
