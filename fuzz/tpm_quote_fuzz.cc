// A TPM's quote with its signature and its key from anybody. Two bytes say how long the quote is, two how long the
// signature; the rest is the key.
#include <coffer/attest/tpm.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>

#include "attest/tpm/quote.h"

using namespace coffer;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 4) return 0;
  const auto bytes = std::as_bytes(std::span(data, size)).subspan(4);
  auto take = [&, at = std::size_t{0}](std::size_t length) mutable {
    const auto taken = bytes.subspan(at, std::min(length, bytes.size() - at));
    at += taken.size();
    return taken;
  };
  const auto quote = take(static_cast<std::size_t>(data[0] | data[1] << 8));
  const auto signature = take(static_cast<std::size_t>(data[2] | data[3] << 8));
  const auto key = take(bytes.size());
  const auto parsed = attest::tpm::Quote::parse(quote);
  if (parsed && parsed->nonce.size() + parsed->pcr_digest.size() > quote.size()) std::abort();
  const auto answer = attest::verify_tpm({.quote = quote, .signature = signature, .attestation_key = key},
                                         attest::TrustedRoots::built_in(), attest::UnixTime{1'750'000'000});
  if (answer && !parsed) std::abort();
  (void)attest::PcrValues::parse(bytes);
  return 0;
}
