// What a PCK certificate says of its platform: the SGX extensions (Intel SGX PCK Certificate and CRL Profile
// Specification, 1.3.5), 1.2.840.113741.1.13.1.
#pragma once

#include <array>
#include <cstdint>
#include <optional>

#include "attest/dcap/tcb_info.h"
#include "attest/x509/certificate.h"

namespace coffer::attest::dcap {

enum class SgxType : std::uint8_t { kStandard = 0, kScalable = 1, kScalableWithIntegrity = 2 };

// What only certificates of the platform CA say.
struct PckConfiguration {
  bool dynamic_platform = false;
  bool cached_keys = false;
  bool smt_enabled = false;
};

struct PckExtensions {
  std::array<std::byte, 16> ppid{};
  Svns components{};
  std::uint16_t pcesvn = 0;
  std::array<std::byte, 16> cpusvn{};
  std::array<std::byte, 2> pce_id{};
  std::array<std::byte, 6> fmspc{};
  std::uint64_t sgx_type = 0;  // of SgxType, or one that came later
  std::optional<std::array<std::byte, 16>> platform_instance_id;
  std::optional<PckConfiguration> configuration;
};

// kInput where the certificate has no such extensions, or one that is needed is missing or of another form.
[[nodiscard]] Result<PckExtensions> parse_pck_extensions(const x509::Certificate& certificate);
// The first of the X.509 extensions that every certificate and CA of Intel's profile has and this one does not, in
// words; nothing where it has all.
[[nodiscard]] std::optional<std::string_view> missing_extension(const x509::Certificate& certificate);

}  // namespace coffer::attest::dcap
