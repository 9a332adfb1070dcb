#include "attest/dcap/collateral.h"

#include <algorithm>

#include "attest/dcap/json.h"
#include "attest/dcap/pck_certificate.h"
#include "base/hex.h"

namespace coffer::attest::dcap {

namespace {

constexpr std::string_view kTcbInfoSection = "Intel QVL, 4.1.2.7; PCS API v4, Get TCB Info";
constexpr std::string_view kIdentitySection = "Intel QVL, 4.1.2.8; PCS API v4, Get QE Identity";
constexpr std::string_view kCrlSection = "Intel QVL, 4.1.2.4; RFC 5280, 5";

ByteView bytes_of_text(std::string_view text) { return std::as_bytes(std::span(text)); }

// Headers of HTTP carry chains percent-encoded.
std::string percent_decoded(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto byte = text[i] == '%' && i + 2 < text.size() ? from_hex(text.substr(i + 1, 2)) : std::nullopt;
    if (byte && byte->size() == 1) {
      out += static_cast<char>(byte->front());
      i += 2;
    } else {
      out += text[i];
    }
  }
  return out;
}

Result<std::vector<x509::Certificate>> parse_chain(std::string_view text, std::string_view what) {
  const std::string decoded = text.find("%20") != std::string_view::npos ? percent_decoded(text) : std::string(text);
  auto chain = x509::parse_certificates(decoded);
  if (!chain) return input_error(std::string(what) + ": " + chain.error().message);
  return chain;
}

// A JSON part with its signature, whichever way it came.
struct SignedPart {
  std::string_view body;
  std::array<std::byte, 64> signature{};
};

Result<SignedPart> signed_part(std::string_view text, std::string_view signature, std::string_view member) {
  text = trimmed(text);
  const std::string what(member);
  if (text.empty()) return input_error("collateral: the " + what + " is missing");
  if (signature.empty()) {
    const auto parts = parse_signed_json(text, member);
    if (!parts) return std::unexpected(parts.error());
    return SignedPart{.body = parts->body, .signature = parts->signature};
  }
  const auto bytes = parse_signature(trimmed(signature));
  if (!bytes) return input_error("collateral: the signature of the " + what + " is not 64 bytes in hexadecimal");
  return SignedPart{.body = text, .signature = *bytes};
}

struct Signer {
  std::vector<x509::Certificate> chain;
  x509::Chain verified;
};

// The chain of who signs TCB info and identities: a TCB signing certificate and the root, in either order.
Signer verify_signer(std::vector<x509::Certificate> chain, const Collateral::State& state) {
  if (chain.size() == 2 && der::equal(chain[0].issuer(), chain[0].subject())) std::swap(chain[0], chain[1]);
  x509::Chain verified = x509::verify_chain(chain, state.roots);
  const auto refuse = [&](std::string why) {
    verified = {.fault = x509::ChainFault::kAuthority, .detail = std::move(why), .root = {}, .window = verified.window};
  };
  if (verified.good()) {
    if (chain.size() != 2) {
      refuse("it has " + std::to_string(chain.size()) + " certificates, not a signer and a root");
    } else if (chain[0].subject_name().find("SGX TCB Signing") == std::string::npos) {
      refuse("\"" + chain[0].subject_name() + "\" is no SGX TCB Signing certificate");
    } else if (chain[1].subject_name().find("SGX Root CA") == std::string::npos) {
      refuse("\"" + chain[1].subject_name() + "\" is no SGX Root CA");
    }
  }
  for (const x509::Certificate& certificate : chain) {
    if (!verified.good()) break;
    if (const auto missing = missing_extension(certificate)) {
      refuse("\"" + certificate.subject_name() + "\" has no " + std::string(*missing));
    }
  }
  return {.chain = std::move(chain), .verified = std::move(verified)};
}

struct PartNames {
  std::string_view chain_check;
  std::string_view signature_check;
  std::string_view section;
};

// Signatures are over the bytes as they came; where white space came into them on the way, over the text without it.
void check_signed(const SignedPart& part, const Signer& signer, const PartNames& names, Checks& checks) {
  if (!checks.note(names.chain_check, names.section, signer.verified.good(), "a chain to a trusted root",
                   signer.verified.good() ? signer.verified.root.name : signer.verified.detail)) {
    checks.not_done(names.signature_check, names.section, "the signer's chain is not trusted");
    return;
  }
  const auto& key = *signer.chain.front().public_key();
  const auto fits = [&](std::string_view text) {
    return key.verify_ecdsa(crypto::Hash::kSha256, bytes_of_text(text), part.signature);
  };
  bool good = fits(part.body);
  std::string over = "of the bytes as they came";
  if (!good) {
    const std::string canonical = without_white_space(part.body);
    good = canonical != part.body && fits(canonical);
    over = good ? "of the text without white space" : "does not fit";
  }
  checks.note(names.signature_check, names.section, good, "the signer's signature", over);
}

// The root's list: signed with the root's key, for the root's name, and not revoking the signer.
void check_root_crl(const Signer& signer, Collateral::State& state) {
  constexpr std::string_view kId = "root_crl.signature";
  if (!signer.verified.good()) {
    state.checks.not_done(kId, kCrlSection, "the signer's chain is not trusted");
    return;
  }
  const x509::Certificate& root = signer.chain.back();
  std::string why;
  if (!der::equal(state.root_crl->issuer(), root.subject())) {
    why = "it is of \"" + state.root_crl->issuer_name() + "\"";
  } else if (!state.root_crl->complete()) {
    why = "it lacks its number or its issuer's key id";
  } else if (!state.root_crl->signed_by(*root.public_key())) {
    why = "its signature does not fit";
  } else if (state.root_crl->revokes(signer.chain.front().serial())) {
    why = "the TCB signing certificate is revoked";
  }
  state.checks.note(kId, kCrlSection, why.empty(), "the root's list, which does not revoke the signer", why);
}

void narrow(x509::Window& window, UnixTime first, UnixTime last) { window.narrow({.first = first, .last = last}); }

x509::Window window_of_crl(const x509::RevocationList& crl) {
  return {.first = crl.this_update(), .last = crl.next_update().value_or(crl.this_update())};
}

crypto::Digest id_of(const TrustedRoots& roots) {
  crypto::Hasher hasher(crypto::Hash::kSha256);
  for (std::size_t i = 0; i < roots.size(); ++i) hasher.update(roots.key(i).id());
  return hasher.finish();
}

Result<x509::RevocationList> parse_crl(std::string_view text, std::string_view what) {
  if (trimmed(text).empty()) return input_error("collateral: the " + std::string(what) + " is missing");
  auto list = x509::RevocationList::parse_any(bytes_of_text(text));
  if (!list) return input_error("collateral: the " + std::string(what) + ": " + list.error().message);
  return list;
}

}  // namespace

