#include "emulate/system_files.h"

#include <charconv>

#include "sgx/arch.h"

namespace coffer::emulate {

namespace {

constexpr std::string_view kCpuInformation = "/proc/cpuinfo";
constexpr std::string_view kNodes = "/sys/devices/system/node/node0/";
constexpr std::string_view kTotalBytes = "x86/sgx_total_bytes";

}  // namespace

std::optional<SystemFile> system_file(std::string_view path) {
  if (path == "/dev/sgx_enclave" || path == "/dev/sgx/enclave") return SystemFile::kEnclaveDevice;
  if (path == "/dev/sgx_provision" || path == "/dev/sgx/provision") return SystemFile::kProvisionDevice;
  if (path == kCpuInformation) return SystemFile::kText;
  if (path.starts_with(kNodes) && path.substr(kNodes.size()) == kTotalBytes) return SystemFile::kText;
  return std::nullopt;
}

std::string text_of(std::string_view path, std::uint64_t epc_size, std::string_view cpu_information) {
  if (path != kCpuInformation) return std::to_string(epc_size) + "\n";
  std::string text;
  while (!cpu_information.empty()) {
    const std::size_t end = cpu_information.find('\n');
    const std::string_view line = cpu_information.substr(0, end);
    text += line;
    if (line.starts_with("flags") && line.find(" sgx ") == std::string_view::npos) text += " sgx sgx_lc sgx1 sgx2";
    text += '\n';
    if (end == std::string_view::npos) break;
    cpu_information.remove_prefix(end + 1);
  }
  return text;
}

std::optional<std::uint64_t> parse_epc_size(std::string_view text) {
  std::uint64_t size = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), size);
  if (error != std::errc{}) return std::nullopt;
  const std::string_view unit(end, static_cast<std::size_t>(text.data() + text.size() - end));
  unsigned shift = 0;
  if (unit == "K") shift = 10;
  if (unit == "M") shift = 20;
  if (unit == "G") shift = 30;
  if (shift == 0 && !unit.empty()) return std::nullopt;
  constexpr std::uint64_t kLargest = std::uint64_t{1} << 40;
  if (size > kLargest >> shift) return std::nullopt;
  size <<= shift;
  if (size < std::uint64_t{1} << 20 || size % sgx::kPageSize != 0) return std::nullopt;
  return size;
}

}  // namespace coffer::emulate
