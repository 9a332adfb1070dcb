#include <openssl/evp.h>

#include <algorithm>

#include <coffer/attest/tpm.h>

#include "attest/crypto/digest.h"
#include "attest/der/reader.h"
#include "attest/tpm/hcl.h"
#include "attest/tpm/quote.h"
#include "attest/tpm/verify_log.h"
#include "attest/x509/chain.h"
#include "attest/x509/pem.h"
#include "base/hex.h"

namespace coffer::attest {

namespace {

using tpm::HashId;
using tpm::HclReport;
using tpm::Quote;
using tpm::Selection;

constexpr std::string_view kQuote = "TPM 2.0 Library, part 3, 18.4 (TPM2_Quote)";
constexpr std::string_view kClock = "TPM 2.0 Library, part 2, 10.12.8 (TPMS_ATTEST)";
constexpr std::string_view kKeyCertificate = "TCG EK and AK certificate profiles; RFC 5280, 6";
constexpr std::string_view kHcl = "Azure confidential VM guest attestation, HCL report";

std::string_view text_of(ByteView bytes) { return {reinterpret_cast<const char*>(bytes.data()), bytes.size()}; }

std::string base64(ByteView bytes) {
  std::string text(4 * ((bytes.size() + 2) / 3) + 1, '\0');
  const int length =
      EVP_EncodeBlock(reinterpret_cast<unsigned char*>(text.data()),
                      reinterpret_cast<const unsigned char*>(bytes.data()), static_cast<int>(bytes.size()));
  text.resize(static_cast<std::size_t>(length));
  return text;
}

// The attestation key as it was given: a key alone, or certificates, the key's own first.
struct GivenKey {
  std::optional<crypto::PublicKey> key;
  std::vector<x509::Certificate> certificates;
};

Result<GivenKey> read_given_key(ByteView bytes) {
  GivenKey given;
  std::vector<std::vector<std::byte>> certificates;
  if (bytes[0] == std::byte{der::kSequence}) {
    // DER says by its form which of both it is.
    if (auto key = crypto::PublicKey::from_spki(bytes)) {
      given.key = std::move(*key);
      return given;
    }
    certificates.emplace_back(bytes.begin(), bytes.end());
  } else {
    auto blocks = x509::parse_pem(text_of(bytes));
    if (!blocks) return input_error("attestation key: " + blocks.error().message);
    for (auto& block : *blocks) {
      if (block.label == "PUBLIC KEY" && !given.key) {
        auto key = crypto::PublicKey::from_spki(block.bytes);
        if (!key) return input_error("attestation key: " + key.error().message);
        given.key = std::move(*key);
      } else if (block.label == "CERTIFICATE") {
        certificates.push_back(std::move(block.bytes));
      }
    }
  }
  for (const auto& der : certificates) {
    auto certificate = x509::Certificate::parse(der);
    if (!certificate) return input_error("attestation key: " + certificate.error().message);
    given.certificates.push_back(std::move(*certificate));
  }
  if (!given.key && given.certificates.empty()) {
    return input_error("attestation key: neither a PUBLIC KEY nor a CERTIFICATE in PEM");
  }
  return given;
}

class TpmVerifier {
 public:
  TpmVerifier(const TpmEvidence& evidence, const TrustedRoots& roots, UnixTime at)
      : evidence_(evidence), roots_(roots), at_(at) {
    answer_.tee = Tee::kTpm;
  }

  Result<Verification> verify() {
    if (const auto parts = read_parts(); !parts) return std::unexpected(parts.error());
    claim_quote();
    if (const auto done = note_key(); !done) return std::unexpected(done.error());
    if (const auto done = note_signature(); !done) return std::unexpected(done.error());
    note_nonce();
    note_pcrs();
    return std::move(answer_);
  }

 private:
  Result<void> read_parts();
  void claim_quote();
  Result<void> note_key();
  void note_key_chain(const std::vector<x509::Certificate>& certificates);
  Result<void> note_hcl();
  Result<void> note_signature();
  void note_nonce();
  void note_pcrs();
  void note_pcr_digest(const std::vector<ByteView>& values, std::string_view source);
  [[nodiscard]] std::optional<std::vector<ByteView>> given_values(std::string& missing) const;
  [[nodiscard]] std::vector<ByteView> replayed_values(std::string& missing) const;
  void note_replay();
  void claim_replayed();
  [[nodiscard]] ByteView given_value(HashId hash, std::uint32_t index) const;

