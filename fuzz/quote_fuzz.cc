// Quotes from anybody: parsed, and verified against collateral of an authority that nobody has. Whatever comes, the
// answer has the quote's claims, and is authentic for nothing but what the authority made.
#include <coffer/attest/dcap.h>

#include <cstdlib>

#include "attest/testing/forge.h"

using namespace coffer;
using namespace coffer::attest;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const testing::Forge sgx(3, dcap::BodyType::kSgx);
  static const testing::Forge tdx(5, dcap::BodyType::kTd15);
  static const auto of_sgx = dcap::Collateral::parse(sgx.texts(), sgx.roots());
  static const auto of_tdx = dcap::Collateral::parse(tdx.texts(), tdx.roots());
  const auto bytes = std::as_bytes(std::span(data, size));
  const auto quote = dcap::parse_quote(bytes);
  const auto length = dcap::quote_size(bytes);
  if (quote && (!length || *length > size || quote->signed_part.size() > *length)) std::abort();
  const auto& collateral = quote && quote->tee == dcap::kTeeTdx ? of_tdx : of_sgx;
  const auto answer = dcap::verify(bytes, *collateral, sgx.now);
  if (answer.has_value() != quote.has_value()) std::abort();
  if (answer && (answer->authentic() || answer->claims.find("report_data") == nullptr)) std::abort();
  return 0;
}
