#include <coffer/attest/openenclave.h>

#include <array>
#include <string>

#include "attest/dcap/json.h"
#include "attest/dcap/tcb_info.h"
#include "attest/openenclave/header.h"
#include "base/bytes.h"
#include "base/hex.h"

namespace coffer::attest::openenclave {

namespace {

constexpr std::uint32_t kVersion = 1;
constexpr std::uint32_t kSgxEnclave = 2;

// In the order in which they stand (openenclave/bits/attestation.h).
enum Field : std::uint8_t {
  kFieldVersion,
  kTcbInfo,
  kTcbIssuerChain,
  kPckCrl,
  kRootCrl,
  kPckCrlIssuerChain,
  kQeIdentity,
  kQeIdentityIssuerChain,
  kCreationTime,
  kFieldCount,
};
using Fields = std::array<std::string_view, kFieldCount>;

std::unexpected<Error> malformed(std::string_view what) {
  return input_error("Open Enclave endorsements: " + std::string(what));
}

std::string_view text_of(ByteView bytes) {
  std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  while (!text.empty() && text.back() == '\0') text.remove_suffix(1);
  return text;
}

// Each from its offset to that of the next: the offsets rise and stay inside.
Result<Fields> read_fields(ByteView offsets, ByteView data) {
  std::array<std::uint32_t, kFieldCount + 1> starts{};
  ByteReader reader(offsets);
  for (std::size_t i = 0; i < kFieldCount; ++i) starts.at(i) = reader.read<std::uint32_t>().value_or(0);
  starts.back() = static_cast<std::uint32_t>(data.size());
  Fields fields;
  for (std::size_t i = 0; i < kFieldCount; ++i) {
    if (starts.at(i) >= starts.at(i + 1) || starts.at(i + 1) > data.size()) {
      return malformed("the offset of part " + std::to_string(i) + " is not before that of the next");
    }
    fields.at(i) = text_of(data.subspan(starts.at(i), starts.at(i + 1) - starts.at(i)));
  }
  return fields;
}

Result<Fields> parse_fields(ByteView bytes) {
  ByteReader reader(bytes);
  const auto version = reader.read<std::uint32_t>();
  const auto type = reader.read<std::uint32_t>();
  const auto size = reader.read<std::uint32_t>();
  const auto count = reader.read<std::uint32_t>();
  if (!version || !type || !size || !count) return malformed("the header is cut off; it has 16 bytes");
  if (*version != kVersion) return malformed("version " + std::to_string(*version) + " is not known; 1 is");
  if (*type != kSgxEnclave) return malformed("they are of enclaves of type " + std::to_string(*type) + ", not SGX (2)");
  if (*count != kFieldCount) return malformed("they have " + std::to_string(*count) + " parts, not 9");
  const auto buffer = reader.take(*size);
  if (!buffer || buffer->size() < kFieldCount * sizeof(std::uint32_t)) {
    return malformed("the header says " + std::to_string(*size) + " bytes, and " + std::to_string(reader.remaining()) +
                     " follow");
  }
  const std::size_t offsets = kFieldCount * sizeof(std::uint32_t);
  return read_fields(buffer->first(offsets), buffer->subspan(offsets));
}

}  // namespace

Result<dcap::Collateral> parse_endorsements(std::span<const std::byte> all, const TrustedRoots& roots) {
  ByteView bytes = without_comments(all);
  ByteReader reader(bytes);
  if (reader.read<std::uint32_t>() == kHeaderVersion) {
    const auto header = read_header(bytes);
    if (!header) return std::unexpected(header.error());
    bytes = header->data;
  }
  const auto fields = parse_fields(bytes);
  if (!fields) return std::unexpected(fields.error());
  const auto text = [&](Field field) { return std::string(fields->at(field)); };
  return dcap::Collateral::parse({.tcb_info = text(kTcbInfo),
                                  .tcb_info_signature = {},
                                  .tcb_info_issuer_chain = text(kTcbIssuerChain),
                                  .qe_identity = text(kQeIdentity),
                                  .qe_identity_signature = {},
                                  .qe_identity_issuer_chain = text(kQeIdentityIssuerChain),
                                  .root_ca_crl = text(kRootCrl),
                                  .pck_crl = text(kPckCrl),
                                  .pck_crl_issuer_chain = text(kPckCrlIssuerChain)},
                                 roots);
}

Result<Claims> read_json(std::string_view json) {
  const auto document = dcap::JsonDocument::parse(json, "collateral");
  if (!document) return std::unexpected(document.error());
  const bool identity = document->root().find("enclaveIdentity").has_value();
  const auto parts = dcap::parse_signed_json(json, identity ? "enclaveIdentity" : "tcbInfo");
  if (!parts) return std::unexpected(parts.error());
  Claims claims;
  const auto common = [&](const auto& value, std::string_view id) {
    claims.set("id", id);
    claims.set("version", value.version);
    claims.set("issue_date", to_iso8601(value.issue_date));
    claims.set("next_update", to_iso8601(value.next_update));
    claims.set("tcb_eval_data_number", value.evaluation_data_number);
    claims.set("levels", static_cast<std::uint64_t>(value.levels.size()));
  };
  if (identity) {
    const auto value = dcap::parse_enclave_identity(parts->body);
    if (!value) return std::unexpected(value.error());
    common(*value, value->id);
    claims.set_hex("mrsigner", value->mrsigner);
    claims.set("isv_prod_id", value->isv_prod_id);
    return claims;
  }
  const auto value = dcap::parse_tcb_info(parts->body);
  if (!value) return std::unexpected(value.error());
  common(*value, value->tdx ? "TDX" : "SGX");
  claims.set_hex("fmspc", value->fmspc);
  if (value->pce_id) claims.set_hex("pce_id", *value->pce_id);
  return claims;
}

}  // namespace coffer::attest::openenclave
