// Certificates of SEV-SNP from anybody: as a VEK, as a chain with a VEK in it, as a revocation list. No root is
// trusted.
#include <coffer/attest/snp.h>

#include <cstdint>
#include <cstdlib>

using namespace coffer;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const attest::TrustedRoots kNobody;
  const auto bytes = std::as_bytes(std::span(data, size));
  const attest::SnpCertificates forms[] = {{.vek = bytes}, {.chain = bytes}, {.crl = bytes}};
  for (const auto& form : forms) {
    const auto endorsement = attest::SnpEndorsement::prepare(form, kNobody);
    if (!endorsement) continue;
    const auto answer = attest::verify_snp_endorsement(*endorsement, attest::UnixTime{1'750'000'000});
    if (answer.authentic()) std::abort();
    (void)to_json(answer, false);
  }
  return 0;
}
