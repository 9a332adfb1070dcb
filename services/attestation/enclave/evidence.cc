#include "services/attestation/enclave/evidence.h"

#include <coffer/attest/evidence.h>

#include <algorithm>

#include "attest/core/base64.h"
#include "attest/core/strict_json.h"
#include "base/text.h"

namespace coffer::attestation_service {
namespace {

using attest::AttestationType;
using nlohmann::json;

constexpr std::size_t kLongestNonce = 1024;

// Names as in the version of 2020 and later, and in that of 2018, whose first letters are large.
const json* member(const json& object, std::initializer_list<const char*> names) {
  for (const char* name : names) {
    const auto found = object.find(name);
    if (found != object.end() && !found->is_null()) return &*found;
  }
  return nullptr;
}

// BASE64URL as clients send it: with padding or without, some in the other alphabet.
std::optional<std::vector<std::byte>> bytes_of(const json& value) {
  if (!value.is_string()) return std::nullopt;
  std::string text = value.get<std::string>();
  while (text.ends_with('=')) text.pop_back();
  std::ranges::replace(text, '+', '-');
  std::ranges::replace(text, '/', '_');
  return attest::from_base64url(text);
}

Answer<std::optional<attest::BoundData>> bound_data(const json& body, std::initializer_list<const char*> names) {
  const json* given = member(body, names);
  if (given == nullptr) return std::nullopt;
  const std::string name = *names.begin();
  if (!given->is_object()) return refuse("InvalidParameter", name + " is not an object with data and dataType");
  attest::BoundData data;
  const json* bytes = member(*given, {"data", "Data"});
  auto decoded = bytes == nullptr ? std::nullopt : bytes_of(*bytes);
  if (!decoded) return refuse("InvalidParameter", name + ".data is missing or not BASE64URL");
  data.bytes = std::move(*decoded);
  const json* type = member(*given, {"dataType", "DataType"});
  const std::string kind = type != nullptr && type->is_string() ? type->get<std::string>() : "";
  if (kind != "JSON" && kind != "Json" && kind != "Binary") {
    return refuse("InvalidParameter", name + ".dataType is neither Binary nor JSON");
  }
  data.json = kind != "Binary";
  return data;
}

// A policy's text, or a token that holds one.
Answer<std::optional<std::string>> draft_policy(const json& body) {
  const json* given = member(body, {"draftPolicyForAttestation"});
  if (given == nullptr) return std::nullopt;
  if (!given->is_string()) return refuse("InvalidParameter", "draftPolicyForAttestation is not a text");
  const std::string text = given->get<std::string>();
  if (text.empty()) return std::nullopt;
  const bool token = text.starts_with("eyJ") && std::ranges::count(text, '.') == 2;
  if (!token) return text;
  auto document = attest::parse_policy_jws(text);
  if (!document) return refuse("InvalidParameter", "draftPolicyForAttestation: " + document.error().message);
  return std::move(document->text);
}

}  // namespace

Answer<AttestRequest> parse_attest_request(AttestationType type, std::string_view text) {
  const auto body = attest::read_json(text);
  if (!body) return refuse("InvalidParameter", "the body is not JSON: " + body.error().message);
  if (!body->is_object()) return refuse("InvalidParameter", "the body is not a JSON object");
  AttestRequest request{
      .type = type, .evidence = {}, .runtime_data = {}, .init_data = {}, .draft_policy = {}, .nonce = {}};
  const bool report = type == AttestationType::kOpenEnclave || type == AttestationType::kSevSnpVm;
  const json* evidence = report ? member(*body, {"report", "Report"}) : member(*body, {"quote", "Quote"});
  auto bytes = evidence == nullptr ? std::nullopt : bytes_of(*evidence);
  if (!bytes || bytes->empty()) {
    return refuse("InvalidParameter",
                  report ? "report is missing or not BASE64URL" : "quote is missing or not BASE64URL");
  }
  request.evidence = std::move(*bytes);
  auto runtime = bound_data(*body, {"runtimeData", "RuntimeData"});
  if (!runtime) return std::unexpected(runtime.error());
  request.runtime_data = std::move(*runtime);
  if (const json* held = member(*body, {"EnclaveHeldData", "enclaveHeldData"});
      held != nullptr && !request.runtime_data) {
    auto decoded = bytes_of(*held);
    if (!decoded) return refuse("InvalidParameter", "EnclaveHeldData is not BASE64URL");
    request.runtime_data = attest::BoundData{.bytes = std::move(*decoded), .json = false};
  }
  auto init = bound_data(*body, {"initTimeData", "inittimeData", "InitTimeData"});
  if (!init) return std::unexpected(init.error());
  request.init_data = std::move(*init);
  auto draft = draft_policy(*body);
  if (!draft) return std::unexpected(draft.error());
  request.draft_policy = std::move(*draft);
  if (const json* nonce = member(*body, {"nonce"}); nonce != nullptr) {
    if (!nonce->is_string() || nonce->get_ref<const std::string&>().size() > kLongestNonce) {
      return refuse("InvalidParameter", "nonce is not a text of at most 1024 bytes");
    }
    request.nonce = nonce->get<std::string>();
  }
  return request;
}

Answer<attest::Verification> verify(const AttestRequest& request, CollateralFiles& collateral,
                                    const attest::TrustedRoots& roots, attest::UnixTime at, std::int64_t now) {
  attest::Tee wanted = attest::Tee::kSgx;
  Result<attest::Verification> answer = input_error("the evidence is of a kind that this service does not know");
  if (request.type == AttestationType::kSevSnpVm) {
    wanted = attest::Tee::kSevSnp;
    const auto detected = attest::detect_evidence(request.evidence);
    if (!detected) return refuse("InvalidParameter", one_line(detected.error().message));
    const auto endorsement =
        attest::SnpEndorsement::prepare({.vek = {}, .chain = detected->certificates, .crl = {}}, roots);
    if (!endorsement) return refuse("InvalidParameter", one_line(endorsement.error().message));
    answer = attest::verify_snp(detected->bytes, *endorsement, at);
  } else {
    if (request.type == AttestationType::kTdxVm) wanted = attest::Tee::kTdx;
    answer = collateral.verify(request.evidence, request.type == AttestationType::kOpenEnclave, at, now);
  }
  if (!answer) {
    if (answer.error().kind == ErrorKind::kSystem) return refuse("ServiceUnavailable", answer.error().message, 503);
    return refuse("InvalidParameter", one_line(answer.error().message));
  }
  if (answer->tee != wanted) return refuse("InvalidParameter", "the evidence is not of the kind that the path names");
  if (answer->authentic()) return std::move(*answer);
  const attest::Check* failed = answer->checks.first_failure();
  std::string why = "the evidence is not authentic";
  if (failed != nullptr) {
    why += ": " + std::string(failed->id) + " (" + std::string(failed->section) + "): expected " +
           one_line(failed->expected) + ", found " + one_line(failed->actual);
  } else if (answer->tcb_status) {
    why += ": its TCB status is " + std::string(name_of(*answer->tcb_status));
  }
  return refuse("InvalidParameter", why);
}

}  // namespace coffer::attestation_service
