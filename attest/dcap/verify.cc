// The steps of Intel's quote verification library (QVL, 4.1.2.5), in its order.
#include <algorithm>
#include <utility>

#include "attest/dcap/collateral.h"
#include "attest/dcap/pck_chain.h"
#include "attest/dcap/quote.h"
#include "attest/dcap/tcb_evaluation.h"
#include "base/hex.h"

namespace coffer::attest::dcap {

namespace {

constexpr std::string_view kValiditySection = "Intel QVL, 4.1.2.2 and 4.1.2.7";
constexpr std::string_view kQuoteSection = "Intel SGX ECDSA Quote Library API, A.4";
constexpr std::string_view kPckSection = "Intel SGX PCK Certificate and CRL Profile, 1.3";

class Verifier {
 public:
  Verifier(const Quote& quote, const Collateral::State& collateral, UnixTime at, ChainCache* cache)
      : quote_(quote), collateral_(collateral), at_(at), chain_(read_chain(cache)) {}

  Verification run() {
    answer_.tee = tee_of(quote_);
    answer_.claims = claims_of(quote_);
    answer_.checks = collateral_.checks;
    answer_.valid_until = collateral_.window.last;
    note("collateral.validity", kValiditySection, collateral_.window.holds(at_), x509::to_string(collateral_.window),
         to_iso8601(at_));
    note("quote.vendor", kQuoteSection, der::equal(quote_.vendor_id, intel_vendor_id()), to_hex(intel_vendor_id()),
         to_hex(quote_.vendor_id));
    const bool chained = check_chain();
    check_revocation(chained);
    check_collateral_matches(chained);
    check_module();
    check_qe_report(chained);
    check_qe_identity();
    check_quote_signature();
    evaluate(chained);
    if (collateral_.root.kind != RootOfTrust::kNone && chained) answer_.root = chain_->verified.root.kind;
    add_claims();
    return std::move(answer_);
  }

 private:
  std::shared_ptr<const PckChain> read_chain(ChainCache* cache) const {
    if (quote_.certification_type == 5) return read_pck_chain(quote_.certification_data, collateral_, cache);
    PckChain none;
    none.form_error = "the quote has " + std::string(certification_name(quote_.certification_type)) +
                      " (certification data of type " + std::to_string(quote_.certification_type) +
                      "); type 5 is needed, a PCK certificate chain";
    return std::make_shared<const PckChain>(std::move(none));
  }

  bool note(std::string_view id, std::string_view section, bool passed, std::string expected = {},
            std::string actual = {}) {
    return answer_.checks.note(id, section, passed, std::move(expected), std::move(actual));
  }
  void not_done(std::string_view id, std::string_view section, std::string_view why) {
    answer_.checks.not_done(id, section, std::string(why));
  }

  bool check_chain() {
    const bool form = chain_->form_error.empty();
    note("pck_certificate.form", kPckSection, form, "three certificates with the extensions of the profile",
         chain_->form_error);
    if (!form) {
      not_done("pck_certificate.chain", "Intel QVL, 4.1.2.2", "the certificates could not be read");
      not_done("pck_certificate.validity", kValiditySection, "the certificates could not be read");
      return false;
    }
    const bool chained = chain_->verified.good();
    // One root for both: whoever may sign software platforms' collateral must not judge hardware with it.
    const bool same = chained && collateral_.root_key && *collateral_.root_key == *chain_->root().public_key();
    const std::string wanted = "a chain to the root that signed the collateral";
    const std::string found = !chained               ? chain_->verified.detail
                              : same                 ? chain_->verified.root.name
                              : collateral_.root_key ? "it leads to another root, " + chain_->verified.root.name
                                                     : "the collateral's chain is not trusted";
    note("pck_certificate.chain", "Intel QVL, 4.1.2.2", same, wanted, found);
    if (!chained) {
      not_done("pck_certificate.validity", kValiditySection, "the chain is not trusted");
      return false;
    }
    const x509::Window& window = chain_->verified.window;
    note("pck_certificate.validity", kValiditySection, window.holds(at_), x509::to_string(window), to_iso8601(at_));
    answer_.valid_until = std::min(*answer_.valid_until, window.last);
    return same;
  }

  void check_revocation(bool chained) {
    constexpr std::string_view kSection = "Intel QVL, 4.1.2.5.7; RFC 5280, 5";
    if (!chained) {
      not_done("pck_crl.signature", kSection, "the PCK chain is not trusted");
      not_done("pck_certificate.revoked", kSection, "the PCK chain is not trusted");
      return;
    }
    const x509::RevocationList& list = *collateral_.pck_crl;
    const x509::Certificate& authority = chain_->authority();
    const auto& key = *authority.public_key();
    std::string why;
    if (!der::equal(list.issuer(), authority.subject())) {
      why = "it is of \"" + list.issuer_name() + "\"";
    } else if (!list.complete()) {
      why = "it lacks its number or its issuer's key id";
    } else if (collateral_.pck_crl_key != key && !list.signed_by(key)) {
      why = "its signature does not fit";
    }
    note("pck_crl.signature", kSection, why.empty(), "the list of \"" + authority.subject_name() + "\"", why);
    if (collateral_.root_crl->revokes(authority.serial())) {
      note("pck_certificate.revoked", kSection, false, "not revoked",
           "\"" + authority.subject_name() + "\" is revoked");
    } else if (why.empty()) {
      const bool revoked = list.revokes(chain_->leaf().serial());
      note("pck_certificate.revoked", kSection, !revoked, "not revoked",
           revoked ? "the PCK certificate is revoked" : "");
    } else {
      not_done("pck_certificate.revoked", kSection, "the list is not one of the PCK certificate's CA");
    }
  }

