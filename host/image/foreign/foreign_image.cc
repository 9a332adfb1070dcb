#include "host/image/foreign/foreign_image.h"

#include <cstring>

#include "host/image/foreign/intel_image.h"
#include "host/image/foreign/open_enclave_image.h"
#include "host/image/foreign/sgxs_image.h"
#include "sgx/sigstruct.h"

namespace coffer::image {

namespace {

using Enclaves = std::vector<std::unique_ptr<ForeignEnclave>>;

class BareSigstruct final : public ForeignEnclave {
 public:
  explicit BareSigstruct(const sgx::Sigstruct& sigstruct) : sigstruct_(sigstruct) {}
  [[nodiscard]] std::string_view format() const override { return "sigstruct"; }
  [[nodiscard]] const sgx::Sigstruct* sigstruct() const override { return &sigstruct_; }
  [[nodiscard]] bool has_pages() const override { return false; }
  [[nodiscard]] Result<void> describe(sgx::EnclaveBuilder&) const override {
    return input_error("the file is a SIGSTRUCT alone; the enclave's pages are elsewhere");
  }

 private:
  sgx::Sigstruct sigstruct_;
};

// An enclave whose SIGSTRUCT was given apart from it.
class Resigned final : public ForeignEnclave {
 public:
  Resigned(std::unique_ptr<ForeignEnclave> enclave, const sgx::Sigstruct& sigstruct)
      : enclave_(std::move(enclave)), sigstruct_(sigstruct) {}
  [[nodiscard]] std::string_view format() const override { return enclave_->format(); }
  [[nodiscard]] std::string detail() const override { return enclave_->detail(); }
  [[nodiscard]] const sgx::Sigstruct* sigstruct() const override { return &sigstruct_; }
  [[nodiscard]] std::optional<std::uint64_t> base() const override { return enclave_->base(); }
  [[nodiscard]] Result<void> describe(sgx::EnclaveBuilder& builder) const override {
    return enclave_->describe(builder);
  }

 private:
  std::unique_ptr<ForeignEnclave> enclave_;
  sgx::Sigstruct sigstruct_;
};

sgx::Sigstruct as_sigstruct(ByteView file) {
  sgx::Sigstruct sigstruct;
  std::memcpy(&sigstruct, file.data(), sizeof(sigstruct));
  return sigstruct;
}

Result<Enclaves> open_elf(std::vector<std::byte> file, std::optional<sgx::Sigstruct> sigstruct, Limits limits) {
  auto enclaves =
      is_intel_image(file) ? open_intel(std::move(file), limits) : open_open_enclave(std::move(file), limits);
  if (!enclaves || !sigstruct) return enclaves;
  for (auto& enclave : *enclaves) enclave = std::make_unique<Resigned>(std::move(enclave), *sigstruct);
  return enclaves;
}

}  // namespace

bool looks_like_sigstruct(ByteView file) {
  if (file.size() != sizeof(sgx::Sigstruct)) return false;
  sgx::Sigstruct expected;
  sgx::set_fixed_fields(expected);
  const sgx::Sigstruct found = as_sigstruct(file);
  // One of the fixed fields is enough: a damaged SIGSTRUCT should be told from a file of another kind.
  return found.header == expected.header || found.header2 == expected.header2;
}

Result<Enclaves> open_foreign(std::vector<std::byte> file, std::optional<std::vector<std::byte>> signature,
                              Limits limits) {
  std::optional<sgx::Sigstruct> sigstruct;
  if (signature) {
    if (!looks_like_sigstruct(*signature)) {
      return input_error("the signature file is not a SIGSTRUCT (1808 bytes with the fixed headers)");
    }
    sigstruct = as_sigstruct(*signature);
  }
  if (looks_like_sigstruct(file)) {
    if (sigstruct) return input_error("the file is itself a SIGSTRUCT; it needs no signature file");
    Enclaves enclaves;
    enclaves.push_back(std::make_unique<BareSigstruct>(as_sigstruct(file)));
    return enclaves;
  }
  if (is_sgxs_stream(file)) return open_sgxs(std::move(file), sigstruct, limits);
  if (is_intel_image(file) || is_open_enclave_image(file)) return open_elf(std::move(file), sigstruct, limits);
  return input_error(
      "not an SGX enclave of a known format (Coffer image, SIGSTRUCT, SGXS stream, image signed with the Intel SGX SDK "
      "or with Open Enclave)");
}

}  // namespace coffer::image
