#include <coffer/attest/openenclave.h>

#include <algorithm>
#include <array>
#include <string>

#include "attest/crypto/digest.h"
#include "attest/dcap/quote.h"
#include "attest/openenclave/header.h"
#include "base/bytes.h"
#include "base/hex.h"

namespace coffer::attest::openenclave {

namespace {

constexpr std::uint32_t kReportVersion = 1;
constexpr std::uint32_t kRemoteReport = 2;

std::unexpected<Error> malformed(std::string_view what) { return input_error("Open Enclave: " + std::string(what)); }

// Formats by their UUID (openenclave/attestation/sgx/evidence.h).
struct Format {
  std::string_view uuid;
  std::string_view name;
};
constexpr std::string_view kEcdsa = "a3a21e871b4d4014b70aa125d2fbcd8c";
constexpr std::array<Format, 5> kOthers{{
    {"c8303454d9234c2ca691df7def460a76", "LEGACY_REPORT_REMOTE"},
    {"1923d91e12d24c72b22025cd8dace871", "RAW_SGX_QUOTE_ECDSA"},
    {"09268c336e0b45e58a2715644d0ef89a", "SGX_LOCAL_ATTESTATION"},
    {"f228aa3fde4d49d3884cb2aa87a50da6", "SGX_EPID_LINKABLE"},
    {"5c35d290a2c24c559e135ad732746c88", "SGX_EPID_UNLINKABLE"},
}};

std::string format_name(ByteView uuid) {
  const std::string text = to_hex(uuid);
  const auto* found = std::ranges::find(kOthers, text, &Format::uuid);
  return found != kOthers.end() ? std::string(found->name) : text;
}

Result<Evidence> parse_report(ByteView bytes) {
  ByteReader reader(bytes);
  (void)reader.read<std::uint32_t>();  // the version
  const auto type = reader.read<std::uint32_t>();
  const auto size = reader.read<std::uint64_t>();
  if (!type || !size) return malformed("the report header is cut off; it has 16 bytes");
  if (*type != kRemoteReport) {
    return malformed("a report of type " + std::to_string(*type) +
                     " is for the same machine only; remote reports have type 2");
  }
  if (*size > reader.remaining()) {
    return malformed("the report header says " + std::to_string(*size) + " bytes, and " +
                     std::to_string(reader.remaining()) + " follow");
  }
  const ByteView quote = *reader.take(static_cast<std::size_t>(*size));
  const ByteView rest = bytes.subspan(reader.position());
  if (!std::ranges::all_of(rest, [](std::byte byte) { return byte == std::byte{0}; })) {
    return malformed("something other than padding follows the report");
  }
  return Evidence{.form = Form::kReport, .quote = quote, .custom_claims = {}};
}

Result<Evidence> parse_with_header(ByteView bytes) {
  const auto header = read_header(bytes);
  if (!header) return std::unexpected(header.error());
  if (to_hex(header->format) != kEcdsa) {
    return malformed("the format " + format_name(header->format) +
                     " is not one of quotes with custom claims (SGX_ECDSA)");
  }
  const auto size = dcap::quote_size(header->data);
  if (!size) return std::unexpected(size.error());
  return Evidence{
      .form = Form::kEvidence, .quote = header->data.first(*size), .custom_claims = header->data.subspan(*size)};
}

}  // namespace

std::string_view name_of(Form form) {
  return form == Form::kQuote ? "quote" : form == Form::kReport ? "report" : "evidence";
}

ByteView without_comments(ByteView bytes) {
  while (!bytes.empty() && bytes.front() == std::byte{'#'}) {
    const auto end = std::ranges::find(bytes, std::byte{'\n'});
    if (end == bytes.end()) return {};
    bytes = bytes.subspan(static_cast<std::size_t>(end - bytes.begin()) + 1);
  }
  return bytes;
}

Result<Header> read_header(ByteView bytes) {
  ByteReader reader(bytes);
  const auto version = reader.read<std::uint32_t>();
  const auto format = reader.take(16);
  const auto padding = reader.take(4);
  const auto size = reader.read<std::uint64_t>();
  if (!version || !format || !padding || !size) return malformed("the attestation header is cut off; it has 32 bytes");
  if (*version != kHeaderVersion) {
    return malformed("an attestation header of version " + std::to_string(*version) + "; version 3 is known");
  }
  if (*size != reader.remaining()) {
    return malformed("the attestation header says " + std::to_string(*size) + " bytes, and " +
                     std::to_string(reader.remaining()) + " follow");
  }
  return Header{.format = *format, .data = bytes.subspan(reader.position())};
}

Result<Evidence> parse_evidence(std::span<const std::byte> all) {
  const ByteView bytes = without_comments(all);
  ByteReader reader(bytes);
  const auto version = reader.read<std::uint32_t>();
  if (!version) return malformed("fewer than 4 bytes are no evidence");
  if (*version == kReportVersion) return parse_report(bytes);
  // A quote begins with its version and the type of its key in 16 bits each; a header has 32 bits of version.
  if (*version == kHeaderVersion) return parse_with_header(bytes);
  return Evidence{.form = Form::kQuote, .quote = bytes, .custom_claims = {}};
}

Result<Verification> verify_evidence(std::span<const std::byte> bytes, const dcap::Collateral& collateral, UnixTime at,
                                     dcap::ChainCache* cache) {
  const auto evidence = parse_evidence(bytes);
  if (!evidence) return std::unexpected(evidence.error());
  auto answer = dcap::verify(evidence->quote, collateral, at, cache);
  if (!answer) return answer;
  answer->claims.set("oe_form", name_of(evidence->form));
  if (evidence->form != Form::kEvidence) return answer;
  const auto quote = dcap::parse_quote(evidence->quote);
  if (!quote) return std::unexpected(quote.error());
  const ByteView bound = quote->tee == dcap::kTeeSgx ? quote->sgx.report_data : quote->td.report_data;
  const crypto::Digest hash = crypto::digest(crypto::Hash::kSha256, evidence->custom_claims);
  answer->checks.note("oe_evidence.custom_claims", "openenclave/attestation/sgx/evidence.h, SGX_ECDSA",
                      std::ranges::equal(bound.first(hash.size()), hash.bytes()), to_hex(hash), to_hex(bound));
  if (!evidence->custom_claims.empty()) answer->claims.set_hex("oe_custom_claims", evidence->custom_claims);
  return answer;
}

}  // namespace coffer::attest::openenclave
