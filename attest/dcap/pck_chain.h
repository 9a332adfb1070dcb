// The PCK certificate chain of a quote, parsed and verified; and chains that were verified before.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <coffer/attest/dcap.h>

#include "attest/dcap/pck_certificate.h"
#include "attest/x509/chain.h"

namespace coffer::attest::dcap {

// Independent of the time, of the collateral but for its roots, and of the rest of the quote.
struct PckChain {
  std::vector<x509::Certificate> certificates;  // leaf, CA, root; empty where they could not be read
  std::optional<PckExtensions> platform;        // empty likewise
  std::string form_error;                       // why they could not be read; empty where they could
  x509::Chain verified;
  [[nodiscard]] const x509::Certificate& leaf() const { return certificates[0]; }
  [[nodiscard]] const x509::Certificate& authority() const { return certificates[1]; }
  [[nodiscard]] const x509::Certificate& root() const { return certificates[2]; }
};

// Of certification data of type 5. From the cache where it is there.
[[nodiscard]] std::shared_ptr<const PckChain> read_pck_chain(ByteView certification_data,
                                                             const Collateral::State& collateral, ChainCache* cache);

}  // namespace coffer::attest::dcap
