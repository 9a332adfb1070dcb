// Azure's HCL report: what the paravisor of a confidential virtual machine gives its guest. It holds the hardware's
// report, and data of its own that the report's report data is the digest of; the virtual TPM's attestation key is in
// that data.
#pragma once

#include <optional>

#include <coffer/attest/claims.h>

#include "attest/crypto/public_key.h"
#include "base/bytes.h"
#include "base/result.h"

namespace coffer::attest::tpm {

// Points into the bytes that it was read from.
struct HclReport {
  enum class Hardware : std::uint32_t { kSnp = 2, kTdx = 4 };
  Hardware hardware{};
  ByteView report;                   // 1184 bytes: an SNP report, or a TD report and zeros
  ByteView data;                     // JSON
  std::optional<crypto::Hash> hash;  // of `data`, in the report data; nothing where it is none that is known

  // kInput where the bytes are not of the form.
  [[nodiscard]] static Result<HclReport> parse(ByteView bytes);
};
[[nodiscard]] bool looks_like_hcl_report(ByteView bytes);

// What stands in the report's data.
struct HclData {
  std::optional<crypto::PublicKey> attestation_key;  // "HCLAkPub"
  Claims claims;                                     // vm-configuration and user-data
};
// kInput where it is no JSON object with a list of keys.
[[nodiscard]] Result<HclData> read_hcl_data(ByteView data);

}  // namespace coffer::attest::tpm
