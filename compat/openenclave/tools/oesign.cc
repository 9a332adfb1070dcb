#include "compat/openenclave/tools/oesign.h"

#include <fmt/format.h>
#include <openssl/bio.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include <chrono>
#include <cstdio>
#include <memory>

#include "base/file.h"
#include "base/hex.h"
#include "base/secret.h"
#include "compat/openenclave/host/image.h"
#include "host/image/coffer_image.h"
#include "host/parts.h"
#include "sgx/sigstruct.h"

namespace coffer::openenclave {
namespace {

constexpr std::size_t kSmallFile = 1 << 16;

std::string_view text_of(ByteView bytes) { return {reinterpret_cast<const char*>(bytes.data()), bytes.size()}; }

Result<Properties> properties_of_enclave(const SignOptions& options, ByteView elf) {
  auto found = read_oeinfo(elf, options.enclave);
  if (!found) return std::unexpected(found.error());
  Properties properties = found->value_or(Properties{});
  if (!options.configuration.empty()) {
    const auto text = read_file(options.configuration, kSmallFile);
    if (!text) return std::unexpected(text.error());
    if (auto applied = apply_configuration(text_of(*text), options.configuration, properties); !applied) {
      return std::unexpected(applied.error());
    }
  }
  if (auto checked = check_properties(properties, options.enclave); !checked) return std::unexpected(checked.error());
  return properties;
}

Result<image::UnsignedImage> build(const SignOptions& options) {
  const auto elf = read_file(options.enclave);
  if (!elf) return std::unexpected(elf.error());
  if (image::CofferImage::recognises(*elf)) {
    return input_error(options.enclave + " is an image already; give the enclave that it was made of");
  }
  const auto properties = properties_of_enclave(options, *elf);
  if (!properties) return std::unexpected(properties.error());
  const auto kernel_path = host::find_part("enclave-kernel.elf");
  if (!kernel_path) return std::unexpected(kernel_path.error());
  const auto kernel = read_file(*kernel_path);
  if (!kernel) return std::unexpected(kernel.error());
  const auto date = image::signing_date();
  if (!date) return std::unexpected(date.error());
  return build_image(*elf, std::filesystem::path(options.enclave).filename().string(), *properties, *kernel, *date);
}

Result<sgx::SigningKey> read_key(const std::string& path) {
  auto content = read_file(path, kSmallFile);
  if (!content) return std::unexpected(content.error());
  auto key = sgx::SigningKey::from_pem(text_of(*content));
  wipe(content->data(), content->size());
  if (!key) return fail(key.error().kind, path + ": " + key.error().message);
  if (!key->is_private()) return input_error(path + " is a public key; -k needs the private one");
  return key;
}

Result<sgx::SigningKey> key_of_certificate(const std::string& path) {
  const auto content = read_file(path, kSmallFile);
  if (!content) return std::unexpected(content.error());
  const std::unique_ptr<BIO, decltype(&BIO_free)> source(
      BIO_new_mem_buf(content->data(), static_cast<int>(content->size())), BIO_free);
  const std::unique_ptr<X509, decltype(&X509_free)> certificate(
      PEM_read_bio_X509(source.get(), nullptr, nullptr, nullptr), X509_free);
  if (certificate == nullptr) return input_error(path + " is not a certificate (PEM)");
  const std::unique_ptr<BIO, decltype(&BIO_free)> pem(BIO_new(BIO_s_mem()), BIO_free);
  if (pem == nullptr || PEM_write_bio_PUBKEY(pem.get(), X509_get0_pubkey(certificate.get())) != 1) {
    return input_error(path + ": its key cannot be read");
  }
  char* text = nullptr;
  const long size = BIO_get_mem_data(pem.get(), &text);
  auto key = sgx::SigningKey::from_pem({text, static_cast<std::size_t>(size)});
  if (!key) return fail(key.error().kind, path + ": " + key.error().message);
  return key;
}

std::uint32_t date_before(unsigned days) {
  const auto day = std::chrono::year_month_day(std::chrono::floor<std::chrono::days>(std::chrono::system_clock::now()) -
                                               std::chrono::days(days));
  const unsigned number = static_cast<unsigned>(static_cast<int>(day.year())) * 10000 +
                          static_cast<unsigned>(day.month()) * 100 + static_cast<unsigned>(day.day());
  std::uint32_t digits = 0;
  for (unsigned left = number, shift = 0; left != 0; left /= 10, shift += 4) digits |= left % 10 << shift;
  return digits;
}

// The digest covers its date, which the signature does not tell: whoever signs by hand may take days.
Result<void> attach(const SignOptions& options, image::UnsignedImage& image) {
  constexpr unsigned kMostDays = 400;
  const auto key = key_of_certificate(options.certificate);
  if (!key) return std::unexpected(key.error());
  const auto signature = read_file(options.digest, kSmallFile);
  if (!signature) return std::unexpected(signature.error());
  sgx::Sigstruct sigstruct = image.sigstruct;
  auto attached = sgx::attach_signature(sigstruct, *key, *signature);
  for (unsigned days = 0; !attached && attached.error().kind == ErrorKind::kRefused && days < kMostDays; ++days) {
    sigstruct = image.sigstruct;
    sigstruct.date = date_before(days);
    attached = sgx::attach_signature(sigstruct, *key, *signature);
  }
  if (!attached) {
    if (attached.error().kind != ErrorKind::kRefused) return attached;
    return refused(options.digest +
                   ": not the signature of this enclave with these settings by the certificate's key; "
                   "sign what `oesign digest` wrote for them");
  }
  image::replace_sigstruct(image.file, sigstruct);
  image.sigstruct = sigstruct;
  return {};
}

void print_identity(const sgx::Sigstruct& sigstruct) {
  std::printf("mrenclave=%s\nmrsigner=%s\n", to_hex(bytes_of(sigstruct.enclave_hash.bytes)).c_str(),
              to_hex(bytes_of(sgx::mrsigner_of(sigstruct).bytes)).c_str());
}

Result<void> sign(const SignOptions& options) {
  auto image = build(options);
  if (!image) return std::unexpected(image.error());
  if (options.key.empty()) {
    if (auto attached = attach(options, *image); !attached) return attached;
  } else {
    const auto key = read_key(options.key);
    if (!key) return std::unexpected(key.error());
    auto made = image::sign_image(image->file, options.enclave, *key);
    if (!made) return std::unexpected(made.error());
    image->sigstruct = *made;
  }
  const std::string output = options.output.empty() ? options.enclave + ".signed" : options.output;
  if (auto written = write_file_atomically(output, image->file); !written) return written;
  std::printf("Created %s\n", output.c_str());
  return {};
}

Result<void> digest(const SignOptions& options) {
  const auto image = build(options);
  if (!image) return std::unexpected(image.error());
  const auto digest = sgx::digest_to_sign(image->sigstruct);
  if (auto written = write_file_atomically(options.digest, bytes_of(digest)); !written) return written;
  std::printf("Created digest file %s\n", options.digest.c_str());
  return {};
}

void print_properties(const Properties& properties, bool with_identity) {
  std::printf("num_heap_pages=%llu\nnum_stack_pages=%llu\nnum_tcs=%llu\n",
              static_cast<unsigned long long>(properties.heap_pages),
              static_cast<unsigned long long>(properties.stack_pages), static_cast<unsigned long long>(properties.tcs));
  if (!with_identity) return;
  std::printf("product_id=%u\nsecurity_version=%u\ndebug=%d\nkss=%d\nfamily_id=%s\nextended_product_id=%s\n",
              properties.product_id, properties.security_version, properties.debug ? 1 : 0,
              properties.key_separation ? 1 : 0, to_hex(bytes_of(properties.family_id)).c_str(),
              to_hex(bytes_of(properties.extended_product_id)).c_str());
}

Result<void> dump(const SignOptions& options) {
  const auto content = read_file(options.enclave);
  if (!content) return std::unexpected(content.error());
  if (!image::CofferImage::recognises(*content)) {
    const auto found = read_oeinfo(*content, options.enclave);
    if (!found) return std::unexpected(found.error());
    if (!*found) return input_error(options.enclave + ": an ELF file without OE_SET_ENCLAVE_SGX");
    std::printf("=== %s: an enclave, not signed\n", options.enclave.c_str());
    print_properties(**found, true);
    return {};
  }
  const auto image = image::CofferImage::parse(*content, options.enclave);
  if (!image) return std::unexpected(image.error());
  const auto properties = properties_of(image->environment());
  if (!properties) return input_error(options.enclave + ": a Coffer image that oesign did not make");
  const sgx::Sigstruct& sigstruct = image->sigstruct();
  const std::uint64_t flags = sigstruct.attributes.flags;
  std::printf("=== %s: a signed enclave\n", options.enclave.c_str());
  print_properties(*properties, false);
  std::printf("product_id=%u\nsecurity_version=%u\ndebug=%d\nkss=%d\nfamily_id=%s\nextended_product_id=%s\n",
              sigstruct.isv_prod_id, sigstruct.isv_svn, may_be_debug(sigstruct) ? 1 : 0,
              (flags & sgx::attribute::kKss) != 0 ? 1 : 0, to_hex(bytes_of(sigstruct.isv_family_id)).c_str(),
              to_hex(bytes_of(sigstruct.isv_ext_prod_id)).c_str());
  print_identity(sigstruct);
  const bool valid = sgx::verify(sigstruct) == sgx::LeafError::kSuccess;
  std::printf("signature=%s\n", valid ? "valid" : "invalid");
  if (!valid) return refused(options.enclave + ": its signature is not valid");
  return {};
}

}  // namespace

Result<void> run_oesign(const SignOptions& options) {
  if (options.command == "sign") return sign(options);
  return options.command == "digest" ? digest(options) : dump(options);
}

}  // namespace coffer::openenclave
