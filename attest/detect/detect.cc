#include <algorithm>
#include <array>
#include <cstring>
#include <nlohmann/json.hpp>

#include <coffer/attest/evidence.h>
#include <coffer/attest/openenclave.h>

#include "attest/detect/forms.h"
#include "attest/tpm/event_log.h"
#include "attest/tpm/hcl.h"
#include "attest/tpm/quote.h"
#include "attest/x509/certificate.h"
#include "base/hex.h"

namespace coffer::attest {

namespace {

using Json = nlohmann::json;

constexpr std::size_t kMostBytes = std::size_t{64} << 20;
constexpr std::size_t kMostWrappings = 6;
constexpr std::size_t kSnpReport = 1184, kShortestQuote = 48 + 384;

std::string_view text_of(ByteView bytes) { return {reinterpret_cast<const char*>(bytes.data()), bytes.size()}; }

template <class T>
std::optional<T> at(ByteView bytes, std::size_t offset) {
  if (!range_fits(offset, sizeof(T), bytes.size())) return std::nullopt;
  T value;
  std::memcpy(&value, bytes.data() + offset, sizeof(T));
  return value;
}

// A report's version is small, and bit 17 of its policy is always set; a quote's first four bytes have its key's type
// too.
bool looks_like_snp(ByteView bytes) {
  const auto version = at<std::uint32_t>(bytes, 0);
  const auto policy = at<std::uint64_t>(bytes, 8);
  if (!version || !policy || *version < 2 || *version > 0xff) return false;
  return bytes.size() == kSnpReport || (*policy >> 17 & 1) != 0;
}

std::optional<EvidenceKind> quote_kind(ByteView bytes) {
  constexpr std::uint32_t kTdx = 0x81;
  const auto version = at<std::uint16_t>(bytes, 0);
  const auto key_type = at<std::uint16_t>(bytes, 2);
  const auto tee = at<std::uint32_t>(bytes, 4);
  if (!version || !key_type || !tee || *version < 3 || *version > 5 || bytes.size() < kShortestQuote)
    return std::nullopt;
  if (*key_type != 2 && *key_type != 3) return std::nullopt;
  if (*version == 3) return EvidenceKind::kSgxQuote;
  return *tee == kTdx ? EvidenceKind::kTdxQuote : EvidenceKind::kSgxQuote;
}

bool looks_like_open_enclave(ByteView bytes) {
  const auto evidence = openenclave::parse_evidence(bytes);
  return evidence && evidence->form != openenclave::Form::kQuote;
}

bool looks_like_event_log(ByteView bytes) {
  const auto index = at<std::uint32_t>(bytes, 0);
  const auto type = at<std::uint32_t>(bytes, 4);
  const auto size = at<std::uint32_t>(bytes, 28);
  if (!index || !type || !size || *index >= tpm::kMostRegisters) return false;
  return !tpm::name_of(tpm::EventType{*type}).empty() && *size <= bytes.size() - 32;
}

bool looks_like_certificate(ByteView bytes) {
  return bytes.size() > 4 && bytes[0] == std::byte{0x30} && bytes[1] == std::byte{0x82};
}

std::optional<EvidenceKind> kind_of(ByteView bytes) {
  if (tpm::looks_like_hcl_report(bytes)) return EvidenceKind::kHclReport;
  if (tpm::looks_like_quote(bytes)) return EvidenceKind::kTpmQuote;
  if (bytes.size() == kSnpReport && looks_like_snp(bytes)) return EvidenceKind::kSnpReport;
  if (looks_like_open_enclave(bytes)) return EvidenceKind::kOpenEnclave;
  if (const auto quote = quote_kind(bytes)) return quote;
  // A report that was cut looks like the start of a log too; the log must then read to its end.
  if (looks_like_event_log(bytes) && (!looks_like_snp(bytes) || tpm::EventLog::parse(bytes))) {
    return EvidenceKind::kEventLog;
  }
  if (looks_like_snp(bytes)) return EvidenceKind::kSnpReport;
  if (looks_like_certificate(bytes)) return EvidenceKind::kSnpCertificate;
  if (text_of(bytes).starts_with("-----BEGIN CERTIFICATE-----")) return EvidenceKind::kSnpCertificate;
  return std::nullopt;
}

// The member of a JSON object that holds evidence, under the names that services and tools use.
Result<DetectedEvidence> open_json(std::string_view text, std::vector<std::byte>& inner) {
  DetectedEvidence found;
  const Json json = Json::parse(text, nullptr, false);
  if (!json.is_object()) return input_error("evidence: neither a kind that is known nor a JSON object");
  const auto text_member = [&json](std::string_view name) -> const std::string* {
    const auto member = json.find(name);
    return member != json.end() && member->is_string() ? &member->get_ref<const std::string&>() : nullptr;
  };
  for (const std::string_view name : {"VcekCertChain", "vcekCertChain"}) {
    const std::string* chain = text_member(name);
    const auto decoded = chain != nullptr ? detect::decode_text(*chain) : std::nullopt;
    if (decoded) found.certificates = *decoded;
  }
  for (const std::string_view name : {"SnpReport", "snpReport", "quote", "Quote", "QuoteHex", "report", "evidence"}) {
    const std::string* member = text_member(name);
    auto decoded = member != nullptr ? detect::decode_text(*member) : std::nullopt;
    if (!decoded) continue;
    inner = std::move(*decoded);
    return found;
  }
  return input_error("evidence: a JSON object without a member quote, report, evidence or SnpReport");
}

}  // namespace

std::string_view name_of(EvidenceKind kind) {
  constexpr std::array<std::string_view, 8> kNames{"SGX quote",
                                                   "TDX quote",
                                                   "Open Enclave evidence",
                                                   "SEV-SNP report",
                                                   "SEV-SNP endorsement key certificate",
                                                   "HCL report",
                                                   "TPM quote",
                                                   "event log"};
  return kNames[static_cast<std::size_t>(kind)];
}

Result<DetectedEvidence> detect_evidence(std::span<const std::byte> bytes) {
  if (bytes.empty()) return input_error("evidence: it is empty");
  if (bytes.size() > kMostBytes) return input_error("evidence: more than 64 MiB");
  DetectedEvidence detected;
  std::vector<std::byte> held(bytes.begin(), bytes.end());
  for (std::size_t depth = 0; depth < kMostWrappings; ++depth) {
    if (const auto kind = kind_of(held)) {
      detected.kind = *kind;
      detected.bytes = std::move(held);
      return detected;
    }
    const std::string_view text = text_of(held);
    const std::size_t start = text.find_first_not_of(" \t\r\n");
    std::vector<std::byte> inner;
    if (start != std::string_view::npos && text[start] == '{') {
      auto opened = open_json(text, inner);
      if (!opened) return opened;
      if (!opened->certificates.empty()) detected.certificates = std::move(opened->certificates);
    } else if (text.starts_with('#')) {
      // Open Enclave's files of evidence can begin with lines that say where they come from.
      const auto evidence = openenclave::parse_evidence(held);
      if (!evidence || evidence->quote.size() >= held.size()) break;
      inner.assign(evidence->quote.begin(), evidence->quote.end());
    } else if (auto decoded = detect::decode_text(text)) {
      inner = std::move(*decoded);
    } else {
      break;
    }
    held = std::move(inner);
  }
  return input_error(
      "evidence: not a kind that is known (SGX or TDX quote, Open Enclave evidence, SEV-SNP report, HCL report, TPM "
      "quote, "
      "event log, or hexadecimal, Base64 or JSON of one)");
}

}  // namespace coffer::attest
