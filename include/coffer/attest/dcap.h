// Quotes of SGX enclaves (version 3, and 4 and 5) and of TDX domains (versions 4 and 5), verified against Intel's
// collateral. Pure functions: no clock, no file, no network; inside an enclave and outside.
//
//   auto collateral = dcap::Collateral::parse(json);
//   if (!collateral) ...                                  // not collateral at all: collateral.error().message
//   auto answer = dcap::verify(quote, *collateral, now);
//   if (!answer) ...                                      // not a quote at all
//   if (answer->authentic()) ... answer->claims ...
//
// Ids of the checks, in their order: "tcb_info.chain", "tcb_info.signature", "qe_identity.chain",
// "qe_identity.signature", "root_crl.signature", "collateral.validity", "quote.vendor", "pck_certificate.form",
// "pck_certificate.chain", "pck_certificate.validity", "pck_crl.signature", "pck_certificate.revoked", "tcb_info.tee",
// "tcb_info.fmspc", "tcb_info.pce_id", "tdx_module.identity", "qe_report.signature", "qe_report.data",
// "qe_identity.tee", "qe_identity.match", "quote.signature", "tcb.level". docs/design/dcap.md says what each looks at.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <coffer/attest/roots.h>
#include <coffer/attest/time.h>
#include <coffer/attest/verification.h>
#include <coffer/result.h>

namespace coffer::attest::dcap {

// What stands beside a quote: TCB info, the quoting enclave's identity, revocation lists, and the chains of who signed
// them. Parsed once, and its signatures verified once; an immutable value, cheap to copy, safe to use from several
// threads. Its validity is compared with the time at every verification.
class Collateral {
 public:
  // The parts as texts, as Intel's services and their caches give them.
  struct Texts {
    std::string tcb_info;               // the object, or the whole answer {"tcbInfo":...,"signature":...}
    std::string tcb_info_signature;     // hexadecimal; not needed with the whole answer
    std::string tcb_info_issuer_chain;  // PEM, or percent-encoded as in headers of HTTP
    std::string qe_identity;            // likewise
    std::string qe_identity_signature;
    std::string qe_identity_issuer_chain;
    std::string root_ca_crl;  // DER, PEM, hexadecimal or Base64
    std::string pck_crl;
    std::string pck_crl_issuer_chain;  // may be missing: the quote has the chain too
  };

  // kInput where a part is missing or not of its form; signatures that do not fit are checks of every verification.
  [[nodiscard]] static Result<Collateral> parse(const Texts& texts,
                                                const TrustedRoots& roots = TrustedRoots::built_in());
  // One JSON object with the names of Texts as members.
  [[nodiscard]] static Result<Collateral> parse(std::string_view json,
                                                const TrustedRoots& roots = TrustedRoots::built_in());
  // The answers of a PCCS or PCS, each as it was saved: a body, or headers and body (curl -i), or headers alone, or a
  // PEM chain, or one JSON as above; which is which is seen from the contents. Files that are none of these are passed
  // over.
  [[nodiscard]] static Result<Collateral> parse_answers(std::span<const std::string> files,
                                                        const TrustedRoots& roots = TrustedRoots::built_in());

  // The last moment at which all of it is valid: the next update of its parts and the ends of their certificates.
  [[nodiscard]] UnixTime valid_until() const;
  [[nodiscard]] UnixTime valid_from() const;
  // Lower-case hexadecimal, of the TCB info.
  [[nodiscard]] std::string fmspc() const;

  struct State;  // known to this library only
  [[nodiscard]] const State& state() const { return *state_; }

 private:
  explicit Collateral(std::shared_ptr<const State> state) : state_(std::move(state)) {}
  std::shared_ptr<const State> state_;
};

// Chains of PCK certificates that were verified once, by their contents: the same platform's next quote costs less.
// Bounded; the ones not used for longest go. Safe to use from several threads.
class ChainCache {
 public:
  explicit ChainCache(std::size_t most = 256);
  ~ChainCache();
  ChainCache(const ChainCache&) = delete;
  ChainCache& operator=(const ChainCache&) = delete;
  [[nodiscard]] std::size_t size() const;

  struct State;  // known to this library only
  [[nodiscard]] State& state() { return *state_; }

 private:
  std::unique_ptr<State> state_;
};

// kInput where the bytes are not a quote; everything else is a check of the answer, whose claims are there whatever
// failed.
[[nodiscard]] Result<Verification> verify(std::span<const std::byte> quote, const Collateral& collateral, UnixTime at,
                                          ChainCache* cache = nullptr);

// What a quote says, unverified: the same claims, for showing them.
[[nodiscard]] Result<Claims> read_claims(std::span<const std::byte> quote);

}  // namespace coffer::attest::dcap
