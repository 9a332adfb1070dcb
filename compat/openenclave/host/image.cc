#include "compat/openenclave/host/image.h"

#include <elf.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <openenclave/bits/properties.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>

#include "base/file.h"
#include "base/secret.h"
#include "compat/openenclave/protocol.h"
#include "host/image/coffer_image.h"

namespace coffer::openenclave {
namespace {

constexpr std::uint64_t kPage = 4096, kMostPages = std::uint64_t{1} << 26;  // 256 GiB
constexpr std::uint64_t kOverhead = std::uint64_t{128} << 20;  // heap that is not malloc()'s: the C library's own
constexpr std::uint64_t kLeastStack = 256 * 1024;

// The contents of a section, or nothing where the file has none of the name.
Result<std::optional<ByteView>> section(ByteView elf, std::string_view wanted, std::string_view name) {
  const auto broken = [name] { return input_error(fmt::format("{}: not an ELF file for x86-64", name)); };
  ByteReader start(elf);
  const auto header = start.read<Elf64_Ehdr>();
  if (!header || std::memcmp(header->e_ident, ELFMAG, SELFMAG) != 0 || header->e_ident[EI_CLASS] != ELFCLASS64 ||
      header->e_machine != EM_X86_64) {
    return broken();
  }
  if (header->e_shnum == 0) return std::nullopt;
  if (header->e_shentsize != sizeof(Elf64_Shdr) || header->e_shstrndx >= header->e_shnum ||
      !range_fits(header->e_shoff, std::uint64_t{header->e_shnum} * sizeof(Elf64_Shdr), elf.size())) {
    return broken();
  }
  const auto header_of = [&](std::size_t index) {
    Elf64_Shdr found;
    std::memcpy(&found, elf.data() + header->e_shoff + index * sizeof(found), sizeof(found));
    return found;
  };
  const Elf64_Shdr names = header_of(header->e_shstrndx);
  if (!range_fits(names.sh_offset, names.sh_size, elf.size())) return broken();
  const std::string_view text(reinterpret_cast<const char*>(elf.data() + names.sh_offset), names.sh_size);
  for (std::size_t i = 0; i < header->e_shnum; ++i) {
    const Elf64_Shdr each = header_of(i);
    if (each.sh_name >= text.size() ||
        text.substr(each.sh_name, text.find('\0', each.sh_name) - each.sh_name) != wanted)
      continue;
    if (each.sh_type == SHT_NOBITS || !range_fits(each.sh_offset, each.sh_size, elf.size())) return broken();
    return elf.subspan(each.sh_offset, each.sh_size);
  }
  return std::nullopt;
}

std::string_view trimmed(std::string_view text) {
  const auto first = text.find_first_not_of(" \t\r");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t\r") - first + 1);
}

bool parse_number(std::string_view text, std::uint64_t most, std::uint64_t& value) {
  const bool hexadecimal = text.starts_with("0x") || text.starts_with("0X");
  if (hexadecimal) text.remove_prefix(2);
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, hexadecimal ? 16 : 10);
  return error == std::errc{} && end == text.data() + text.size() && value <= most;
}

// 2768c720-1e28-11eb-adc1-0242ac120002
bool parse_uuid(std::string_view text, sgx::Bytes<16>& value) {
  constexpr std::array<std::size_t, 4> kHyphens = {8, 13, 18, 23};
  if (text.size() != 36) return false;
  std::size_t digits = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (std::ranges::find(kHyphens, i) != kHyphens.end()) {
      if (text[i] != '-') return false;
      continue;
    }
    std::uint8_t digit = 0;
    if (std::from_chars(&text[i], &text[i] + 1, digit, 16).ec != std::errc{}) return false;
    auto& byte = value[digits / 2];
    byte = static_cast<std::uint8_t>(digits % 2 == 0 ? digit << 4 : byte | digit);
    ++digits;
  }
  return true;
}

