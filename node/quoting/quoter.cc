#include "node/quoting/quoter.h"

namespace coffer::node {

Result<Quoter> Quoter::start() {
  auto platform = Platform::open();
  if (!platform) return std::unexpected(platform.error());
  const auto signer = platform->enclave_key();
  if (!signer) return std::unexpected(signer.error());
  auto enclave = QuotingEnclave::load(*signer);
  if (!enclave) return std::unexpected(enclave.error());
  return Quoter(std::move(*platform), std::move(*enclave));
}

Result<std::vector<std::byte>> Quoter::quote(const sgx::Report& report, std::uint16_t format) {
  return enclave_.quote(report, platform_.attestation_key(), platform_.certificates().pck_chain(), format);
}

std::size_t Quoter::quote_size(std::uint16_t format) const {
  constexpr std::size_t kNested = 6;  // version 4's certification data around the key's report
  return quoting::kQuoteWithoutChain - (format == 4 ? 0 : kNested) + platform_.certificates().pck_chain().size();
}

}  // namespace coffer::node
