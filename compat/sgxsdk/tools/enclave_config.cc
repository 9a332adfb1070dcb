#include "compat/sgxsdk/tools/enclave_config.h"

#include <fmt/format.h>
#include <tinyxml2.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <functional>
#include <map>
#include <optional>

#include "base/file.h"
#include "compat/sgxsdk/protocol.h"

namespace coffer::sgxsdk {
namespace {

constexpr std::uint64_t kPage = 4096;
constexpr std::uint64_t kMostBytes = std::uint64_t{1} << 38;

// Decimal, or hexadecimal after 0x.
std::optional<std::uint64_t> number(const char* text) {
  if (text == nullptr) return std::nullopt;
  std::string digits(text);
  const auto first = digits.find_first_not_of(" \t\r\n");
  if (first == std::string::npos) return std::nullopt;
  digits = digits.substr(first, digits.find_last_not_of(" \t\r\n") - first + 1);
  if (digits[0] < '0' || digits[0] > '9') return std::nullopt;
  char* end = nullptr;
  errno = 0;
  const std::uint64_t value = std::strtoull(digits.c_str(), &end, digits.starts_with("0x") ? 16 : 10);
  if (errno != 0 || *end != '\0') return std::nullopt;
  return value;
}

struct Key {
  std::uint64_t least, most;
  bool pages;  // a multiple of 4096
  std::function<void(EnclaveConfig&, std::uint64_t)> store;
  const char* without_effect = nullptr;  // why a value other than 0 changes nothing
};

void ignore(EnclaveConfig&, std::uint64_t) {}

// Every key of the format. What is checked and has no effect has none here because the enclave does without: heap and
// stacks grow as they are touched, and threads are made as they are needed.
const std::map<std::string_view, Key>& keys() {
  constexpr std::uint64_t kAny = ~std::uint64_t{0};
  static const std::map<std::string_view, Key> known = {
      {"ProdID", {0, 0xffff, false, [](auto& c, auto v) { c.product_id = static_cast<std::uint16_t>(v); }}},
      {"ISVSVN", {0, 0xffff, false, [](auto& c, auto v) { c.svn = static_cast<std::uint16_t>(v); }}},
      {"DisableDebug", {0, 1, false, [](auto& c, auto v) { c.disable_debug = v == 1; }}},
      {"TCSNum", {1, 1000, false, [](auto& c, auto v) { c.tcs_count = std::max(c.tcs_count, std::uint32_t(v)); }}},
      {"TCSMaxNum", {1, 1000, false, [](auto& c, auto v) { c.tcs_count = std::max(c.tcs_count, std::uint32_t(v)); }}},
      {"TCSMinPool", {0, 1000, false, ignore}},
      {"TCSPolicy", {0, 1, false, ignore}},
      {"StackMaxSize", {0x2000, kMostBytes, true, [](auto& c, auto v) { c.stack_max = v; }}},
      {"StackMinSize", {0x2000, kMostBytes, true, ignore}},
      {"HeapMaxSize", {0, kMostBytes, true, [](auto& c, auto v) { c.heap_max = v; }}},
      {"HeapMinSize", {0, kMostBytes, true, ignore}},
      {"HeapInitSize", {0, kMostBytes, true, ignore}},
      {"ReservedMemMaxSize", {0, kMostBytes, true, [](auto& c, auto v) { c.reserved_max = v; }}},
      {"ReservedMemMinSize", {0, kMostBytes, true, ignore}},
      {"ReservedMemInitSize", {0, kMostBytes, true, ignore}},
      {"ReservedMemExecutable", {0, 1, false, ignore}},
      {"UserRegionSize", {0, kMostBytes, true, [](auto& c, auto v) { c.user_region = v; }}},
      {"MiscSelect", {0, 0xffffffff, false, ignore}},
      {"MiscMask", {0, 0xffffffff, false, ignore}},
      {"EnableKSS", {0, 1, false, [](auto& c, auto v) { c.key_separation = v == 1; }}},
      {"ISVFAMILYID_H", {0, kAny, false, [](auto& c, auto v) { c.family_high = v; }}},
      {"ISVFAMILYID_L", {0, kAny, false, [](auto& c, auto v) { c.family_low = v; }}},
      {"ISVEXTPRODID_H", {0, kAny, false, [](auto& c, auto v) { c.extended_product_high = v; }}},
      {"ISVEXTPRODID_L", {0, kAny, false, [](auto& c, auto v) { c.extended_product_low = v; }}},
      {"ReleaseType", {0, 1, false, ignore}},
      {"HW", {0, 0x10, false, ignore}},
      {"PKRU", {0, 2, false, ignore, "protection keys are not offered inside"}},
      {"AMX", {0, 2, false, ignore, "AMX is not offered inside"}},
      {"EnableAEXNotify", {0, 1, false, ignore, "AEX-Notify is not offered"}},
      {"EnableIPPFIPS", {0, 1, false, ignore, "the cryptography is OpenSSL's"}},
      {"IntelSigned", {0, 1, false, ignore, "nothing here is signed by Intel"}},
      {"ProvisionKey", {0, 1, false, ignore, "the provisioning key is the platform's alone"}},
      {"LaunchKey", {0, 1, false, ignore, "there is no launch control by tokens"}},
      {"EnclaveImageAddress", {0, kAny, false, ignore, "the loader chooses where the enclave stands"}},
      {"ELRangeStartAddress", {0, kAny, false, ignore, "the loader chooses where the enclave stands"}},
      {"ELRangeSize", {0, kAny, false, ignore, "the enclave's range follows from its contents"}},
  };
  return known;
}

Result<void> apply(const tinyxml2::XMLElement& element, std::string_view file, EnclaveConfig& config) {
  const std::string_view name = element.Name();
  auto wrong = [&](std::string_view what) {
    return input_error(fmt::format("{}:{}: {} {}", file, element.GetLineNum(), name, what));
  };
  const auto found = keys().find(name);
  if (found == keys().end()) {
    config.warnings.push_back(
        fmt::format("{}:{}: {} is not known and has no effect", file, element.GetLineNum(), name));
    return {};
  }
  const Key& key = found->second;
  const auto value = number(element.GetText());
  if (!value) return wrong("must be a number, decimal or hexadecimal after 0x");
  if (*value < key.least || *value > key.most) {
    return wrong(fmt::format("must be from {:#x} to {:#x}", key.least, key.most));
  }
  if (key.pages && *value % kPage != 0) return wrong("must be a multiple of 0x1000");
  if (key.without_effect != nullptr && *value != 0) {
    config.warnings.push_back(
        fmt::format("{}:{}: {} has no effect: {}", file, element.GetLineNum(), name, key.without_effect));
  }
  key.store(config, *value);
  return {};
}

void store_id(std::uint64_t high, std::uint64_t low, sgx::Bytes<16>& id) {
  std::memcpy(id.data(), &low, sizeof(low));
  std::memcpy(id.data() + sizeof(low), &high, sizeof(high));
}

}  // namespace

Result<EnclaveConfig> parse_enclave_config(std::string_view xml, std::string_view file_name) {
  tinyxml2::XMLDocument document;
  if (document.Parse(xml.data(), xml.size()) != tinyxml2::XML_SUCCESS) {
    return input_error(fmt::format("{}:{}: is not well-formed XML", file_name, document.ErrorLineNum()));
  }
  const tinyxml2::XMLElement* root = document.RootElement();
  if (root == nullptr || std::string_view(root->Name()) != "EnclaveConfiguration") {
    return input_error(fmt::format("{}: has no <EnclaveConfiguration> as its root", file_name));
  }
  EnclaveConfig config;
  for (const auto* element = root->FirstChildElement(); element != nullptr; element = element->NextSiblingElement()) {
    if (auto applied = apply(*element, file_name, config); !applied) return std::unexpected(applied.error());
  }
  const bool ids =
      (config.family_high | config.family_low | config.extended_product_high | config.extended_product_low) != 0;
  if (ids && !config.key_separation) {
    return input_error(fmt::format("{}: ISVFAMILYID and ISVEXTPRODID need <EnableKSS>1</EnableKSS>", file_name));
  }
  return config;
}

Result<EnclaveConfig> read_enclave_config(const std::filesystem::path& path) {
  constexpr std::size_t kLimit = 1 << 20;
  auto content = read_file(path, kLimit);
  if (!content) return std::unexpected(content.error());
  return parse_enclave_config({reinterpret_cast<const char*>(content->data()), content->size()}, path.string());
}

image::Settings image_settings(const EnclaveConfig& config) {
  constexpr std::uint32_t kProgramThreads = 16;  // that programs start, and one that waits for calls
  constexpr std::uint64_t kMainStack = std::uint64_t{1} << 20;
  constexpr std::uint64_t kLibraries = std::uint64_t{64} << 20;  // the C and C++ libraries' own, and large files
  image::Settings settings;
  settings.product_id = config.product_id;
  settings.svn = config.svn;
  settings.debug_at_launch = !config.disable_debug;
  settings.threads = config.tcs_count + kProgramThreads;
  settings.stack = std::min(std::max(config.stack_max, kMainStack), image::kMaxStack);
  settings.heap_max = std::min(
      kLibraries + config.heap_max + config.reserved_max + config.user_region + settings.threads * settings.stack,
      image::kMaxHeap);
  // Memory for EDMM's functions, which can make it executable.
  settings.dynamic_code = config.user_region != 0;
  settings.key_separation = config.key_separation;
  store_id(config.family_high, config.family_low, settings.family_id);
  store_id(config.extended_product_high, config.extended_product_low, settings.extended_product_id);
  settings.environment_set = {fmt::format("{}={}", kTcsVariableName, config.tcs_count)};
  if (config.user_region != 0) {
    settings.environment_set.push_back(fmt::format("{}={}", kUserRegionVariableName, config.user_region));
  }
  return settings;
}

}  // namespace coffer::sgxsdk