struct Setting {
  std::string_view name;
  std::uint64_t most;  // 0: an id
  void (*set)(Properties&, std::uint64_t);
  sgx::Bytes<16> Properties::* id;
};
constexpr std::array<Setting, 11> kSettings = {{
    {"Debug", 1, [](Properties& p, std::uint64_t v) { p.debug = v != 0; }, nullptr},
    {"NumHeapPages", kMostPages, [](Properties& p, std::uint64_t v) { p.heap_pages = v; }, nullptr},
    {"NumStackPages", kMostPages, [](Properties& p, std::uint64_t v) { p.stack_pages = v; }, nullptr},
    {"NumTCS", OE_SGX_MAX_TCS, [](Properties& p, std::uint64_t v) { p.tcs = v; }, nullptr},
    {"ProductID", UINT16_MAX, [](Properties& p, std::uint64_t v) { p.product_id = static_cast<std::uint16_t>(v); },
     nullptr},
    {"SecurityVersion", UINT16_MAX,
     [](Properties& p, std::uint64_t v) { p.security_version = static_cast<std::uint16_t>(v); }, nullptr},
    {"FamilyID", 0, nullptr, &Properties::family_id},
    {"ExtendedProductID", 0, nullptr, &Properties::extended_product_id},
    {"CapturePFGPExceptions", 1, [](Properties& p, std::uint64_t v) { p.capture_pf_gp_exceptions = v != 0; }, nullptr},
    {"CreateZeroBaseEnclave", 1, [](Properties& p, std::uint64_t v) { p.create_zero_base_enclave = v != 0; }, nullptr},
    {"StartAddress", UINT64_MAX, [](Properties& p, std::uint64_t v) { p.start_address = v; }, nullptr},
}};

Result<void> apply_line(std::string_view line, Properties& properties) {
  const auto equals = line.find('=');
  if (equals == std::string_view::npos) return input_error("is not NAME=VALUE");
  const std::string_view name = trimmed(line.substr(0, equals)), value = trimmed(line.substr(equals + 1));
  const auto* found = std::ranges::find(kSettings, name, &Setting::name);
  if (found == kSettings.end()) return input_error(fmt::format("{}: no such setting; see `oesign sign --help`", name));
  if (found->id != nullptr) {
    if (!parse_uuid(value, properties.*(found->id))) {
      return input_error(fmt::format("{} is not an id like 2768c720-1e28-11eb-adc1-0242ac120002", name));
    }
    properties.key_separation = true;
    return {};
  }
  std::uint64_t number = 0;
  if (!parse_number(value, found->most, number)) {
    return input_error(fmt::format("{} must be a number from 0 to {}", name, found->most));
  }
  found->set(properties, number);
  return {};
}

}  // namespace

Result<std::optional<Properties>> read_oeinfo(ByteView elf, std::string_view name) {
  const auto found = section(elf, OE_INFO_SECTION_NAME, name);
  if (!found) return std::unexpected(found.error());
  if (!*found) return std::nullopt;
  oe_sgx_enclave_properties_t record;
  if ((*found)->size() < sizeof(record))
    return input_error(fmt::format("{}: {} is cut short", name, OE_INFO_SECTION_NAME));
  std::memcpy(&record, (*found)->data(), sizeof(record));
  if (record.header.size != sizeof(record) || record.header.enclave_type != OE_ENCLAVE_TYPE_SGX) {
    return input_error(fmt::format("{}: {} is not an SGX enclave's", name, OE_INFO_SECTION_NAME));
  }
  Properties read;
  read.heap_pages = record.header.size_settings.num_heap_pages;
  read.stack_pages = record.header.size_settings.num_stack_pages;
  read.tcs = record.header.size_settings.num_tcs;
  read.product_id = record.config.product_id;
  read.security_version = record.config.security_version;
  read.debug = (record.config.attributes & OE_SGX_FLAGS_DEBUG) != 0;
  read.key_separation = (record.config.attributes & OE_SGX_FLAGS_KSS) != 0;
  std::memcpy(read.family_id.data(), record.config.family_id, read.family_id.size());
  std::memcpy(read.extended_product_id.data(), record.config.extended_product_id, read.extended_product_id.size());
  read.capture_pf_gp_exceptions = record.config.flags.capture_pf_gp_exceptions != 0;
  read.create_zero_base_enclave = record.config.flags.create_zero_base_enclave != 0;
  read.start_address = record.config.start_address;
  return read;
}

Result<void> apply_configuration(std::string_view text, std::string_view file_name, Properties& properties) {
  for (std::size_t number = 1; !text.empty(); ++number) {
    const auto end = text.find('\n');
    const std::string_view line = trimmed(text.substr(0, end));
    text = end == std::string_view::npos ? std::string_view{} : text.substr(end + 1);
    if (line.empty() || line.starts_with('#')) continue;
    if (const auto applied = apply_line(line, properties); !applied) {
      return input_error(fmt::format("{}:{}: {}", file_name, number, applied.error().message));
    }
  }
  return {};
}