std::string_view trimmed(std::string_view text) {
  constexpr std::string_view kBlank(" \t\r\n\0", 5);
  const std::size_t first = text.find_first_not_of(kBlank);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(kBlank) - first + 1);
}

std::array<std::pair<std::string_view, std::string*>, 9> members_of(Collateral::Texts& texts) {
  return {{
      {"tcb_info", &texts.tcb_info},
      {"tcb_info_signature", &texts.tcb_info_signature},
      {"tcb_info_issuer_chain", &texts.tcb_info_issuer_chain},
      {"qe_identity", &texts.qe_identity},
      {"qe_identity_signature", &texts.qe_identity_signature},
      {"qe_identity_issuer_chain", &texts.qe_identity_issuer_chain},
      {"root_ca_crl", &texts.root_ca_crl},
      {"pck_crl", &texts.pck_crl},
      {"pck_crl_issuer_chain", &texts.pck_crl_issuer_chain},
  }};
}

Result<Collateral> Collateral::parse(const Texts& texts, const TrustedRoots& roots) {
  auto state = std::make_shared<State>();
  state->roots = roots;
  state->roots_id = id_of(roots);
  const auto info_part = signed_part(texts.tcb_info, texts.tcb_info_signature, "tcbInfo");
  if (!info_part) return std::unexpected(info_part.error());
  const auto identity_part = signed_part(texts.qe_identity, texts.qe_identity_signature, "enclaveIdentity");
  if (!identity_part) return std::unexpected(identity_part.error());
  auto info = parse_tcb_info(info_part->body);
  if (!info) return std::unexpected(info.error());
  auto identity = parse_enclave_identity(identity_part->body);
  if (!identity) return std::unexpected(identity.error());
  auto root_crl = parse_crl(texts.root_ca_crl, "root CA's revocation list");
  if (!root_crl) return std::unexpected(root_crl.error());
  auto pck_crl = parse_crl(texts.pck_crl, "PCK CA's revocation list");
  if (!pck_crl) return std::unexpected(pck_crl.error());
  auto info_chain = parse_chain(texts.tcb_info_issuer_chain, "collateral: the TCB info's issuer chain");
  if (!info_chain) return std::unexpected(info_chain.error());
  const bool same = texts.tcb_info_issuer_chain == texts.qe_identity_issuer_chain;
  auto identity_chain =
      same ? info_chain : parse_chain(texts.qe_identity_issuer_chain, "collateral: the QE identity's issuer chain");
  if (!identity_chain) return std::unexpected(identity_chain.error());
  state->tcb_info = std::move(*info);
  state->qe_identity = std::move(*identity);
  state->root_crl = std::move(*root_crl);
  state->pck_crl = std::move(*pck_crl);

  const Signer info_signer = verify_signer(std::move(*info_chain), *state);
  const Signer identity_signer = same ? info_signer : verify_signer(std::move(*identity_chain), *state);
  check_signed(*info_part, info_signer, {"tcb_info.chain", "tcb_info.signature", kTcbInfoSection}, state->checks);
  check_signed(*identity_part, identity_signer, {"qe_identity.chain", "qe_identity.signature", kIdentitySection},
               state->checks);
  check_root_crl(info_signer, *state);
  if (info_signer.chain.front().serial().size() != identity_signer.chain.front().serial().size() ||
      !der::equal(info_signer.chain.front().serial(), identity_signer.chain.front().serial())) {
    check_root_crl(identity_signer, *state);
  }
  state->root = info_signer.verified.root;
  if (info_signer.verified.good()) state->root_key = *info_signer.chain.back().public_key();

  // The PCK list's signature is tried here where its issuer came with it, once instead of with every quote.
  if (!trimmed(texts.pck_crl_issuer_chain).empty()) {
    const auto issuers = parse_chain(texts.pck_crl_issuer_chain, "collateral: the PCK revocation list's issuer chain");
    if (issuers) {
      for (const x509::Certificate& issuer : *issuers) {
        const bool named = der::equal(issuer.subject(), state->pck_crl->issuer()) && issuer.public_key();
        if (named && state->pck_crl->signed_by(*issuer.public_key())) state->pck_crl_key = *issuer.public_key();
      }
    }
  }
  state->window = info_signer.verified.window;
  state->window.narrow(identity_signer.verified.window);
  state->window.narrow(window_of_crl(*state->root_crl));
  state->window.narrow(window_of_crl(*state->pck_crl));
  narrow(state->window, state->tcb_info.issue_date, state->tcb_info.next_update);
  narrow(state->window, state->qe_identity.issue_date, state->qe_identity.next_update);
  return Collateral(std::move(state));
}

Result<Collateral> Collateral::parse(std::string_view json, const TrustedRoots& roots) {
  const auto document = JsonDocument::parse(trimmed(json), "collateral");
  if (!document) return std::unexpected(document.error());
  const JsonValue object = document->root();
  if (object.kind() != JsonKind::kObject) return input_error("collateral: not a JSON object");
  Texts texts;
  for (const auto& [name, text] : members_of(texts)) {
    const auto member = object.find(name);
    if (!member || member->kind() == JsonKind::kNull) continue;
    // TCB info and identities may stand as objects too; then what is signed is their text.
    auto value = member->kind() == JsonKind::kObject ? std::optional(std::string(member->raw())) : member->unescaped();
    if (!value) return input_error("collateral: \"" + std::string(name) + "\" is not text");
    *text = std::move(*value);
  }
  return parse(texts, roots);
}

UnixTime Collateral::valid_until() const { return state_->window.last; }
UnixTime Collateral::valid_from() const { return state_->window.first; }
std::string Collateral::fmspc() const { return to_hex(state_->tcb_info.fmspc); }

}  // namespace coffer::attest::dcap