  void check_collateral_matches(bool chained) {
    const TcbInfo& info = collateral_.tcb_info;
    const bool tdx = quote_.tee == kTeeTdx;
    note("tcb_info.tee", "Intel QVL, 4.1.2.5.10", info.tdx == tdx, tdx ? "TCB info of TDX" : "TCB info of SGX",
         info.tdx ? "of TDX" : "of SGX");
    if (!chained) {
      not_done("tcb_info.fmspc", "Intel QVL, 4.1.2.5.11", "the PCK chain is not trusted");
      not_done("tcb_info.pce_id", "Intel QVL, 4.1.2.5.11", "the PCK chain is not trusted");
      return;
    }
    const PckExtensions& platform = *chain_->platform;
    note("tcb_info.fmspc", "Intel QVL, 4.1.2.5.11", info.fmspc == platform.fmspc, to_hex(platform.fmspc),
         to_hex(info.fmspc));
    note("tcb_info.pce_id", "Intel QVL, 4.1.2.5.11", info.pce_id == platform.pce_id, to_hex(platform.pce_id),
         info.pce_id ? to_hex(*info.pce_id) : "none");
  }

  // MRSIGNERSEAM and SEAMATTRIBUTES against the identity of the module's major version, or the module's of the TCB
  // info.
  void check_module() {
    constexpr std::string_view kId = "tdx_module.identity";
    constexpr std::string_view kSection = "Intel QVL, 4.1.2.5.12";
    if (quote_.tee != kTeeTdx) {
      not_done(kId, kSection, "the quote is not of TDX");
      return;
    }
    if (!collateral_.tcb_info.tdx) {
      not_done(kId, kSection, "the TCB info is not of TDX");
      return;
    }
    const auto version = std::to_integer<std::uint8_t>(quote_.td.tee_tcb_svn[1]);
    const TdxModule* module =
        version > 0 ? find_module(collateral_.tcb_info, version) : &*collateral_.tcb_info.tdx_module;
    if (module == nullptr) {
      note(kId, kSection, false, "an identity of TDX module " + std::to_string(version), "there is none");
      return;
    }
    const auto zero = [](std::byte byte) { return byte == std::byte{0}; };
    const bool signer = der::equal(quote_.td.mrsignerseam, module->mrsigner);
    const bool attributes =
        std::ranges::all_of(quote_.td.seam_attributes, zero) && std::ranges::all_of(module->attributes, zero);
    note(kId, kSection, signer && attributes,
         "MRSIGNERSEAM " + to_hex(module->mrsigner) + ", SEAMATTRIBUTES " + to_hex(module->attributes),
         "MRSIGNERSEAM " + to_hex(quote_.td.mrsignerseam) + ", SEAMATTRIBUTES " + to_hex(quote_.td.seam_attributes));
  }

  void check_qe_report(bool chained) {
    if (chained) {
      const bool good = chain_->leaf().public_key()->verify_ecdsa(crypto::Hash::kSha256, quote_.qe_report.whole,
                                                                  quote_.qe_report_signature);
      note("qe_report.signature", "Intel QVL, 4.1.2.5.13", good, "the PCK key's signature",
           good ? "fits" : "does not fit");
    } else {
      not_done("qe_report.signature", "Intel QVL, 4.1.2.5.13", "the PCK chain is not trusted");
    }
    const crypto::Digest hash =
        crypto::digest(crypto::Hash::kSha256, {quote_.attestation_key, quote_.qe_authentication_data});
    const ByteView data = quote_.qe_report.report_data;
    const bool bound = der::equal(data.first(32), hash) &&
                       std::ranges::all_of(data.subspan(32), [](std::byte byte) { return byte == std::byte{0}; });
    note("qe_report.data", "Intel QVL, 4.1.2.5.14", bound, to_hex(hash) + " and zeros", to_hex(data));
  }

