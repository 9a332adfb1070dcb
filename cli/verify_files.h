// What `coffer verify` was given, read and put together.
#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <coffer/attest/evidence.h>

#include "base/result.h"

namespace coffer::cli {

struct VerifyOptions {
  std::string evidence;  // "-": standard input
  std::string collateral, vek, chain, crl, signature, attestation_key, hcl_report, event_log, pcrs;
  std::string nonce, at, policy, cases;
  std::vector<std::string> roots;
  bool json = false;
};

// The files' bytes, and the evidence's parts that point into them; not to be copied.
class VerifyFiles {
 public:
  [[nodiscard]] static Result<std::unique_ptr<VerifyFiles>> read(const VerifyOptions& options,
                                                                 const attest::TrustedRoots& roots);
  VerifyFiles(const VerifyFiles&) = delete;
  VerifyFiles& operator=(const VerifyFiles&) = delete;

  [[nodiscard]] const attest::EvidenceParts& parts() const { return parts_; }

 private:
  VerifyFiles() = default;
  void find_collateral(const attest::TrustedRoots& roots);
  [[nodiscard]] Result<void> read_collateral(const std::filesystem::path& path, const attest::TrustedRoots& roots);

  std::vector<std::vector<std::byte>> held_;
  std::optional<attest::dcap::Collateral> collateral_;
  attest::EvidenceParts parts_;
};

// The built-in roots, the local software platform's, and those of --root.
[[nodiscard]] Result<attest::TrustedRoots> roots_of(const VerifyOptions& options);
// --at, or now.
[[nodiscard]] Result<attest::UnixTime> time_of(const VerifyOptions& options);

// A file of at most `limit` bytes, "-" for standard input.
[[nodiscard]] Result<std::vector<std::byte>> read_evidence_file(const std::string& path);

// Runs every directory below `root` that has an expect.json: one line each and a total. 0 where all agree, 1 where one
// does not, 2 where there is none.
[[nodiscard]] int run_cases(const std::filesystem::path& root, const attest::TrustedRoots& roots, attest::UnixTime now,
                            bool json);

// The answer for a person: the verdict first, then why.
[[nodiscard]] std::string page_of(const attest::EvidenceAnswer& answer, bool accepted, const std::string& refusal);

}  // namespace coffer::cli