  const TpmEvidence& evidence_;
  const TrustedRoots& roots_;
  UnixTime at_;
  Verification answer_;
  Quote quote_;
  std::optional<HclReport> hcl_;
  tpm::HclData hcl_data_;
  GivenKey given_;
  std::optional<crypto::PublicKey> key_;
  std::optional<HashId> hash_;  // of the signature, and of the PCR digest
  std::optional<tpm::ReplayedLog> log_;
};

Result<void> TpmVerifier::read_parts() {
  auto quote = Quote::parse(evidence_.quote);
  if (!quote) return std::unexpected(quote.error());
  quote_ = std::move(*quote);
  if (!evidence_.event_log.empty()) {
    auto log = tpm::read_log(evidence_.event_log);
    if (!log) return std::unexpected(log.error());
    log_ = std::move(*log);
  }
  if (!evidence_.hcl_report.empty()) {
    auto hcl = HclReport::parse(evidence_.hcl_report);
    if (!hcl) return std::unexpected(hcl.error());
    hcl_ = *hcl;
    auto data = tpm::read_hcl_data(hcl_->data);
    if (!data) return std::unexpected(data.error());
    hcl_data_ = std::move(*data);
  }
  if (!evidence_.attestation_key.empty()) {
    auto given = read_given_key(evidence_.attestation_key);
    if (!given) return std::unexpected(given.error());
    given_ = std::move(*given);
  }
  return {};
}

void TpmVerifier::claim_quote() {
  Claims& claims = answer_.claims;
  claims.set("tpmVersion", 2);
  claims.set_hex("nonce", quote_.nonce);
  claims.set("clock", quote_.clock);
  claims.set("reset_count", quote_.reset_count);
  claims.set("restart_count", quote_.restart_count);
  claims.set("clock_safe", quote_.clock_safe);
  claims.set("firmware_version", quote_.firmware_version);
  claims.set_hex("qualified_signer", quote_.qualified_signer);
  ClaimValue::List selections;
  for (const Selection& selection : quote_.selections) {
    const auto hash = tpm::hash_of_number(selection.algorithm);
    ClaimValue::List indexes;
    for (std::uint32_t index = 0; index < tpm::kMostRegisters; ++index) {
      if (selection.has(index)) indexes.emplace_back(index);
    }
    const std::string bank = hash ? std::string(name_of(*hash)) : std::to_string(selection.algorithm);
    if (quote_.selections.size() == 1) {
      claims.set("pcr_bank", bank);
      claims.set("pcr_selection", std::move(indexes));
      return;
    }
    Claims one;
    one.set("pcr_bank", bank);
    one.set("pcr_selection", std::move(indexes));
    selections.emplace_back(std::move(one));
  }
  claims.set("pcr_selections", std::move(selections));
}

void TpmVerifier::note_key_chain(const std::vector<x509::Certificate>& certificates) {
  const auto ordered = x509::order_chain(certificates.front(), std::span(certificates).subspan(1));
  const x509::Chain chain = x509::verify_chain(ordered, roots_);
  const bool good =
      answer_.checks.note("ak.chain", kKeyCertificate, chain.good(), "a chain to a trusted root key (--root)",
                          chain.good() ? chain.root.name : chain.detail);
  x509::Window window = x509::window_of(ordered.front());
  for (const x509::Certificate& certificate : ordered) window.narrow(x509::window_of(certificate));
  answer_.checks.note("ak.validity", kKeyCertificate, window.holds(at_), x509::to_string(window), to_iso8601(at_));
  answer_.valid_until = window.last;
  answer_.claims.set("aikValidated", good && window.holds(at_));
  if (good) answer_.root = chain.root.kind;
}

// Whose key signed, and why it is believed to be a TPM's.
Result<void> TpmVerifier::note_key() {
  Checks& checks = answer_.checks;
  if (!given_.certificates.empty()) {
    const auto& key = given_.certificates.front().public_key();
    if (!checks.note("ak.key", kKeyCertificate, key.has_value(), "an RSA or ECDSA key",
                     key ? "" : key.error().message)) {
      return {};
    }
    key_ = *key;
    note_key_chain(given_.certificates);
  } else if (given_.key) {
    key_ = given_.key;
    checks.note("ak.key", kKeyCertificate, true, "an attestation key", "trusted as given");
    answer_.root = RootOfTrust::kGiven;
  } else if (hcl_) {
    key_ = hcl_data_.attestation_key;
    checks.note("ak.key", kHcl, key_.has_value(), "the key HCLAkPub in the HCL report", key_ ? "there" : "none");
  } else {
    checks.note("ak.key", kKeyCertificate, false, "the attestation key, its certificates or an HCL report (--ak)",
                "none");
  }
  if (key_) {
    const auto spki = key_->spki();
    answer_.claims.set("aikPubHash", base64(crypto::digest(crypto::Hash::kSha256, spki)));
  }
  return hcl_ ? note_hcl() : Result<void>{};
}

// That the hardware's report in the HCL report is of the data beside it. `report_data` has 64 bytes.
void note_hcl_binding(const HclReport& hcl, ByteView report_data, Checks& checks) {
  if (!hcl.hash) {
    checks.note("hcl.report_data", kHcl, false, "a digest with SHA-256, SHA-384 or SHA-512", "of an unknown kind");
    return;
  }
  const crypto::Digest digest = crypto::digest(*hcl.hash, hcl.data);
  const ByteView rest = report_data.subspan(digest.size());
  const bool bound = der::equal(report_data.first(digest.size()), digest) &&
                     std::ranges::all_of(rest, [](std::byte each) { return each == std::byte{0}; });
  checks.note("hcl.report_data", kHcl, bound, to_hex(digest), to_hex(report_data));
}

constexpr std::size_t kSnpReportData = 0x50, kReportDataSize = 64;

Result<void> TpmVerifier::note_hcl() {
  Checks& checks = answer_.checks;
  answer_.claims.set("hcl", hcl_data_.claims);
  if (hcl_->hardware != HclReport::Hardware::kSnp) {
    // A TD report is no evidence to anybody but the same machine: the TD quote is, which is evidence of its own.
    checks.note("hcl.hardware", kHcl, given_.key.has_value(),
                "an SEV-SNP report, or an attestation key that is trusted", "a TD report");
    return {};
  }
  note_hcl_binding(*hcl_, hcl_->report.subspan(kSnpReportData, kReportDataSize), checks);
  const auto& inside = hcl_data_.attestation_key;
  if (key_ && (given_.key || !given_.certificates.empty())) {
    checks.note("hcl.ak", kHcl, inside == key_, "the attestation key is the report's HCLAkPub",
                !inside          ? "none in the report"
                : inside == key_ ? "the same"
                                 : "another");
  }
  const bool trusted_otherwise = answer_.root != RootOfTrust::kNone;
  if (evidence_.endorsement == nullptr && trusted_otherwise) {
    checks.not_done("hcl.snp", kHcl, "no VEK was given; the attestation key is trusted without the SNP report");
    return {};
  }
  const SnpEndorsement nothing;
  auto snp = verify_snp(hcl_->report, evidence_.endorsement != nullptr ? *evidence_.endorsement : nothing, at_);
  if (!snp) return std::unexpected(snp.error());
  answer_.claims.set("snp", std::move(snp->claims));
  for (const Check& check : snp->checks.list()) {
    if (check.outcome == CheckOutcome::kNotDone) {
      checks.not_done(check.id, check.section, check.actual);
    } else {
      checks.note(check.id, check.section, check.outcome == CheckOutcome::kPassed, check.expected, check.actual);
    }
  }
  answer_.claims.set("aikValidated", snp->authentic());
  if (!trusted_otherwise) answer_.root = snp->root;
  if (snp->valid_until)
    answer_.valid_until = std::min(answer_.valid_until.value_or(*snp->valid_until), *snp->valid_until);
  return {};
}

Result<void> TpmVerifier::note_signature() {
  Checks& checks = answer_.checks;
  if (evidence_.signature.empty()) {
    checks.note("quote.signature", kQuote, false, "the quote's signature (--signature)", "none");
    return {};
  }
  if (!key_) {
    checks.not_done("quote.signature", kQuote, "there is no attestation key");
    return {};
  }
  const auto outcome = verify_quote_signature(quote_, evidence_.signature, *key_);
  if (!outcome) {
    checks.note("quote.signature", kQuote, false, "by the attestation key", outcome.error().message);
    return {};
  }
  hash_ = outcome->hash;
  if (outcome->fits) answer_.claims.set("sig_scheme", outcome->scheme);
  checks.note("quote.signature", kQuote, outcome->fits, "by the attestation key",
              outcome->fits ? "fits (" + outcome->scheme + ")" : outcome->why);
  return {};
}

void TpmVerifier::note_nonce() {
  if (!evidence_.nonce) {
    answer_.checks.not_done("quote.nonce", kClock, "no nonce was asked for: the quote can be an old one");
    return;
  }
  answer_.checks.note("quote.nonce", kClock, der::equal(*evidence_.nonce, quote_.nonce), to_hex(*evidence_.nonce),
                      to_hex(quote_.nonce));
}

ByteView TpmVerifier::given_value(HashId hash, std::uint32_t index) const {
  if (!evidence_.pcrs) return {};
  const auto bank = evidence_.pcrs->banks().find(name_of(hash));
  if (bank == evidence_.pcrs->banks().end()) return {};
  const auto value = bank->second.find(index);
  return value != bank->second.end() ? ByteView(value->second) : ByteView{};
}

// The quoted PCRs' values in the quote's order; nothing where one is missing, which `missing` names.
std::optional<std::vector<ByteView>> TpmVerifier::given_values(std::string& missing) const {
  if (!evidence_.pcrs->joined().empty()) return std::vector<ByteView>{evidence_.pcrs->joined()};
  std::vector<ByteView> values;
  for (const Selection& selection : quote_.selections) {
    const auto hash = tpm::hash_of_number(selection.algorithm);
    for (std::uint32_t index = 0; index < tpm::kMostRegisters; ++index) {
      if (!selection.has(index)) continue;
      const ByteView value = hash ? given_value(*hash, index) : ByteView{};
      if (value.empty()) {
        missing = "PCR " + std::to_string(index) + (hash ? " of " + std::string(name_of(*hash)) : "");
        return std::nullopt;
      }
      values.push_back(value);
    }
  }
  return values;
}

std::vector<ByteView> TpmVerifier::replayed_values(std::string& missing) const {
  std::vector<ByteView> values;
  for (const Selection& selection : quote_.selections) {
    const auto hash = tpm::hash_of_number(selection.algorithm);
    const tpm::Bank* bank = hash ? log_->registers.find(*hash) : nullptr;
    if (bank == nullptr) {
      missing = "the log has no digests of algorithm " + std::to_string(selection.algorithm);
      return {};
    }
    for (std::uint32_t index = 0; index < tpm::kMostRegisters; ++index) {
      if (selection.has(index)) values.push_back(bank->values[index].view());
    }
  }
  return values;
}

void TpmVerifier::note_pcr_digest(const std::vector<ByteView>& values, std::string_view source) {
  if (!hash_) {
    answer_.checks.not_done("quote.pcr_digest", kQuote, "the signature's hash is not known");
    return;
  }
  std::vector<std::byte> joined;  // of what was given, at most 16 banks of 32 values
  for (const ByteView value : values) joined.insert(joined.end(), value.begin(), value.end());
  const auto digest = tpm::Hasher(*hash_).digest(joined);
  const bool same = digest && der::equal(digest->view(), quote_.pcr_digest);
  answer_.claims.set("pcr_digest_matches", same);
  answer_.checks.note("quote.pcr_digest", kQuote, same, to_hex(quote_.pcr_digest),
                      (digest ? to_hex(digest->view()) : "none") + " of " + std::string(source));
}

// Each quoted PCR that the log extends must hold what the log leads to.
void TpmVerifier::note_replay() {
  std::string differing;
  std::size_t compared = 0;
  for (const Selection& selection : quote_.selections) {
    const auto hash = tpm::hash_of_number(selection.algorithm);
    const tpm::Bank* bank = hash ? log_->registers.find(*hash) : nullptr;
    if (bank == nullptr) continue;
    for (std::uint32_t index = 0; index < tpm::kMostRegisters; ++index) {
      if (!selection.has(index) || !bank->is_extended(index)) continue;
      ++compared;
      if (der::equal(bank->values[index].view(), given_value(*hash, index))) continue;
      differing += (differing.empty() ? "PCR " : ", ") + std::to_string(index) + " of " + std::string(name_of(*hash));
    }
  }
  answer_.checks.note("event_log.replay", tpm::kFirmwareProfile, differing.empty() && compared > 0,
                      "the log leads to the quoted PCRs",
                      compared == 0       ? "it extends none of them"
                      : differing.empty() ? "it does"
                                          : differing + " differ");
}

void TpmVerifier::note_pcrs() {
  if (evidence_.pcrs) {
    std::string missing;
    const auto values = given_values(missing);
    if (values) {
      note_pcr_digest(*values, "the values given");
    } else {
      answer_.checks.note("quote.pcr_digest", kQuote, false, "the value of every quoted PCR", missing + " is missing");
    }
    if (quote_.selections.size() == 1) {
      const auto hash = tpm::hash_of_number(quote_.selections[0].algorithm);
      Claims pcrs;
      for (std::uint32_t index = 0; hash && index < tpm::kMostRegisters; ++index) {
        const ByteView value = quote_.selections[0].has(index) ? given_value(*hash, index) : ByteView{};
        if (!value.empty()) pcrs.set_hex(std::to_string(index), value);
      }
      if (!pcrs.empty()) answer_.claims.set("pcrs", std::move(pcrs));
    }
    if (log_ && evidence_.pcrs->joined().empty()) note_replay();
  }
  if (log_ && (!evidence_.pcrs || !evidence_.pcrs->joined().empty())) {
    std::string missing;
    const auto values = replayed_values(missing);
    if (missing.empty()) {
      note_pcr_digest(values,
                      "the log's replay; PCRs that it does not extend are taken as after a start (--pcrs gives their "
                      "values)");
    } else {
      answer_.checks.note("event_log.replay", tpm::kFirmwareProfile, false, "digests of the quoted banks", missing);
    }
  }
  if (!log_ && !evidence_.pcrs) {
    answer_.checks.not_done("quote.pcr_digest", kQuote, "neither PCR values nor an event log were given");
  }
  if (log_) claim_replayed();
}

// What the log says counts where the quote covers it.
void TpmVerifier::claim_replayed() {
  HashId proof = log_->registers.banks.front().hash;
  std::uint32_t covered = 0;
  for (const Selection& selection : quote_.selections) {
    const auto hash = tpm::hash_of_number(selection.algorithm);
    if (!hash || log_->registers.find(*hash) == nullptr) continue;
    proof = *hash;
    covered = selection.mask;
    break;
  }
  const auto failed = [this](std::string_view id) {
    return std::ranges::any_of(answer_.checks.list(), [id](const Check& check) {
      return check.id == id && check.outcome == CheckOutcome::kFailed;
    });
  };
  const bool leads_there = !failed("event_log.replay") && !failed("quote.pcr_digest");
  tpm::claim_log(*log_, proof, leads_there ? covered : 0, answer_);
}

}  // namespace

Result<Verification> verify_tpm(const TpmEvidence& evidence, const TrustedRoots& roots, UnixTime at) {
  return TpmVerifier(evidence, roots, at).verify();
}

Result<Verification> verify_hcl_report(std::span<const std::byte> bytes, const SnpEndorsement& endorsement,
                                       UnixTime at) {
  const auto hcl = HclReport::parse(bytes);
  if (!hcl) return std::unexpected(hcl.error());
  if (hcl->hardware != HclReport::Hardware::kSnp) {
    return input_error("HCL report: it holds a TD report, which only a TD quote vouches for; give that quote instead");
  }
  const auto data = tpm::read_hcl_data(hcl->data);
  if (!data) return std::unexpected(data.error());
  auto answer = verify_snp(hcl->report, endorsement, at);
  if (!answer) return answer;
  answer->claims.set("hcl", data->claims);
  note_hcl_binding(*hcl, hcl->report.subspan(kSnpReportData, kReportDataSize), answer->checks);
  return answer;
}

}  // namespace coffer::attest