  void check_qe_identity() {
    const EnclaveIdentity& identity = collateral_.qe_identity;
    const std::string_view wanted = quote_.tee == kTeeTdx ? "TD_QE" : "QE";
    note("qe_identity.tee", "Intel QVL, 4.1.2.5.15", identity.id == wanted, std::string(wanted), identity.id);
    const SgxReport& report = quote_.qe_report;
    std::string why;
    if ((report.miscselect & identity.miscselect_mask) != identity.miscselect) why = "MISCSELECT differs";
    for (std::size_t i = 0; i < identity.attributes.size(); ++i) {
      const bool same = (report.attributes[i] & identity.attributes_mask.at(i)) == identity.attributes.at(i);
      if (!same && why.empty()) why = "ATTRIBUTES differ: " + to_hex(report.attributes);
    }
    if (why.empty() && !der::equal(report.mrsigner, identity.mrsigner)) why = "MRSIGNER is " + to_hex(report.mrsigner);
    if (why.empty() && report.isv_prod_id != identity.isv_prod_id) {
      why = "the product id is " + std::to_string(report.isv_prod_id);
    }
    note("qe_identity.match", "Intel QVL, 4.1.2.5.16 and 4.1.2.9", why.empty(), "the quoting enclave of the identity",
         why.empty() ? "it is" : why);
  }

  void check_quote_signature() {
    constexpr std::string_view kSection = "Intel QVL, 4.1.2.5.17";
    const auto key = crypto::PublicKey::from_point(crypto::KeyKind::kP256, quote_.attestation_key);
    const bool good = key && key->verify_ecdsa(crypto::Hash::kSha256, quote_.signed_part, quote_.signature);
    note("quote.signature", kSection, good, "the attestation key's signature",
         good  ? "fits"
         : key ? "does not fit"
               : "the attestation key is not a point of P-256");
  }

  void evaluate(bool chained) {
    constexpr std::string_view kId = "tcb.level";
    constexpr std::string_view kSection = "Intel QVL, 4.1.2.5.18 to 4.1.2.5.20";
    const TcbInfo& info = collateral_.tcb_info;
    const bool tdx = quote_.tee == kTeeTdx;
    if (!chained || info.tdx != tdx) {
      not_done(kId, kSection, chained ? "the TCB info is of another TEE" : "the PCK chain is not trusted");
      return;
    }
    const std::uint16_t qe = quote_.qe_report.isv_svn;
    const PckExtensions& platform = *chain_->platform;
    const EnclaveIdentity& identity = collateral_.qe_identity;
    TcbEvaluation launched = tdx ? evaluate_tdx(platform, qe, quote_.td.tee_tcb_svn, info, identity)
                                 : evaluate_sgx(platform, qe, info, identity);
    if (launched.status != TcbStatus::kNoMatchingTcbLevel && !quote_.td.tee_tcb_svn2.empty()) {
      const TcbEvaluation current = evaluate_tdx(platform, qe, quote_.td.tee_tcb_svn2, info, identity);
      const bool matched = current.status != TcbStatus::kNoMatchingTcbLevel;
      launched.status = matched ? relaunch(launched.status, current.status) : TcbStatus::kNoMatchingTcbLevel;
      launched.detail += "; running: " + current.detail;
    }
    answer_.tcb_status = launched.status;
    answer_.advisory_ids = launched.advisory_ids;
    const bool matched = launched.status != TcbStatus::kNoMatchingTcbLevel;
    if (matched) answer_.claims.set("tcb_date", to_iso8601(launched.date));
    note(kId, kSection, matched, "a level of the TCB info", launched.detail);
  }

  // What is authentic only together with the collateral, for policies.
  void add_claims() {
    Claims& claims = answer_.claims;
    claims.set("tcb_info_version", collateral_.tcb_info.version);
    claims.set("tcb_eval_data_number", collateral_.tcb_info.evaluation_data_number);
    if (!chain_->platform) return;
    const PckExtensions& platform = *chain_->platform;
    claims.set_hex("fmspc", platform.fmspc);
    claims.set_hex("pce_id", platform.pce_id);
    claims.set("pce_svn", int{platform.pcesvn});
    claims.set_hex("pck_cpusvn", platform.cpusvn);
    claims.set_hex("ppid", platform.ppid);
    claims.set("sgx_type", platform.sgx_type);
    claims.set("pck_ca", chain_->leaf().issuer_name().find("Platform") != std::string::npos ? "Platform" : "Processor");
    if (platform.platform_instance_id) claims.set_hex("platform_instance_id", *platform.platform_instance_id);
    if (platform.configuration) {
      claims.set("dynamic_platform", platform.configuration->dynamic_platform);
      claims.set("cached_keys", platform.configuration->cached_keys);
      claims.set("smt_enabled", platform.configuration->smt_enabled);
    }
  }

  const Quote& quote_;
  const Collateral::State& collateral_;
  UnixTime at_;
  std::shared_ptr<const PckChain> chain_;
  Verification answer_;
};

}  // namespace

Result<Verification> verify(std::span<const std::byte> bytes, const Collateral& collateral, UnixTime at,
                            ChainCache* cache) {
  const auto quote = parse_quote(bytes);
  if (!quote) return std::unexpected(quote.error());
  return Verifier(*quote, collateral.state(), at, cache).run();
}

Result<Claims> read_claims(std::span<const std::byte> bytes) {
  const auto quote = parse_quote(bytes);
  if (!quote) return std::unexpected(quote.error());
  return claims_of(*quote);
}

}  // namespace coffer::attest::dcap
