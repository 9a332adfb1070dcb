// Signed enclaves that other SDKs made: SIGSTRUCT files, SGXS streams, images of the Intel SGX SDK and of Open Enclave.
//
// Each reader turns its format's loading rules into calls to an sgx::EnclaveBuilder, so that measuring a foreign
// enclave and loading it are one path. Files are hostile: every offset, size and table is checked before use, memory
// stays within a small multiple of the file and the work of describe() within Limits.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "sgx/arch.h"
#include "sgx/builder.h"

namespace coffer::image {

struct Limits {
  std::uint64_t pages = std::uint64_t{1} << 25;           // added in all: 128 GiB of enclave
  std::uint64_t measured_bytes = std::uint64_t{8} << 30;  // content that EEXTEND covers
};

// One enclave as its file describes it. Immutable; may be used from several threads at once.
class ForeignEnclave {
 public:
  virtual ~ForeignEnclave() = default;

  // "sigstruct", "sgxs", "intel-sgx-sdk", "open-enclave".
  [[nodiscard]] virtual std::string_view format() const = 0;
  // What the format says about its own version, e.g. "metadata 2.4"; empty where it says nothing.
  [[nodiscard]] virtual std::string detail() const { return {}; }
  // The SIGSTRUCT that goes with the pages. Not verified here. Null where the file carries none.
  [[nodiscard]] virtual const sgx::Sigstruct* sigstruct() const = 0;
  // False for a file that is a SIGSTRUCT only: describe() then refuses.
  [[nodiscard]] virtual bool has_pages() const { return true; }
  // The address that the image must be loaded at; nothing where any will do.
  [[nodiscard]] virtual std::optional<std::uint64_t> base() const { return std::nullopt; }
  // Creates the enclave and adds its pages in the order that its SDK's loader uses.
  [[nodiscard]] virtual Result<void> describe(sgx::EnclaveBuilder& builder) const = 0;
};

// Every enclave that the file holds, the one that current loaders choose first: an Intel SDK image can carry several
// metadata blocks, each with its own SIGSTRUCT; other formats hold one. `signature` is a SIGSTRUCT file's content that
// takes the place of what the image carries (an SGXS stream carries none).
[[nodiscard]] Result<std::vector<std::unique_ptr<ForeignEnclave>>> open_foreign(
    std::vector<std::byte> file, std::optional<std::vector<std::byte>> signature = std::nullopt, Limits limits = {});

// True where the bytes are a SIGSTRUCT by size and by at least one of its two fixed headers.
[[nodiscard]] bool looks_like_sigstruct(ByteView file);

}  // namespace coffer::image
