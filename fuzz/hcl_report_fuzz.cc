// Azure's HCL report from anybody.
#include <coffer/attest/tpm.h>

#include <cstdint>
#include <cstdlib>

#include "attest/tpm/hcl.h"

using namespace coffer;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto bytes = std::as_bytes(std::span(data, size));
  const auto hcl = attest::tpm::HclReport::parse(bytes);
  if (hcl && hcl->data.size() + hcl->report.size() > bytes.size()) std::abort();
  (void)attest::tpm::read_hcl_data(bytes);
  const auto answer = attest::verify_hcl_report(bytes, attest::SnpEndorsement(), attest::UnixTime{1'750'000'000});
  if (answer && answer->authentic()) std::abort();
  return 0;
}
