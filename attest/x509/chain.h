// Chains of certificates, up to a trusted root key. What is independent of the time (names, signatures, constraints,
// the root) is checked once; the time is a comparison with the window that comes out of it.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include <coffer/attest/roots.h>
#include <coffer/attest/time.h>

#include "attest/x509/certificate.h"
#include "attest/x509/revocation_list.h"

namespace coffer::attest::x509 {

// A span of time, both ends included.
struct Window {
  UnixTime first;
  UnixTime last;
  [[nodiscard]] bool holds(UnixTime at) const { return first <= at && at <= last; }
  [[nodiscard]] bool later(UnixTime at) const { return at < first; }
  void narrow(const Window& other);
};
[[nodiscard]] Window window_of(const Certificate& certificate);
// The moments that both ends of a certificate chain's window give, in words: "2018-05-21T10:50:10Z to 2033-...".
[[nodiscard]] std::string to_string(const Window& window);

enum class ChainFault {
  kNone,
  kEmpty,      // no certificate, or more than 8
  kName,       // a certificate's issuer is not the subject of the next one
  kAuthority,  // a certificate that signed another may not: basicConstraints, keyUsage, the length of the path
  kExtension,  // a critical extension that this room does not know
  kSignature,  // a signature does not fit
  kRoot,       // the last certificate is neither a trusted root's nor signed by one
};
[[nodiscard]] std::string_view name_of(ChainFault fault);

struct Chain {
  ChainFault fault = ChainFault::kNone;
  std::string detail;       // for a person: which certificate, and why
  TrustedRoots::Root root;  // kind kNone where there is a fault
  Window window;            // in which every certificate of the chain is valid; of no meaning where there is a fault
  [[nodiscard]] bool good() const { return fault == ChainFault::kNone; }
};

// `certificates`: the leaf first, each signed by the next; the last carries a trusted key (and is signed with it), or
// is signed with a trusted key by the name of which it was issued. The keys' issuer names and the time are not compared
// with anything else: see `window`.
[[nodiscard]] Chain verify_chain(std::span<const Certificate> certificates, const TrustedRoots& roots);

// Orders `candidates`, in any order and with some that do not belong, into a chain from `leaf` upwards by names and
// signatures, as far as it goes; at most 8.
[[nodiscard]] std::vector<Certificate> order_chain(const Certificate& leaf, std::span<const Certificate> candidates);

}  // namespace coffer::attest::x509
