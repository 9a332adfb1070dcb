// The makers' root keys, as they stand in the certificates that they publish.
#pragma once

#include <array>
#include <span>
#include <string_view>

namespace coffer::attest::x509 {

// P-256, x || y, in hexadecimal: "Intel SGX Root CA" (certificates.trustedservices.intel.com).
[[nodiscard]] std::string_view intel_root_point();

struct NamedModulus {
  std::string_view name;
  std::string_view hex;
};
// RSA-4096 with the exponent 65537: AMD's root keys by product (kdsintf.amd.com/vcek/v1/PRODUCT/cert_chain).
[[nodiscard]] std::span<const NamedModulus> amd_root_moduli();

}  // namespace coffer::attest::x509
