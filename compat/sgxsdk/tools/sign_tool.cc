#include "compat/sgxsdk/tools/sign_tool.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <cstring>

#include "base/file.h"
#include "base/hex.h"
#include "base/secret.h"
#include "compat/sgxsdk/tools/dump.h"
#include "compat/sgxsdk/tools/enclave_config.h"
#include "host/image/coffer_image.h"
#include "host/image/signer.h"
#include "host/image/static_pie.h"
#include "sgx/sigstruct.h"

namespace coffer::sgxsdk {
namespace {

constexpr std::size_t kSmallFile = 1 << 16;

Result<sgx::SigningKey> read_key(const std::string& path) {
  auto content = read_file(path, kSmallFile);
  if (!content) return std::unexpected(content.error());
  auto key = sgx::SigningKey::from_pem({reinterpret_cast<const char*>(content->data()), content->size()});
  wipe(content->data(), content->size());
  if (!key) return std::unexpected(Error{key.error().kind, path + ": " + key.error().message});
  return key;
}

// The installation stands around this program, wherever the links of an SDK's folder that it was started by stand.
Result<std::vector<std::byte>> read_kernel() {
  std::error_code error;
  const auto self = std::filesystem::read_symlink("/proc/self/exe", error);
  if (error) return system_error("cannot find the running command in /proc/self/exe", error.value());
  const auto kernel = self.parent_path().parent_path() / "libexec/coffer/enclave-kernel.elf";
  if (!std::filesystem::exists(kernel, error)) {
    return input_error(kernel.string() + " is missing: install Coffer as a whole");
  }
  return read_file(kernel);
}

Result<EnclaveConfig> config_of(const SignOptions& options) {
  if (options.config.empty()) return EnclaveConfig{};
  auto config = read_enclave_config(options.config);
  if (!config) return config;
  for (const std::string& warning : config->warnings) std::fprintf(stderr, "sgx_sign: warning: %s\n", warning.c_str());
  return config;
}

Result<image::UnsignedImage> build(const SignOptions& options, ByteView linked, std::uint32_t date) {
  auto config = config_of(options);
  if (!config) return std::unexpected(config.error());
  auto program = image::as_static_pie(linked, options.enclave);
  if (!program) return std::unexpected(program.error());
  auto kernel = read_kernel();
  if (!kernel) return std::unexpected(kernel.error());
  image::Settings settings = image_settings(*config);
  settings.name = std::filesystem::path(options.enclave).filename().string();
  return image::build_image({.kernel = *kernel,
                             .program = *program,
                             .program_name = options.enclave,
                             .settings = std::move(settings),
                             .files = {},
                             .date = date});
}

// An image before its signature: built of a program, or for -resign a signed one as it is.
Result<std::vector<std::byte>> image_to_sign(const SignOptions& options, std::uint32_t date) {
  auto content = read_file(options.enclave);
  if (!content) return content;
  const bool made_before = image::CofferImage::recognises(*content);
  if (made_before && !options.resign) {
    return input_error(options.enclave +
                       " is signed already; give the unsigned enclave, or -resign to replace its signature");
  }
  if (made_before) {
    if (auto parsed = image::CofferImage::parse(*content, options.enclave); !parsed) {
      return std::unexpected(parsed.error());
    }
    return content;
  }
  auto built = build(options, *content, date);
  if (!built) return std::unexpected(built.error());
  return std::move(built->file);
}

Result<void> write_extras(const SignOptions& options, const sgx::Sigstruct& sigstruct) {
  if (!options.dump_file.empty()) {
    const std::string text = dump_text(sigstruct);
    auto written = write_file_atomically(options.dump_file, std::as_bytes(std::span(text)));
    if (!written) return written;
  }
  if (options.css_file.empty()) return {};
  return write_file_atomically(options.css_file, bytes_of(sigstruct));
}

Result<void> finish(const SignOptions& options, ByteView file, const sgx::Sigstruct& sigstruct) {
  if (auto written = write_file_atomically(options.output, file); !written) return written;
  if (auto written = write_extras(options, sigstruct); !written) return written;
  std::printf("%s\n  mrenclave   %s\n  mrsigner    %s\n  debug       %s\nSucceed.\n", options.output.c_str(),
              to_hex(bytes_of(sigstruct.enclave_hash.bytes)).c_str(),
              to_hex(bytes_of(sgx::mrsigner_of(sigstruct).bytes)).c_str(),
              (sigstruct.attribute_mask.flags & sgx::attribute::kDebug) == 0 ? "as it is launched" : "never");
  return {};
}

Result<void> sign(const SignOptions& options) {
  auto key = read_key(options.key);
  if (!key) return std::unexpected(key.error());
  if (!key->is_private()) return input_error(options.key + " is a public key; -key needs the private one");
  auto date = image::signing_date();
  if (!date) return std::unexpected(date.error());
  auto file = image_to_sign(options, *date);
  if (!file) return std::unexpected(file.error());
  auto sigstruct = image::sign_image(*file, options.enclave, *key);
  if (!sigstruct) return std::unexpected(sigstruct.error());
  return finish(options, *file, *sigstruct);
}

Result<void> gendata(const SignOptions& options) {
  auto date = image::signing_date();
  if (!date) return std::unexpected(date.error());
  auto file = image_to_sign(options, *date);
  if (!file) return std::unexpected(file.error());
  auto image = image::CofferImage::parse(*file, options.enclave);
  if (!image) return std::unexpected(image.error());
  if (auto written = write_file_atomically(options.output, bytes_of(sgx::signed_bytes(image->sigstruct()))); !written) {
    return written;
  }
  std::printf("%s: sign these 256 bytes with RSA-3072, PKCS #1 v1.5 and SHA-256\nSucceed.\n", options.output.c_str());
  return {};
}

// The date that gendata put into what was signed; the image is built again with it.
Result<std::uint32_t> date_of(ByteView to_sign, const std::string& path) {
  if (to_sign.size() != sizeof(sgx::Bytes<256>)) return input_error(path + " is not what `sgx_sign gendata` wrote");
  std::uint32_t date = 0;
  std::memcpy(&date, to_sign.data() + offsetof(sgx::Sigstruct, date), sizeof(date));
  return date;
}

Result<void> catsig(const SignOptions& options) {
  auto key = read_key(options.key);
  if (!key) return std::unexpected(key.error());
  auto to_sign = read_file(options.unsigned_file, kSmallFile);
  if (!to_sign) return std::unexpected(to_sign.error());
  auto signature = read_file(options.signature, kSmallFile);
  if (!signature) return std::unexpected(signature.error());
  auto date = date_of(*to_sign, options.unsigned_file);
  if (!date) return std::unexpected(date.error());
  auto file = image_to_sign(options, *date);
  if (!file) return std::unexpected(file.error());
  auto image = image::CofferImage::parse(*file, options.enclave);
  if (!image) return std::unexpected(image.error());
  const auto expected = sgx::signed_bytes(image->sigstruct());
  if (!std::ranges::equal(bytes_of(expected), ByteView(*to_sign))) {
    return refused(options.unsigned_file + " was made of another enclave or configuration; run gendata again");
  }
  auto sigstruct = image::attach_signature_to_image(*file, options.enclave, *key, *signature);
  if (!sigstruct) return std::unexpected(sigstruct.error());
  return finish(options, *file, *sigstruct);
}

Result<void> dump(const SignOptions& options) {
  auto image = image::CofferImage::read(options.enclave);
  if (!image) return std::unexpected(image.error());
  if (auto written = write_extras(options, image->sigstruct()); !written) return written;
  std::printf("Succeed.\n");
  return {};
}

}  // namespace

Result<void> run_sign_tool(const SignOptions& options) {
  switch (options.verb) {
    case SignVerb::kSign:
      return sign(options);
    case SignVerb::kGendata:
      return gendata(options);
    case SignVerb::kCatsig:
      return catsig(options);
    case SignVerb::kDump:
      return dump(options);
  }
  return input_error("no such verb");
}

}  // namespace coffer::sgxsdk
