// The host's side of the two enclaves of quoting: loads them under the platform's own signature and calls them.
//
// Both are signed in memory with the platform's key before each use, so that they are always this build's, and the same
// signer's. One object, one enclave; for one thread at a time.
#pragma once

#include <coffer/host.h>

#include <memory>
#include <vector>

#include "base/result.h"
#include "enclave/quoting/messages.h"
#include "sgx/sigstruct.h"

namespace coffer::node {

class CertifyingEnclave {
 public:
  [[nodiscard]] static Result<CertifyingEnclave> load(const sgx::SigningKey& signer);

  [[nodiscard]] Result<sgx::TargetInfo> target();
  [[nodiscard]] Result<quoting::Point> public_key(std::uint64_t generation);
  // Refused where the report is not from the platform's quoting enclave.
  [[nodiscard]] Result<quoting::Signature> certify(std::uint64_t generation, const sgx::Report& report);

 private:
  explicit CertifyingEnclave(Enclave enclave) : enclave_(std::move(enclave)) {}
  Enclave enclave_;
};

// An attestation key as it is kept: sealed, with what certifies it.
struct CertifiedKey {
  std::vector<std::byte> sealed;
  sgx::ReportBody report;
  quoting::Signature certification{};
};

class QuotingEnclave {
 public:
  [[nodiscard]] static Result<QuotingEnclave> load(const sgx::SigningKey& signer);

  // What a program names in EREPORT, so that this enclave can quote the report.
  [[nodiscard]] Result<sgx::TargetInfo> target();
  // A fresh key, with the report for the certifier whose target is given.
  struct NewKey {
    std::vector<std::byte> sealed;
    sgx::Report report;
  };
  [[nodiscard]] Result<NewKey> make_key(const sgx::TargetInfo& certifier);
  // Refused where the report is not genuine, or not for this enclave. `format` is 3 or 4.
  [[nodiscard]] Result<std::vector<std::byte>> quote(const sgx::Report& report, const CertifiedKey& key,
                                                     std::string_view chain, std::uint16_t format);

 private:
  explicit QuotingEnclave(Enclave enclave) : enclave_(std::move(enclave)) {}
  Enclave enclave_;
};

}  // namespace coffer::node
