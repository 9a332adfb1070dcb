// The body of POST /attest/TYPE: what it holds, and its verification.
#pragma once

#include <coffer/attest/appraisal.h>

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "services/attestation/enclave/collateral.h"
#include "services/attestation/enclave/instance.h"

namespace coffer::attestation_service {

struct AttestRequest {
  attest::AttestationType type = attest::AttestationType::kSgxEnclave;
  std::vector<std::byte> evidence;
  std::optional<attest::BoundData> runtime_data, init_data;
  std::optional<std::string> draft_policy;  // its text
  std::string nonce;
};
[[nodiscard]] Answer<AttestRequest> parse_attest_request(attest::AttestationType type, std::string_view body);

// Authentic, or a refusal that says which check failed.
[[nodiscard]] Answer<attest::Verification> verify(const AttestRequest& request, CollateralFiles& collateral,
                                                  const attest::TrustedRoots& roots, attest::UnixTime at,
                                                  std::int64_t now);

}  // namespace coffer::attestation_service
