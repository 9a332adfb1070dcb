#include "attest/x509/chain.h"

#include <algorithm>
#include <array>

namespace coffer::attest::x509 {

namespace {

constexpr std::size_t kMostCertificates = 8;

Chain broken(ChainFault fault, std::string detail) { return {.fault = fault, .detail = std::move(detail), .root = {}}; }

std::string quoted(const Certificate& certificate) { return "\"" + certificate.subject_name() + "\""; }

// Why `issuer` may not sign certificates, of which `below` that are authorities themselves lie under it. A certificate
// of before version 3 cannot say that it may: only a trusted root's own need not.
std::optional<std::string> why_no_authority(const Certificate& issuer, std::size_t below, const TrustedRoots& roots) {
  const bool silent = issuer.version() != 3 && issuer.public_key() && roots.find(*issuer.public_key()) != nullptr;
  if (!silent && !issuer.is_authority()) return quoted(issuer) + " is no authority (basicConstraints)";
  const auto usage = issuer.key_usage();
  if (usage && (*usage & kMayCertify) == 0) return quoted(issuer) + " may not sign certificates (keyUsage)";
  const auto length = issuer.path_length();
  if (length && below > *length) return quoted(issuer) + " allows fewer authorities below it (pathLenConstraint)";
  return std::nullopt;
}

// Critical extensions that a certificate has must be understood (RFC 5280, 4.2). What the others say is looked at by
// who knows the profile.
bool knows_critical(const Certificate& certificate) {
  return std::ranges::all_of(certificate.extensions(), [](const Extension& extension) {
    constexpr auto kExtendedKeyUsage = oid(0x55, 0x1d, 0x25);
    constexpr auto kSubjectAlternativeName = oid(0x55, 0x1d, 0x11);  // TPM makers: critical, with an empty subject
    const bool known = der::equal(extension.oid, kKeyUsage) || der::equal(extension.oid, kBasicConstraints) ||
                       der::equal(extension.oid, kExtendedKeyUsage) ||
                       der::equal(extension.oid, kSubjectAlternativeName);
    return known || !extension.critical;
  });
}

// The top of the chain: trusted by its own key, or by that of who signed it.
const TrustedRoots::Root* root_of(const Certificate& top, const TrustedRoots& roots, std::string& detail) {
  const auto& key = top.public_key();
  const TrustedRoots::Root* root = key ? roots.find(*key) : nullptr;
  if (root != nullptr) {
    // Its key is trusted; its window and constraints are only where it signed them itself.
    if (top.signed_by(*key)) return root;
    detail = quoted(top) + " has a trusted key but is not signed with it";
    return nullptr;
  }
  if (const crypto::PublicKey* above = roots.key_named(top.issuer_name()); above != nullptr && top.signed_by(*above)) {
    return roots.find(*above);
  }
  detail = "the chain ends at " + quoted(top) + ", whose key is not among the trusted roots";
  return nullptr;
}

}  // namespace

void Window::narrow(const Window& other) {
  first = std::max(first, other.first);
  last = std::min(last, other.last);
}

Window window_of(const Certificate& certificate) {
  return {.first = certificate.not_before(), .last = certificate.not_after()};
}

std::string to_string(const Window& window) { return to_iso8601(window.first) + " to " + to_iso8601(window.last); }

std::string_view name_of(ChainFault fault) {
  constexpr std::array<std::string_view, 7> kNames{"none",      "empty",     "name", "authority",
                                                   "extension", "signature", "root"};
  return kNames.at(static_cast<std::size_t>(fault));
}

Chain verify_chain(std::span<const Certificate> certificates, const TrustedRoots& roots) {
  if (certificates.empty()) return broken(ChainFault::kEmpty, "there is no certificate");
  if (certificates.size() > kMostCertificates) return broken(ChainFault::kEmpty, "more than 8 certificates");
  Chain chain{.root = {}, .window = window_of(certificates.front())};
  for (std::size_t i = 0; i < certificates.size(); ++i) {
    const Certificate& certificate = certificates[i];
    if (!knows_critical(certificate)) {
      return broken(ChainFault::kExtension, quoted(certificate) + " has a critical extension that is not known");
    }
    chain.window.narrow(window_of(certificate));
    if (i + 1 == certificates.size()) break;
    const Certificate& issuer = certificates[i + 1];
    if (!der::equal(certificate.issuer(), issuer.subject())) {
      return broken(ChainFault::kName, quoted(certificate) + " was issued by \"" + certificate.issuer_name() +
                                           "\", and " + quoted(issuer) + " follows it");
    }
    if (auto why = why_no_authority(issuer, i, roots)) return broken(ChainFault::kAuthority, std::move(*why));
    if (!issuer.public_key() || !certificate.signed_by(*issuer.public_key())) {
      return broken(ChainFault::kSignature, quoted(certificate) + " is not signed by " + quoted(issuer));
    }
  }
  std::string detail;
  const TrustedRoots::Root* root = root_of(certificates.back(), roots, detail);
  if (root == nullptr) return broken(ChainFault::kRoot, std::move(detail));
  chain.root = *root;
  return chain;
}

std::vector<Certificate> order_chain(const Certificate& leaf, std::span<const Certificate> candidates) {
  std::vector<Certificate> chain{leaf};
  while (chain.size() < kMostCertificates) {
    const Certificate& last = chain.back();
    if (der::equal(last.issuer(), last.subject())) break;  // a root
    const auto next = std::ranges::find_if(candidates, [&](const Certificate& candidate) {
      return der::equal(candidate.subject(), last.issuer()) && candidate.public_key() &&
             last.signed_by(*candidate.public_key()) && std::ranges::find(chain, candidate) == chain.end();
    });
    if (next == candidates.end()) break;
    chain.push_back(*next);
  }
  return chain;
}

}  // namespace coffer::attest::x509
