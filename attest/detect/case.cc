#include "attest/detect/case.h"

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <utility>

#include <coffer/attest/evidence.h>

#include "attest/detect/rtmrs.h"
#include "base/hex.h"

namespace coffer::attest::detect {

namespace {

using Json = nlohmann::json;

// A case whose quote's RTMRs are all that is asked for.
struct Answered {
  Result<Verification> verification;
  bool accepted = false;
};

class Case {
 public:
  Case(const CaseFiles& files, Json expect, const TrustedRoots& roots, UnixTime at)
      : files_(files), expect_(std::move(expect)), roots_(roots), at_(at) {}

  CaseOutcome run() {
    const Answered answered = verify();
    CaseOutcome outcome;
    const std::string verdict = answered.accepted ? "accept" : "reject";
    const std::string wanted = text("verdict").value_or("accept");
    outcome.expected = wanted + suffix(text("tcb_status")) + suffix(text("reason"));
    outcome.got = verdict + why(answered);
    if (wanted == "either") {
      outcome.agrees = true;
      return outcome;
    }
    if (verdict != wanted && !is_decided_difference(answered)) return outcome;
    const std::string difference = compare(answered);
    outcome.agrees = difference.empty();
    if (!outcome.agrees) outcome.got = verdict + ", but " + difference;
    return outcome;
  }

 private:
  [[nodiscard]] ByteView file(std::string_view name) const {
    const auto found = files_.find(name);
    return found != files_.end() ? ByteView(found->second) : ByteView{};
  }
  [[nodiscard]] bool has(std::string_view name) const { return files_.contains(name); }
  [[nodiscard]] std::optional<std::string> text(const char* name) const {
    const auto found = expect_.find(name);
    if (found == expect_.end() || !found->is_string()) return std::nullopt;
    return found->get<std::string>();
  }
  static std::string suffix(const std::optional<std::string>& text) { return text ? " " + *text : ""; }

  static std::string why(const Answered& answered) {
    if (!answered.verification) return " (" + answered.verification.error().message + ")";
    std::string status;
    if (const auto tcb = answered.verification->tcb_status) status = " " + std::string(name_of(*tcb));
    const Check* failure = answered.verification->checks.first_failure();
    return status + (failure != nullptr ? " (" + std::string(failure->id) + ")" : "");
  }

  [[nodiscard]] bool is_decided_difference(const Answered& answered) const;
  Answered verify();
  Answered verify_parts(const EvidenceParts& parts);
  Answered verify_dcap_quote();
  Answered verify_report();
  Answered verify_tpm_quote();
  Answered verify_firmware_log();
  [[nodiscard]] std::string compare(const Answered& answered) const;
  [[nodiscard]] std::string compare_reason(const Answered& answered) const;
  [[nodiscard]] std::string compare_status(const Verification& verification) const;
  [[nodiscard]] std::string compare_claims(const Verification& verification) const;
  [[nodiscard]] std::string compare_log(const Json& claims) const;

