#include "attest/snp/endorsement.h"

#include <algorithm>
#include <utility>

#include "attest/der/reader.h"
#include "attest/x509/pem.h"

namespace coffer::attest {

namespace {

constexpr std::string_view kKds = "AMD VCEK Certificate and KDS Interface Specification (57230), 2";
constexpr std::string_view kKdsFields = "AMD VCEK Certificate and KDS Interface Specification (57230), 3.1";
constexpr std::size_t kMostCertificates = 8;

std::string_view text_of(ByteView bytes) { return {reinterpret_cast<const char*>(bytes.data()), bytes.size()}; }
bool is_der(ByteView bytes) { return !bytes.empty() && bytes[0] == std::byte{der::kSequence}; }

// PEM, or DER one after the other; zero bytes after them are padding.
Result<std::vector<x509::Certificate>> read_certificates(std::string_view what, ByteView bytes) {
  if (!is_der(bytes)) {
    auto certificates = x509::parse_certificates(text_of(bytes), kMostCertificates);
    if (!certificates) return input_error(std::string(what) + ": " + certificates.error().message);
    return certificates;
  }
  std::vector<x509::Certificate> certificates;
  der::Reader reader(bytes);
  while (reader.next_tag() == der::kSequence) {
    const auto element = reader.read();
    if (!element || certificates.size() >= kMostCertificates) break;
    auto certificate = x509::Certificate::parse(element->whole);
    if (!certificate) return input_error(std::string(what) + ": " + certificate.error().message);
    certificates.push_back(std::move(*certificate));
  }
  if (!std::ranges::all_of(reader.rest(), [](std::byte each) { return each == std::byte{0}; })) {
    return input_error(std::string(what) + ": neither certificates in DER nor in PEM");
  }
  return certificates;
}

bool names_a_vek(const x509::Certificate& certificate) {
  const std::string name = certificate.subject_name();
  return name == "SEV-VCEK" || name == "SEV-VLEK";
}

// The list must be signed by a key that signed one of the chain, and counts for those certificates alone.
std::string fault_of(const x509::RevocationList& crl, std::span<const x509::Certificate> chain) {
  bool of_this_chain = false;
  for (std::size_t index = 0; index + 1 < chain.size(); ++index) {
    const x509::Certificate& issuer = chain[index + 1];
    if (!der::equal(issuer.subject(), crl.issuer())) continue;
    const auto& key = issuer.public_key();
    if (!key || !crl.signed_by(*key)) return "its signature does not fit " + issuer.subject_name();
    of_this_chain = true;
    if (crl.revokes(chain[index].serial())) return chain[index].subject_name() + " is revoked";
  }
  if (!of_this_chain) return "it is of '" + crl.issuer_name() + "', which issued none of these certificates";
  return {};
}

std::string spaced(UnixTime time) {
  std::string text = to_iso8601(time);  // 2025-01-28T16:26:55Z
  text[10] = ' ';
  text.pop_back();
  return text;
}

void claim_vek(const SnpEndorsement::State& state, Claims& claims) {
  claims.set("vek", state.vek->subject_name());
  claims.set("vek_valid", ClaimValue::List{spaced(state.vek->not_before()), spaced(state.vek->not_after())});
  if (!state.fields) return;
  claims.set("vek_product_name", state.fields->product_name);
  claims.set("vek_tcb", to_claims(state.fields->tcb));
  if (state.fields->of_cloud) claims.set("vek_csp_id", state.fields->cloud);
  if (!state.fields->chip_id.empty()) claims.set_hex("vek_chip_id", state.fields->chip_id);
}

void note_window(const SnpEndorsement::State& state, UnixTime at, Verification& verification) {
  const x509::Window own = x509::window_of(*state.vek);
  const std::string when = to_iso8601(at);
  verification.checks.note("vek.validity", kKds, own.holds(at), x509::to_string(own), when);
  x509::Window all = own;
  for (const x509::Certificate& certificate : state.certificates) all.narrow(x509::window_of(certificate));
  if (own.holds(at)) {
    verification.checks.note("vek.chain_validity", kKds, all.holds(at), x509::to_string(all), when);
  }
  verification.valid_until = all.last;
}

void note_crl(const SnpEndorsement::State& state, UnixTime at, Verification& verification) {
  if (!state.crl) {
    verification.checks.not_done("vek.revocation", kKds, "no revocation list was given");
    return;
  }
  const x509::RevocationList& crl = *state.crl;
  const bool good =
      verification.checks.note("vek.revocation", kKds, state.crl_fault.empty(), "AMD's list, none revoked",
                               state.crl_fault.empty() ? "none revoked" : state.crl_fault);
  if (!good) return;
  const auto next = crl.next_update();
  const bool current = crl.this_update() <= at && (!next || at <= *next);
  verification.checks.note("vek.revocation_validity", kKds, current,
                           to_iso8601(crl.this_update()) + " to " + (next ? to_iso8601(*next) : "no end"),
                           to_iso8601(at));
  if (next && verification.valid_until) verification.valid_until = std::min(*verification.valid_until, *next);
}

}  // namespace

SnpEndorsement::SnpEndorsement() : state_(std::make_shared<const State>()) {}

Result<SnpEndorsement> SnpEndorsement::prepare(const SnpCertificates& certificates, const TrustedRoots& roots) {
  auto state = std::make_shared<State>();
  std::vector<x509::Certificate> others;
  if (!certificates.vek.empty()) {
    auto read = read_certificates("VEK", certificates.vek);
    if (!read) return std::unexpected(read.error());
    state->vek = read->front();
    others.assign(read->begin() + 1, read->end());
  }
  if (!certificates.chain.empty()) {
    auto read = read_certificates("certificate chain", certificates.chain);
    if (!read) return std::unexpected(read.error());
    others.insert(others.end(), read->begin(), read->end());
  }
  if (!state->vek) {
    const auto found = std::ranges::find_if(others, names_a_vek);
    if (found != others.end()) state->vek = *found;
  }
  if (!certificates.crl.empty()) {
    auto crl = x509::RevocationList::parse_any(certificates.crl);
    if (!crl) return input_error("revocation list: " + crl.error().message);
    state->crl = std::move(*crl);
  }
  if (state->vek) {
    if (auto fields = snp::read_vek(*state->vek)) {
      state->fields = std::move(*fields);
    } else {
      state->fields_fault = fields.error().message;
    }
    state->certificates = x509::order_chain(*state->vek, others);
    state->chain = x509::verify_chain(state->certificates, roots);
    if (state->crl) state->crl_fault = fault_of(*state->crl, state->certificates);
  }
  SnpEndorsement endorsement;
  endorsement.state_ = std::move(state);
  return endorsement;
}

bool note_endorsement(const SnpEndorsement::State& state, UnixTime at, Verification& verification) {
  Checks& checks = verification.checks;
  if (!checks.note("vek.given", kKds, state.vek.has_value(), "the certificate of the key that signed (--vek)",
                   state.vek ? state.vek->subject_name() : "none")) {
    return false;
  }
  claim_vek(state, verification.claims);
  const bool chained = checks.note("vek.chain", kKds, state.chain.good(), "a chain to a trusted root key",
                                   state.chain.good() ? state.chain.root.name : state.chain.detail);
  if (chained) verification.root = state.chain.root.kind;
  note_window(state, at, verification);
  note_crl(state, at, verification);
  const bool readable =
      checks.note("vek.extensions", kKdsFields, state.fields.has_value(), "product, TCB and chip or cloud",
                  state.fields ? state.fields->product_name : state.fields_fault);
  if (!readable) return false;
  // The VEK's product against the root's: a chip of one line is not endorsed by another's root.
  const auto of_root = snp::product_of_name(state.chain.root.name);
  if (chained && of_root) {
    checks.note("vek.product", kKdsFields, state.fields->product == of_root, std::string(name_of(*of_root)),
                state.fields->product_name);
  }
  return true;
}

Verification verify_snp_endorsement(const SnpEndorsement& endorsement, UnixTime at) {
  Verification verification;
  verification.tee = Tee::kSevSnp;
  note_endorsement(endorsement.state(), at, verification);
  const auto& fields = endorsement.state().fields;
  if (fields && fields->product) verification.claims.set("product", name_of(*fields->product));
  return verification;
}

}  // namespace coffer::attest
