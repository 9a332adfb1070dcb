#include "host/report/expectations.h"

#include <openssl/evp.h>

#include <algorithm>
#include <cerrno>
#include <fstream>
#include <memory>

#include "base/hex.h"
#include "host/image/coffer_image.h"
#include "sgx/builder.h"
#include "sgx/sigstruct.h"

namespace coffer::host {
namespace {

std::string yes_or_no(bool value) { return value ? "yes" : "no"; }

bool is_debug(const sgx::ReportBody& body) { return (body.attributes.flags & sgx::attribute::kDebug) != 0; }

template <class Identity>
Check same_identity(std::string name, const Identity& expected, const Identity& found, std::string complaint) {
  return {std::move(name), to_hex(bytes_of(expected.bytes)), to_hex(bytes_of(found.bytes)), std::move(complaint)};
}

void compare_image(const sgx::ReportBody& body, const Expectations& expected, std::vector<Check>& checks) {
  const ImageIdentity& image = *expected.image;
  const std::string& name = expected.image_name;
  checks.push_back(same_identity("image mrenclave", image.mrenclave, body.mrenclave,
                                 "it is from another enclave than " + name + " (MRENCLAVE)"));
  checks.push_back(same_identity("image mrsigner", image.mrsigner, body.mrsigner,
                                 "its enclave has another signer than " + name + " (MRSIGNER)"));
  checks.push_back({"image isvprodid", std::to_string(image.product_id), std::to_string(body.isv_prod_id),
                    "its enclave has another product id than " + name});
  checks.push_back({"image isvsvn", std::to_string(image.svn), std::to_string(body.isv_svn),
                    "its enclave has another security version than " + name});
  checks.push_back({"image debug", yes_or_no(image.debug), yes_or_no(is_debug(body)),
                    is_debug(body) ? "it is from a debug enclave, and " + name + " is none"
                                   : "it is from a production enclave, and " + name + " is for debugging"});
}

}  // namespace

Result<ImageIdentity> identity_of_image(const std::filesystem::path& path) {
  auto image = image::CofferImage::read(path);
  if (!image) return std::unexpected(image.error());
  const sgx::Sigstruct& sigstruct = image->sigstruct();
  if (sgx::verify(sigstruct) != sgx::LeafError::kSuccess) {
    return refused(path.string() + ": the image's signature is wrong, no processor starts it");
  }
  sgx::MeasuringBuilder builder;
  if (auto described = image->describe(builder); !described) return std::unexpected(described.error());
  if (builder.mrenclave() != sigstruct.enclave_hash) {
    return refused(path.string() + ": the image's pages are not the ones that were signed, no processor starts it");
  }
  return ImageIdentity{.mrenclave = builder.mrenclave(),
                       .mrsigner = sgx::mrsigner_of(sigstruct),
                       .product_id = sigstruct.isv_prod_id,
                       .svn = sigstruct.isv_svn,
                       .debug = image->debug()};
}

Result<sgx::Bytes<32>> digest_of_file(const std::filesystem::path& path) {
  std::error_code error;
  if (std::filesystem::is_directory(path, error))
    return input_error(path.string() + " is a directory, a file is needed");
  std::ifstream input(path, std::ios::binary);
  if (!input) return system_error("cannot open " + path.string(), errno);
  const std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context(EVP_MD_CTX_new(), EVP_MD_CTX_free);
  bool good = context && EVP_DigestInit_ex(context.get(), EVP_sha256(), nullptr) == 1;
  std::vector<char> buffer(std::size_t{1} << 16);
  while (good && input) {
    input.read(buffer.data(), static_cast<std::streamsize>(buffer.size()));
    good = EVP_DigestUpdate(context.get(), buffer.data(), static_cast<std::size_t>(input.gcount())) == 1;
  }
  if (input.bad()) return system_error("cannot read " + path.string(), errno);
  sgx::Bytes<32> digest{};
  if (!good || EVP_DigestFinal_ex(context.get(), digest.data(), nullptr) != 1) {
    return fail(ErrorKind::kSystem, "SHA-256 failed");
  }
  return digest;
}

std::vector<Check> compare(const sgx::ReportBody& body, const Expectations& expected) {
  std::vector<Check> checks;
  if (expected.image) compare_image(body, expected, checks);
  if (expected.mrenclave) {
    checks.push_back(same_identity("mrenclave", *expected.mrenclave, body.mrenclave,
                                   "it is from an enclave with another MRENCLAVE"));
  }
  if (expected.mrsigner) {
    checks.push_back(
        same_identity("mrsigner", *expected.mrsigner, body.mrsigner, "its enclave has another signer (MRSIGNER)"));
  }
  if (expected.config_id) {
    checks.push_back({"config id", to_hex(bytes_of(*expected.config_id)), to_hex(bytes_of(body.config_id)),
                      "its enclave was started with another configuration (CONFIGID)"});
  }
  const auto data_start = [&body](std::size_t size) {
    return to_hex(bytes_of(body.report_data).first(std::min(size, body.report_data.size())));
  };
  if (expected.data_digest) {
    checks.push_back({"data", to_hex(bytes_of(*expected.data_digest)), data_start(expected.data_digest->size()),
                      "its report data is not the SHA-256 of " + expected.data_name});
  }
  if (!expected.data.empty()) {
    checks.push_back({"report data", to_hex(std::as_bytes(std::span(expected.data))), data_start(expected.data.size()),
                      "its report data is another"});
  }
  if (expected.production) {
    checks.push_back({"debug", yes_or_no(false), yes_or_no(is_debug(body)), "it is from a debug enclave"});
  }
  return checks;
}

}  // namespace coffer::host
