// SEV-SNP reports forged whole: a machine with its firmware, and an ARK, an ASK and a VEK of the tests' own. What a
// verifier that trusts their root must accept, until one thing about them is changed. For tests and measurements alone.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include <coffer/attest/roots.h>
#include <coffer/attest/time.h>

#include "attest/testing/forged_certificates.h"

namespace coffer::attest::testing {

// Keys take long to make; everybody uses the same.
struct SnpKeys {
  Key ark = new_rsa_key(), ask = new_rsa_key(), other = new_rsa_key();
  Key vek = new_curve_key("P-384"), other_vek = new_curve_key("P-384");
};
[[nodiscard]] const SnpKeys& snp_keys();

struct SnpMachine {
  std::string line = "Milan";          // of the root
  std::string product_name = "Milan";  // in the VEK
  bool cloud = false;
  std::uint32_t version = 3;
  std::array<std::uint8_t, 3> cpuid{0x19, 0x01, 0x01};
  std::array<std::uint8_t, 8> tcb{4, 0, 0, 0, 0, 0, 24, 219};  // as it stands in the report
  std::vector<std::byte> chip_id = std::vector<std::byte>(64, std::byte{0xc1});
  UnixTime vek_end{1'900'000'000}, ask_end{1'900'000'000};
  Key vek_key = snp_keys().vek, vek_issuer = snp_keys().ask, ask_issuer = snp_keys().ark;
  std::string left_out;  // an extension of the VEK, by what follows 1.3.6.1.4.1.3704.1
  std::vector<std::byte> crl;

  [[nodiscard]] std::vector<std::byte> vek() const;
  [[nodiscard]] std::vector<std::byte> chain() const;  // ASK and ARK, in DER
  [[nodiscard]] TrustedRoots roots() const;
  [[nodiscard]] std::vector<std::byte> unsigned_report() const;
};

// Signs the report's first 672 bytes with a key on P-384.
void sign_report(std::vector<std::byte>& report, const Key& key);
// By snp_keys().vek.
[[nodiscard]] std::vector<std::byte> signed_report(const SnpMachine& machine);

}  // namespace coffer::attest::testing