Result<void> check_properties(const Properties& properties, std::string_view name) {
  const auto wrong = [name](std::string_view what) {
    return input_error(fmt::format("{}: {}; set it in the configuration file or with OE_SET_ENCLAVE_SGX", name, what));
  };
  if (properties.heap_pages == 0 || properties.heap_pages > kMostPages) {
    return wrong(fmt::format("NumHeapPages must be from 1 to {}", kMostPages));
  }
  if (properties.stack_pages == 0 || properties.stack_pages > image::kMaxStack / kPage) {
    return wrong(fmt::format("NumStackPages must be from 1 to {}", image::kMaxStack / kPage));
  }
  if (properties.tcs == 0 || properties.tcs > OE_SGX_MAX_TCS - kThreadsBesides) {
    return wrong(fmt::format("NumTCS must be from 1 to {}", OE_SGX_MAX_TCS - kThreadsBesides));
  }
  return {};
}

Result<image::UnsignedImage> build_image(ByteView elf, const std::string& name, const Properties& properties,
                                         ByteView kernel, std::uint32_t date) {
  image::Settings settings;
  settings.product_id = properties.product_id;
  settings.svn = properties.security_version;
  settings.key_separation = properties.key_separation;
  settings.family_id = properties.family_id;
  settings.extended_product_id = properties.extended_product_id;
  settings.debug_at_launch = properties.debug;
  settings.threads = static_cast<std::uint32_t>(properties.tcs) + kThreadsBesides;
  settings.stack = std::max(properties.stack_pages * kPage, kLeastStack);
  // malloc() is held to NumHeapPages inside; this is for what the C library takes besides, holes between blocks too.
  settings.heap_max =
      std::min(3 * properties.heap_pages * kPage + settings.threads * settings.stack + kOverhead, image::kMaxHeap);
  settings.environment_allow = {std::string(kHandle), std::string(kLogLevel)};
  settings.environment_set = {fmt::format("{}={}", kHeapPages, properties.heap_pages),
                              fmt::format("{}={}", kStackPages, properties.stack_pages),
                              fmt::format("{}={}", kTcsCount, properties.tcs)};
  if (auto checked = image::check_settings(settings); !checked) return std::unexpected(checked.error());
  return image::build_image({.kernel = kernel,
                             .program = elf,
                             .program_name = name,
                             .settings = std::move(settings),
                             .files = {},
                             .date = date});
}

std::optional<Properties> properties_of(std::span<const std::string_view> environment) {
  Properties read;
  for (const std::string_view entry : environment) {
    const auto equals = entry.find('=');
    if (equals == std::string_view::npos) continue;
    const std::string_view name = entry.substr(0, equals), value = entry.substr(equals + 1);
    std::uint64_t* place = name == kHeapPages    ? &read.heap_pages
                           : name == kStackPages ? &read.stack_pages
                           : name == kTcsCount   ? &read.tcs
                                                 : nullptr;
    if (place != nullptr && !parse_number(value, UINT64_MAX, *place)) return std::nullopt;
  }
  if (read.heap_pages == 0 || read.stack_pages == 0 || read.tcs == 0) return std::nullopt;
  return read;
}

bool may_be_debug(const sgx::Sigstruct& sigstruct) {
  return ((sigstruct.attributes.flags | ~sigstruct.attribute_mask.flags) & sgx::attribute::kDebug) != 0;
}

Result<sgx::SigningKey> debug_key() {
  constexpr std::size_t kLimit = 1 << 16;
  const auto directory = state_directory();
  if (!directory) return std::unexpected(directory.error());
  const auto path = *directory / "openenclave-debug.pem";
  for (int attempt = 0; attempt < 2; ++attempt) {
    if (auto content = read_file(path, kLimit); content) {
      auto key = sgx::SigningKey::from_pem({reinterpret_cast<const char*>(content->data()), content->size()});
      wipe(content->data(), content->size());
      return key;
    }
    auto made = sgx::SigningKey::generate();
    if (!made) return made;
    auto pem = made->private_pem();
    if (!pem) return std::unexpected(pem.error());
    // Whole under another name first: whoever comes first makes the key of all.
    std::string temporary = path.string() + ".XXXXXX";
    const FileDescriptor file(::mkostemp(temporary.data(), O_CLOEXEC));
    const bool written = file && ::write(file.get(), pem->data(), pem->size()) == static_cast<ssize_t>(pem->size());
    const int error = errno;
    wipe(pem->data(), pem->size());
    const bool linked = written && (::link(temporary.c_str(), path.c_str()) == 0 || errno == EEXIST);
    if (file) ::unlink(temporary.c_str());
    if (!linked) return system_error("cannot write " + path.string(), error);
  }
  return fail(ErrorKind::kSystem, path.string() + " cannot be read");
}

}  // namespace coffer::openenclave
