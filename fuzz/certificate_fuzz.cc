// Certificates from anybody, in DER: what is accepted is exactly its own bytes, and everything that it gives lies in
// them.
#include <cstdlib>

#include "attest/dcap/pck_certificate.h"
#include "attest/x509/chain.h"

using namespace coffer;
using namespace coffer::attest;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto bytes = std::as_bytes(std::span(data, size));
  const auto certificate = x509::Certificate::parse(bytes);
  if (!certificate) return 0;
  const ByteView own = certificate->der();
  if (!der::equal(own, bytes)) std::abort();
  for (const ByteView part : {certificate->signed_part(), certificate->issuer(), certificate->subject()}) {
    if (part.data() < own.data() || part.data() + part.size() > own.data() + own.size()) std::abort();
  }
  (void)certificate->subject_name();
  (void)dcap::parse_pck_extensions(*certificate);
  // Only the makers' roots stand on their own, and nobody guesses a signature of theirs.
  const std::vector<x509::Certificate> chain{*certificate};
  const auto verified = x509::verify_chain(chain, TrustedRoots::built_in());
  if (verified.good() && verified.root.kind == RootOfTrust::kNone) std::abort();
  return 0;
}
