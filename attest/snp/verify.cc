#include <algorithm>

#include <coffer/attest/snp.h>

#include "attest/der/reader.h"
#include "attest/snp/endorsement.h"
#include "attest/snp/report.h"
#include "base/hex.h"

namespace coffer::attest {

namespace {

using snp::Product;
using snp::Report;
using snp::Vek;

constexpr std::string_view kReport = "SEV-SNP Firmware ABI (56860), ATTESTATION_REPORT";
constexpr std::string_view kTcbVersion = "SEV-SNP Firmware ABI (56860), TCB_VERSION";
constexpr std::string_view kSignature = "SEV-SNP Firmware ABI (56860), Chapter 10";
constexpr std::uint32_t kEcdsaP384Sha384 = 1;

void note_form(const Report& report, Checks& checks) {
  checks.note("report.signature_algorithm", kSignature, report.signature_algorithm() == kEcdsaP384Sha384,
              "1 (ECDSA P-384 with SHA-384)", std::to_string(report.signature_algorithm()));
  const std::string reserved = report.first_reserved_set();
  checks.note("report.reserved", kReport, reserved.empty(), "reserved bytes are zero",
              reserved.empty() ? "zero" : "not at " + reserved);
}

void note_chip(const Report& report, const Vek& vek, Checks& checks) {
  if (vek.of_cloud) {
    checks.not_done("vek.chip_id", kReport, "a VLEK is of no chip");
    return;
  }
  if (report.chip_id_masked()) {
    checks.not_done("vek.chip_id", kReport, "the platform's owner masked the chip's identifier");
    return;
  }
  // Turin's identifiers are 8 bytes; the report has zeros after them.
  const ByteView front = report.chip_id().first(vek.chip_id.size());
  const ByteView rest = report.chip_id().subspan(vek.chip_id.size());
  const bool same =
      der::equal(front, vek.chip_id) && std::ranges::all_of(rest, [](std::byte each) { return each == std::byte{0}; });
  checks.note("vek.chip_id", kReport, same, to_hex(vek.chip_id), to_hex(report.chip_id()));
}

void note_fit(const Report& report, Product product, const Vek& vek, Checks& checks) {
  const auto expected = vek.of_cloud ? snp::SigningKey::kVlek : snp::SigningKey::kVcek;
  checks.note("report.signing_key", kReport, report.signing_key() == static_cast<std::uint8_t>(expected),
              vek.of_cloud ? "1 (VLEK)" : "0 (VCEK)", std::to_string(report.signing_key()));
  if (const auto own = report.product()) {
    checks.note("report.product", kReport, vek.product == own, vek.product_name, std::string(name_of(*own)));
  }
  note_chip(report, vek, checks);
  const snp::TcbVersion reported = snp::tcb_of(report.reported_tcb(), product);
  checks.note("vek.tcb", kTcbVersion, reported == vek.tcb, to_json(to_claims(vek.tcb)), to_json(to_claims(reported)));
}

void note_signature(const Report& report, const SnpEndorsement::State& state, Checks& checks) {
  const auto& key = state.vek->public_key();
  const auto signature = report.signature();
  if (!signature) {
    checks.note("report.signature", kSignature, false, "r and s of 48 bytes, zeros around them",
                "bytes that must be zero are not");
    return;
  }
  if (!key || key->kind() != crypto::KeyKind::kP384) {
    checks.note("report.signature", kSignature, false, "by a key on P-384", key ? "another key" : key.error().message);
    return;
  }
  const bool good = key->verify_ecdsa(crypto::Hash::kSha384, report.signed_part(), *signature);
  checks.note("report.signature", kSignature, good, "by the VEK, over the first 672 bytes",
              good ? "fits" : "does not fit");
}

}  // namespace

Result<Verification> verify_snp(std::span<const std::byte> bytes, const SnpEndorsement& endorsement, UnixTime at) {
  const auto report = Report::parse(bytes);
  if (!report) return std::unexpected(report.error());
  const SnpEndorsement::State& state = endorsement.state();
  // Before version 3 a report does not say its product; then the VEK's decides, and the layout of Milan and Genoa is
  // that of every product that wrote such reports.
  const auto product = report->product().or_else([&] { return state.fields ? state.fields->product : std::nullopt; });
  Verification verification;
  verification.tee = Tee::kSevSnp;
  verification.claims = report->claims(product.value_or(Product::kMilan));
  if (product) verification.claims.set("product", name_of(*product));
  note_form(*report, verification.checks);
  if (!note_endorsement(state, at, verification)) {
    verification.checks.not_done("report.signature", kSignature, "there is no usable VEK");
    return verification;
  }
  note_fit(*report, product.value_or(Product::kMilan), *state.fields, verification.checks);
  note_signature(*report, state, verification.checks);
  return verification;
}

}  // namespace coffer::attest
