// Open Enclave's evidence and endorsements from anybody.
#include <coffer/attest/openenclave.h>

#include <cstdlib>

using namespace coffer;
using namespace coffer::attest;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto bytes = std::as_bytes(std::span(data, size));
  if (const auto evidence = openenclave::parse_evidence(bytes)) {
    if (evidence->quote.size() + evidence->custom_claims.size() > size) std::abort();
    (void)dcap::read_claims(evidence->quote);
  }
  (void)openenclave::parse_endorsements(bytes);
  return 0;
}