  const CaseFiles& files_;
  Json expect_;
  const TrustedRoots& roots_;
  UnixTime at_;
};

Answered authentic(Result<Verification> verification) {
  const bool accepted = verification && verification->authentic();
  return {std::move(verification), accepted};
}

// Intel's library compares root certificates by their bytes (SGX_PCK_CERT_CHAIN_UNTRUSTED, 18), and Coffer by their
// key: an older issue of the same root is accepted here (docs/design/dcap.md).
bool Case::is_decided_difference(const Answered& answered) const {
  constexpr int kUntrusted = 18;
  const auto status = expect_.find("qvl_status");
  if (status == expect_.end() || !status->is_object() || status->value("pck_chain", 0) != kUntrusted) return false;
  return answered.accepted && answered.verification->root == RootOfTrust::kIntel;
}

Answered Case::verify() {
  if (has("report.bin")) return verify_report();
  if (has("quote.msg")) return verify_tpm_quote();
  if (has("ccel.bin")) return verify_firmware_log();
  EvidenceParts parts{.snp = {.vek = {}, .chain = file("ca_chain.pem"), .crl = file("crl.der")}};
  if (has("quote.bin")) return verify_dcap_quote();
  for (const std::string_view name : {"hcl_report.bin", "event_log.bin", "vek.der"}) {
    if (!has(name)) continue;
    parts.evidence = file(name);
    if (name == "hcl_report.bin") parts.snp.vek = file("vek.der");
    return verify_parts(parts);
  }
  return {input_error("no file of evidence"), false};
}

Answered Case::verify_dcap_quote() {
  const ByteView json = file("collateral.json");
  const auto collateral = dcap::Collateral::parse({reinterpret_cast<const char*>(json.data()), json.size()}, roots_);
  if (!collateral) return {std::unexpected(collateral.error()), false};
  return authentic(dcap::verify(file("quote.bin"), *collateral, at_));
}

Answered Case::verify_parts(const EvidenceParts& parts) {
  auto answer = verify_evidence(parts, roots_, at_);
  if (!answer) return {std::unexpected(answer.error()), false};
  return {std::move(answer->verification), answer->accepted};
}

Answered Case::verify_report() {
  const auto endorsement =
      SnpEndorsement::prepare({.vek = file("vek.der"), .chain = file("ca_chain.pem"), .crl = file("crl.der")}, roots_);
  if (!endorsement) return {std::unexpected(endorsement.error()), false};
  return authentic(verify_snp(file("report.bin"), *endorsement, at_));
}

Answered Case::verify_tpm_quote() {
  TpmEvidence evidence{.quote = file("quote.msg"),
                       .signature = file("quote.sig"),
                       .attestation_key = file(has("ak_cert.pem") ? "ak_cert.pem" : "ak_pub.pem"),
                       .event_log = file("event_log.bin"),
                       .hcl_report = file("hcl_report.bin")};
  std::optional<std::vector<std::byte>> nonce;
  if (const auto wanted = text("nonce")) nonce = from_hex(*wanted);
  if (nonce) evidence.nonce = *nonce;
  if (const auto pcrs = expect_.find("pcrs"); pcrs != expect_.end() && pcrs->is_object()) {
    const std::string values = pcrs->dump();
    auto read = PcrValues::parse(std::as_bytes(std::span(values)));
    if (!read) return {std::unexpected(read.error()), false};
    evidence.pcrs = std::move(*read);
  }
  std::optional<SnpEndorsement> endorsement;
  if (has("vek.der")) {
    auto prepared = SnpEndorsement::prepare(
        {.vek = file("vek.der"), .chain = file("ca_chain.pem"), .crl = file("crl.der")}, roots_);
    if (!prepared) return {std::unexpected(prepared.error()), false};
    endorsement = std::move(*prepared);
    evidence.endorsement = &*endorsement;
  }
  return authentic(verify_tpm(evidence, roots_, at_));
}

// The log against the quote's registers. The quote's own signature is a case of its own, where there is collateral.
Answered Case::verify_firmware_log() {
  if (!has("quote.bin")) return verify_parts({.evidence = file("ccel.bin")});
  const auto rtmrs = rtmrs_of_quote(file("quote.bin"));
  if (!rtmrs) return {input_error("quote.bin is no TDX quote"), false};
  Verification verification;
  verification.tee = Tee::kTdx;
  const auto done = verify_ccel(file("ccel.bin"), *rtmrs, verification);
  if (!done) return {std::unexpected(done.error()), false};
  const bool accepted = verification.checks.all_passed();
  return {std::move(verification), accepted};
}

// The words that cases use for why, and the checks that say so.
std::string Case::compare_reason(const Answered& answered) const {
  const auto reason = text("reason");
  if (!reason) return {};
  if (!answered.verification) return *reason == "size" || *reason == "parse" ? "" : "it could not be read";
  struct Word {
    std::string_view reason, check;
  };
  constexpr std::array kWords{
      Word{"signature", "report.signature"},
      Word{"signature", "quote.signature"},
      Word{"chain", "vek.chain"},
      Word{"chain", "ak.chain"},
      Word{"vek-expired", "vek.validity"},
      Word{"revoked", "vek.revocation"},
      Word{"nonce", "quote.nonce"},
      Word{"pcr-digest", "quote.pcr_digest"},
      Word{"tcb", "vek.tcb"},
      Word{"chip-id", "vek.chip_id"},
  };
  bool known = false;
  for (const Check& check : answered.verification->checks.list()) {
    if (check.outcome != CheckOutcome::kFailed) continue;
    for (const Word& word : kWords) {
      known = known || word.reason == *reason;
      if (word.reason == *reason && word.check == check.id) return {};
    }
    if (check.id == *reason) return {};
  }
  // A word that is none of these is for people.
  return known ? "not for the reason " + *reason + " but" + why(answered) : std::string{};
}

std::string Case::compare_status(const Verification& verification) const {
  if (const auto status = text("tcb_status")) {
    const std::string got = verification.tcb_status ? std::string(name_of(*verification.tcb_status)) : "none";
    if (got != *status) return "the TCB status is " + got;
  }
  // Who computed the advisories said which status it came to: those of another level are not comparable.
  const auto advisories = expect_.find("advisory_ids");
  const auto other = text("dcap_qvl_js_0_3_9");
  if (other && other != text("tcb_status")) return {};
  if (advisories != expect_.end() && advisories->is_array()) {
    std::set<std::string> expected;
    for (const Json& id : *advisories) expected.insert(id.is_string() ? id.get<std::string>() : id.dump());
    const std::set<std::string> got(verification.advisory_ids.begin(), verification.advisory_ids.end());
    if (got != expected) {
      std::string all;
      for (const std::string& id : got) all += " " + id;
      return "the advisories are" + (all.empty() ? " none" : all);
    }
  }
  return {};
}

std::string difference(const std::string& name, const Json& expected, const Json& got) {
  if (expected == got) return {};
  if (expected.is_object() && got.is_object()) {
    for (const auto& [member, value] : expected.items()) {
      const auto found = got.find(member);
      std::string path = name;
      path.append(".").append(member);
      auto inner = difference(path, value, found != got.end() ? *found : Json());
      if (!inner.empty()) return inner;
    }
    if (expected.size() == got.size()) return {};
  }
  return name + " is " + got.dump().substr(0, 200) + " instead of " + expected.dump().substr(0, 200);
}

std::string Case::compare_log(const Json& claims) const {
  if (const auto events = expect_.find("events"); events != expect_.end()) {
    const auto got = claims.find("event_count");
    std::string differs = difference("events", *events, got != claims.end() ? *got : Json());
    if (!differs.empty()) return differs;
  }
  // Banks that a case does not list were not replayed by whoever wrote it.
  const auto banks = expect_.find("pcrs_after_replay");
  const auto got = claims.find("pcrs_after_replay");
  if (banks == expect_.end() || !banks->is_object()) return {};
  for (const auto& [name, values] : banks->items()) {
    const Json none = Json::object();
    const Json& bank = got != claims.end() && got->contains(name) ? got->at(name) : none;
    const std::string differs = difference(name, values, bank);
    if (!differs.empty()) return differs;
  }
  return {};
}

std::string Case::compare_claims(const Verification& verification) const {
  const Json claims = Json::parse(to_json(verification.claims));
  constexpr std::array<std::string_view, 16> kNamed{"tcb_eval_data_number",
                                                    "tcb_info_version",
                                                    "vek",
                                                    "product",
                                                    "vek_product_name",
                                                    "vek_tcb",
                                                    "vek_valid",
                                                    "sig_scheme",
                                                    "nonce",
                                                    "pcr_bank",
                                                    "pcr_selection",
                                                    "pcrs",
                                                    "rtmr_from_log",
                                                    "pcr_digest_matches",
                                                    "fmspc",
                                                    "pck_ca"};
  for (const std::string_view name : kNamed) {
    const auto expected = expect_.find(name);
    if (expected == expect_.end() || expected->is_null()) continue;
    const auto got = claims.find(name);
    const std::string differs = difference(std::string(name), *expected, got != claims.end() ? *got : Json());
    if (!differs.empty()) return differs;
  }
  if (const auto fields = expect_.find("fields"); fields != expect_.end() && fields->is_object()) {
    for (const auto& [name, value] : fields->items()) {
      const auto got = claims.find(name);
      const std::string differs = difference(name, value, got != claims.end() ? *got : Json());
      if (!differs.empty()) return differs;
    }
  }
  return compare_log(claims);
}

std::string Case::compare(const Answered& answered) const {
  if (std::string differs = compare_reason(answered); !differs.empty()) return differs;
  if (!answered.verification) return {};
  const Verification& verification = *answered.verification;
  if (std::string differs = compare_status(verification); !differs.empty()) return differs;
  if (const auto binds = expect_.find("binds_report_data"); binds != expect_.end() && binds->is_boolean()) {
    const bool bound = std::ranges::any_of(verification.checks.list(), [](const Check& check) {
      return check.id == "hcl.report_data" && check.outcome == CheckOutcome::kPassed;
    });
    if (bound != binds->get<bool>())
      return bound ? "the report data binds the HCL data" : "the report data binds nothing";
  }
  return compare_claims(verification);
}

}  // namespace

CaseOutcome run_case(const CaseFiles& files, const TrustedRoots& roots, UnixTime now) {
  const auto found = files.find("expect.json");
  if (found == files.end()) return {.agrees = false, .expected = "expect.json", .got = "no such file"};
  const std::string_view text(reinterpret_cast<const char*>(found->second.data()), found->second.size());
  Json expect = Json::parse(text, nullptr, false);
  if (!expect.is_object()) return {.agrees = false, .expected = "expect.json", .got = "it is no JSON object"};
  UnixTime at = now;
  if (const auto time = expect.find("at"); time != expect.end() && time->is_string()) {
    const auto parsed = parse_iso8601(time->get_ref<const std::string&>());
    if (!parsed) return {.agrees = false, .expected = "expect.json", .got = "`at` is no time"};
    at = *parsed;
  }
  return Case(files, std::move(expect), roots, at).run();
}

}  // namespace coffer::attest::detect
