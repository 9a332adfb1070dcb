#include "host/image/signer.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <charconv>
#include <ctime>
#include <set>

#include "base/file.h"
#include "host/image/layout_builder.h"

namespace coffer::image {
namespace {

constexpr std::uint64_t kMaxMeasuredBytes = std::uint64_t{4} << 30;

Result<MeasuredInput> measured_file(const std::filesystem::path& host, std::string enclave) {
  struct stat status{};
  if (::stat(host.c_str(), &status) != 0) return system_error("cannot read the measured file " + host.string(), errno);
  if (!S_ISREG(status.st_mode)) {
    return input_error(host.string() + " is not a regular file or directory and cannot be measured");
  }
  if (enclave.size() > 255)
    return input_error(enclave + " is longer than 255 bytes; shorten the path inside the enclave");
  auto content = read_file(host, kMaxMeasuredBytes);
  if (!content) return std::unexpected(content.error());
  const std::uint32_t mode = (status.st_mode & S_IXUSR) != 0 ? 0555 : 0444;
  return MeasuredInput{.path = std::move(enclave), .mode = mode, .content = std::move(*content)};
}

// The files below a directory, as paths relative to it.
Result<std::vector<std::filesystem::path>> files_below(const std::filesystem::path& directory) {
  std::vector<std::filesystem::path> found;
  std::error_code error;
  std::filesystem::recursive_directory_iterator entries(directory, error);
  for (; !error && entries != std::filesystem::recursive_directory_iterator(); entries.increment(error)) {
    const auto& entry = *entries;
    if (entry.is_directory() && !entry.is_symlink()) continue;
    if (!entry.is_regular_file()) {
      return input_error(entry.path().string() +
                         " is not a regular file and cannot be measured; remove it or name files one by one");
    }
    found.push_back(entry.path().lexically_relative(directory));
  }
  if (error) return system_error("cannot list the measured directory " + directory.string(), error.value());
  return found;
}

void describe_identity(sgx::Sigstruct& sigstruct, const Settings& settings, std::uint32_t date) {
  sgx::set_fixed_fields(sigstruct);
  sigstruct.date = date;
  sigstruct.misc_select = sgx::kMiscExInfo;
  sigstruct.misc_mask = ~std::uint32_t{0};
  sigstruct.attributes.flags = sgx::attribute::kMode64Bit;
  if (settings.debug) sigstruct.attributes.flags |= sgx::attribute::kDebug;
  if (settings.key_separation) sigstruct.attributes.flags |= sgx::attribute::kKss;
  sigstruct.attributes.xfrm = sgx::xfrm::kLegacy;
  // DEBUG is in the mask, so a production image is never launched for debugging, unless its author allows it; AVX and
  // AVX-512 depend on the machine.
  sigstruct.attribute_mask.flags = ~std::uint64_t{0};
  if (settings.debug_at_launch) sigstruct.attribute_mask.flags &= ~sgx::attribute::kDebug;
  sigstruct.attribute_mask.xfrm = ~(sgx::xfrm::kAvx | sgx::xfrm::kAvx512);
  sigstruct.cet_attributes_mask = 0xff;
  sigstruct.isv_prod_id = settings.product_id;
  sigstruct.isv_svn = settings.svn;
  sigstruct.isv_family_id = settings.family_id;
  sigstruct.isv_ext_prod_id = settings.extended_product_id;
}

// Every file's path is a file or a folder, never both, and given once.
Result<void> check_paths(std::span<const MeasuredInput> files) {
  std::set<std::string_view> paths;
  for (const auto& file : files) {
    if (!paths.insert(file.path).second) return input_error(file.path + " is measured twice; name it once in files");
  }
  return {};
}

bool is_date(std::uint32_t year, std::uint32_t month, std::uint32_t day) {
  return year >= 1970 && year <= 9999 && month >= 1 && month <= 12 && day >= 1 && day <= 31;
}

// Decimal digits in hexadecimal places, as SIGSTRUCT has them.
std::uint32_t encode_decimal(std::uint32_t number) {
  std::uint32_t encoded = 0;
  for (unsigned place = 0; number != 0; ++place, number /= 10) encoded |= number % 10 << 4 * place;
  return encoded;
}

}  // namespace

Result<std::vector<MeasuredInput>> collect_files(const Settings& settings) {
  std::vector<MeasuredInput> inputs;
  for (const FileSetting& setting : settings.files) {
    std::error_code error;
    if (!std::filesystem::is_directory(setting.host, error)) {
      auto file = measured_file(setting.host, setting.enclave);
      if (!file) return std::unexpected(file.error());
      inputs.push_back(std::move(*file));
      continue;
    }
    auto found = files_below(setting.host);
    if (!found) return std::unexpected(found.error());
    for (const auto& relative : *found) {
      auto file = measured_file(setting.host / relative, setting.enclave + "/" + relative.generic_string());
      if (!file) return std::unexpected(file.error());
      inputs.push_back(std::move(*file));
    }
  }
  std::ranges::sort(inputs, {}, &MeasuredInput::path);
  if (auto checked = check_paths(inputs); !checked) return std::unexpected(checked.error());
  return inputs;
}

Result<UnsignedImage> build_image(const SignInput& input) {
  if (auto checked = check_settings(input.settings); !checked) return std::unexpected(checked.error());
  auto program = ElfProgram::parse(input.program, input.program_name);
  if (!program) return std::unexpected(program.error());
  auto kernel = ElfProgram::parse(input.kernel, "the enclave kernel");
  if (!kernel) return std::unexpected(kernel.error());
  if (program->segments().size() > boundary::kMaxSegments) {
    return input_error(fmt::format("{}: has {} segments to load, at most {} are possible; link with the default script",
                                   input.program_name, program->segments().size(), boundary::kMaxSegments));
  }
  if (program->header_count() == 0) {
    return input_error(input.program_name + ": its program headers are not loaded; link with the default script");
  }
  if (program->sanitized() && !input.settings.debug && !input.settings.debug_at_launch) {
    return input_error(
        input.program_name +
        ": looks for memory errors and tells whoever listens what it finds, which a production image must "
        "not; sign with --debug, or build without SANITIZE");
  }
  LayoutBuilder layout(input, *kernel, *program);
  if (auto built = layout.build(); !built) return std::unexpected(built.error());

  FileHeader header;
  describe_identity(header.sigstruct, input.settings, input.date);
  header.enclave_size = layout.layout().size;
  header.ssa_frame_size = 1;
  header.misc_select = sgx::kMiscExInfo;
  header.attributes = {.flags = header.sigstruct.attributes.flags, .xfrm = kImageXfrm};
  header.layout_offset = layout.layout().layout_offset;

  UnsignedImage result;
  result.file = write_image(header, layout.segments());
  // What is measured is what a loader will read: the file goes through the reader first.
  auto image = CofferImage::parse(result.file, input.program_name);
  if (!image) return std::unexpected(image.error());
  sgx::MeasuringBuilder measuring;
  if (auto measured = image->describe(measuring); !measured) return std::unexpected(measured.error());
  result.sigstruct = header.sigstruct;
  result.sigstruct.enclave_hash = measuring.mrenclave();
  replace_sigstruct(result.file, result.sigstruct);
  result.enclave_size = layout.layout().size;
  result.measured_size = measuring.page_count() * sgx::kPageSize;
  result.sites_found = layout.sites_found();
  result.sites_patched = layout.sites_patched();
  result.cpuid_sites = layout.cpuid_sites();
  return result;
}

Result<sgx::Sigstruct> sign_image(std::span<std::byte> file, std::string_view name, const sgx::SigningKey& key) {
  auto image = CofferImage::parse(file, name);
  if (!image) return std::unexpected(image.error());
  sgx::Sigstruct sigstruct = image->sigstruct();
  if (auto signed_now = sgx::sign(sigstruct, key); !signed_now) return std::unexpected(signed_now.error());
  replace_sigstruct(file, sigstruct);
  return sigstruct;
}

Result<sgx::Sigstruct> attach_signature_to_image(std::span<std::byte> file, std::string_view name,
                                                 const sgx::SigningKey& public_key, ByteView signature) {
  auto image = CofferImage::parse(file, name);
  if (!image) return std::unexpected(image.error());
  sgx::Sigstruct sigstruct = image->sigstruct();
  if (auto attached = sgx::attach_signature(sigstruct, public_key, signature); !attached) {
    return std::unexpected(attached.error());
  }
  replace_sigstruct(file, sigstruct);
  return sigstruct;
}

Result<std::uint32_t> signing_date() {
  std::time_t now = std::time(nullptr);
  if (const char* epoch = std::getenv("SOURCE_DATE_EPOCH"); epoch != nullptr && *epoch != '\0') {
    std::string_view text(epoch);
    auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), now);
    if (error != std::errc{} || end != text.data() + text.size() || now < 0) {
      return input_error("SOURCE_DATE_EPOCH is not a number of seconds: unset it or set it right");
    }
  }
  std::tm utc{};
  if (::gmtime_r(&now, &utc) == nullptr || utc.tm_year > 8099) return input_error("SOURCE_DATE_EPOCH is out of range");
  return encode_decimal(
      static_cast<std::uint32_t>((utc.tm_year + 1900) * 10000 + (utc.tm_mon + 1) * 100 + utc.tm_mday));
}

Result<std::uint32_t> parse_date(std::string_view text) {
  std::string digits(text);
  if (digits.size() == 10 && digits[4] == '-' && digits[7] == '-') std::erase(digits, '-');
  std::uint32_t number = 0;
  auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
  bool complete = digits.size() == 8 && error == std::errc{} && end == digits.data() + digits.size();
  if (!complete || !is_date(number / 10000, number / 100 % 100, number % 100)) {
    return input_error(fmt::format("\"{}\" is not a date: write it as 2026-11-22", text));
  }
  return encode_decimal(number);
}

}  // namespace coffer::image
