#include "attest/policy/service_claims.h"

#include <openssl/sha.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <span>

#include "attest/core/base64.h"
#include "attest/core/strict_json.h"
#include "base/hex.h"

namespace coffer::attest {

namespace {

using Json = nlohmann::json;

Json as_json(const ClaimValue& value);

Json as_json(const Claims& claims) {
  Json object = Json::object();
  for (const auto& [name, value] : claims) object[name] = as_json(value);
  return object;
}

Json as_json(const ClaimValue& value) {
  return std::visit(
      [](const auto& held) -> Json {
        using T = std::decay_t<decltype(held)>;
        if constexpr (std::is_same_v<T, Claims>) {
          return as_json(held);
        } else if constexpr (std::is_same_v<T, ClaimValue::List>) {
          Json list = Json::array();
          for (const ClaimValue& each : held) list.push_back(as_json(each));
          return list;
        } else {
          return held;
        }
      },
      value.storage());
}

template <std::size_t Size>
std::string digest(unsigned char* (*function)(const unsigned char*, std::size_t, unsigned char*), ByteView bytes) {
  std::array<unsigned char, Size> result{};
  function(reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size(), result.data());
  return to_hex(std::as_bytes(std::span(result)));
}
std::string sha256(ByteView bytes) { return digest<SHA256_DIGEST_LENGTH>(::SHA256, bytes); }
std::string sha384(ByteView bytes) { return digest<SHA384_DIGEST_LENGTH>(::SHA384, bytes); }

// One claim of the verifier under another name, unchanged.
struct Renamed {
  std::string_view verifiers, services;
};

constexpr std::array kSgx{
    Renamed{"debug", "x-ms-sgx-is-debuggable"}, Renamed{"mrenclave", "x-ms-sgx-mrenclave"},
    Renamed{"mrsigner", "x-ms-sgx-mrsigner"},   Renamed{"isv_prod_id", "x-ms-sgx-product-id"},
    Renamed{"isv_svn", "x-ms-sgx-svn"},         Renamed{"report_data", "x-ms-sgx-report-data"},
};
// Only of enclaves with key separation and sharing: on others they are zero and say nothing.
constexpr std::array kSgxSeparation{
    Renamed{"config_id", "x-ms-sgx-config-id"},
    Renamed{"config_svn", "x-ms-sgx-config-svn"},
    Renamed{"isv_ext_prod_id", "x-ms-sgx-isv-extended-product-id"},
    Renamed{"isv_family_id", "x-ms-sgx-isv-family-id"},
};
constexpr std::array kSevSnp{
    Renamed{"author_key_digest", "x-ms-sevsnpvm-authorkeydigest"},
    Renamed{"family_id", "x-ms-sevsnpvm-familyId"},
    Renamed{"guest_svn", "x-ms-sevsnpvm-guestsvn"},
    Renamed{"host_data", "x-ms-sevsnpvm-hostdata"},
    Renamed{"id_key_digest", "x-ms-sevsnpvm-idkeydigest"},
    Renamed{"image_id", "x-ms-sevsnpvm-imageId"},
    Renamed{"debug_allowed", "x-ms-sevsnpvm-is-debuggable"},
    Renamed{"measurement", "x-ms-sevsnpvm-launchmeasurement"},
    Renamed{"migrate_ma", "x-ms-sevsnpvm-migration-allowed"},
    Renamed{"report_data", "x-ms-sevsnpvm-reportdata"},
    Renamed{"report_id", "x-ms-sevsnpvm-reportid"},
    Renamed{"smt", "x-ms-sevsnpvm-smt-allowed"},
    Renamed{"vmpl", "x-ms-sevsnpvm-vmpl"},
};
constexpr std::array kSevSnpTcb{
    Renamed{"bootloader", "x-ms-sevsnpvm-bootloader-svn"},
    Renamed{"microcode", "x-ms-sevsnpvm-microcode-svn"},
    Renamed{"snp", "x-ms-sevsnpvm-snpfw-svn"},
    Renamed{"tee", "x-ms-sevsnpvm-tee-svn"},
};
constexpr std::array kTdx{
    Renamed{"mrconfigid", "tdx_mrconfigid"},
    Renamed{"mrowner", "tdx_mrowner"},
    Renamed{"mrownerconfig", "tdx_mrownerconfig"},
    Renamed{"mrseam", "tdx_mrseam"},
    Renamed{"mrsignerseam", "tdx_mrsignerseam"},
    Renamed{"mrtd", "tdx_mrtd"},
    Renamed{"report_data", "tdx_report_data"},
    Renamed{"seam_attributes", "tdx_seam_attributes"},
    Renamed{"td_attributes", "tdx_td_attributes"},
    Renamed{"tee_tcb_svn", "tdx_tee_tcb_svn"},
    Renamed{"xfam", "tdx_xfam"},
};
// The verifier of TPM evidence has the service's names already, for what it has at all.
constexpr std::array kTpm{
    Renamed{"aikPubHash", "aikPubHash"},
    Renamed{"aikValidated", "aikValidated"},
    Renamed{"secureBootEnabled", "secureBootEnabled"},
    Renamed{"tpmVersion", "tpmVersion"},
};
constexpr std::array kOlderNames{
    Renamed{"x-ms-ver", "ver"},
    Renamed{"x-ms-attestation-type", "tee"},
    Renamed{"x-ms-attestation-type", "$tee"},
    Renamed{"x-ms-policy-hash", "maa-policyHash"},
    Renamed{"x-ms-policy-hash", "policy_hash"},
    Renamed{"x-ms-policy-signer", "policy_signer"},
    Renamed{"x-ms-sgx-is-debuggable", "$is-debuggable"},
    Renamed{"x-ms-sgx-mrsigner", "$sgx-mrsigner"},
    Renamed{"x-ms-sgx-mrenclave", "$sgx-mrenclave"},
    Renamed{"x-ms-sgx-product-id", "$product-id"},
    Renamed{"x-ms-sgx-svn", "$svn"},
};

void rename(const Claims& from, std::span<const Renamed> names, Json& to) {
  for (const Renamed& each : names) {
    if (const ClaimValue* value = from.find(each.verifiers)) to[each.services] = as_json(*value);
  }
}

const std::string* text_in(const Claims& claims, std::string_view name) {
  const ClaimValue* value = claims.find(name);
  return value != nullptr ? value->as<std::string>() : nullptr;
}

bool all_zero(const std::string& hex) { return hex.find_first_not_of('0') == std::string::npos; }

void add_sgx(const Claims& from, Json& to) {
  rename(from, kSgx, to);
  const bool separated = std::ranges::any_of(kSgxSeparation, [&from](const Renamed& each) {
    const std::string* text = text_in(from, each.verifiers);
    return text != nullptr && !all_zero(*text);
  });
  if (separated) rename(from, kSgxSeparation, to);
}

void add_sev_snp(const Claims& from, Json& to) {
  rename(from, kSevSnp, to);
  const ClaimValue* tcb = from.find("reported_tcb");
  if (const Claims* parts = tcb != nullptr ? tcb->as<Claims>() : nullptr) rename(*parts, kSevSnpTcb, to);
}

void add_tdx(const Verification& verification, Json& to) {
  const Claims& from = verification.claims;
  rename(from, kTdx, to);
  if (verification.tcb_status) to["attester_tcb_status"] = name_of(*verification.tcb_status);
  to["eat_profile"] = "https://aka.ms/maa-eat-profile-tdxvm";
  to["intuse"] = "generic";
  const ClaimValue* rtmr = from.find("rtmr");
  if (const auto* list = rtmr != nullptr ? rtmr->as<ClaimValue::List>() : nullptr) {
    for (std::size_t i = 0; i < list->size(); ++i) to["tdx_rtmr" + std::to_string(i)] = as_json((*list)[i]);
  }
  if (const std::string* svn = text_in(from, "tee_tcb_svn")) {
    const auto bytes = from_hex(*svn);
    if (bytes && !bytes->empty()) to["tdx_seamsvn"] = std::to_integer<int>(bytes->front());
  }
  const std::string* text = text_in(from, "td_attributes");
  const auto attributes = text != nullptr ? from_hex(*text) : std::nullopt;
  if (!attributes || attributes->size() != 8) return;
  const auto bit = [&](std::size_t number) {
    return (std::to_integer<unsigned>((*attributes)[number / 8]) >> (number % 8) & 1) != 0;
  };
  // Intel TDX Module 1.5 ABI, TD_ATTRIBUTES.
  to["dbgstat"] = bit(0) ? "enabled" : "disabled";
  to["tdx_td_attributes_debug"] = bit(0);
  to["tdx_td_attributes_septve_disable"] = bit(28);
  to["tdx_td_attributes_protection_keys"] = bit(30);
  to["tdx_td_attributes_key_locker"] = bit(31);
  to["tdx_td_attributes_perfmon"] = bit(63);
}

// Whether one of `digests` stands at the front of the hexadecimal claim, and nothing but zeros after it.
bool binds(const Claims& claims, std::string_view name, std::initializer_list<std::string> digests) {
  const std::string* text = text_in(claims, name);
  return text != nullptr && std::ranges::any_of(digests, [text](const std::string& digest) {
           return text->starts_with(digest) && all_zero(text->substr(digest.size()));
         });
}

Result<void> check_runtime_binding(const Verification& verification, const BoundData& data) {
  if (binds(verification.claims, "report_data", {sha256(data.bytes)})) return {};
  return refused("the evidence is not bound to the runtime data: its report data does not begin with their SHA-256");
}

Result<void> check_init_binding(const Verification& verification, const BoundData& data) {
  const std::string_view name = verification.tee == Tee::kSevSnp ? "host_data"
                                : verification.tee == Tee::kTdx  ? "mrconfigid"
                                                                 : "config_id";
  if (binds(verification.claims, name, {sha256(data.bytes), sha384(data.bytes)})) return {};
  return refused("the evidence is not bound to the initialisation data: " + std::string(name) +
                 " does not hold their SHA-256 or SHA-384");
}

Result<Json> json_of(const BoundData& data, std::string_view what) {
  std::string text = text_of_bytes(data.bytes);
  if (text.ends_with('\0')) text.pop_back();
  auto read = read_json(text, {.bytes = std::size_t{1} << 20, .depth = 32});
  if (!read) return input_error(std::string(what) + " are said to be JSON: " + read.error().message);
  if (!read->is_object()) return input_error(std::string(what) + " are said to be JSON: they are no object");
  return read;
}

Result<void> add_bound_data(const Verification& verification, const AppraisalInputs& inputs, Json& to) {
  if (inputs.runtime_data) {
    if (auto bound = check_runtime_binding(verification, *inputs.runtime_data); !bound) return bound;
    if (inputs.runtime_data->json) {
      auto read = json_of(*inputs.runtime_data, "the runtime data");
      if (!read) return std::unexpected(read.error());
      to["x-ms-runtime"] = std::move(*read);
    } else {
      const std::string encoded = to_base64url(inputs.runtime_data->bytes);
      to["aas-ehd"] = encoded;
      to["maa-ehd"] = encoded;
      if (claim_of(inputs.type) == "sgx") to["x-ms-sgx-ehd"] = encoded;
    }
  }
  if (inputs.init_data) {
    if (auto bound = check_init_binding(verification, *inputs.init_data); !bound) return bound;
    if (inputs.init_data->json) {
      auto read = json_of(*inputs.init_data, "the initialisation data");
      if (!read) return std::unexpected(read.error());
      to["x-ms-inittime"] = std::move(*read);
    } else {
      to["x-ms-inittime"] = to_base64url(inputs.init_data->bytes);
    }
  }
  return {};
}

}  // namespace

Result<Json> service_claims(const Verification& verification, const AppraisalInputs& inputs,
                            std::string_view policy_text) {
  Json to = as_json(inputs.more);
  switch (inputs.type) {
    case AttestationType::kSgxEnclave:
    case AttestationType::kOpenEnclave:
      add_sgx(verification.claims, to);
      break;
    case AttestationType::kSevSnpVm:
      add_sev_snp(verification.claims, to);
      break;
    case AttestationType::kTdxVm:
      add_tdx(verification, to);
      break;
    case AttestationType::kTpm:
      rename(verification.claims, kTpm, to);
      break;
  }
  if (claim_of(inputs.type) == "sgx" && (!inputs.collateral.empty() || !inputs.evidence.empty())) {
    Json collateral = as_json(inputs.collateral);
    if (!inputs.evidence.empty()) collateral["quotehash"] = sha256(inputs.evidence);
    to["x-ms-sgx-collateral"] = collateral;
    to["maa-attestationcollateral"] = std::move(collateral);
  }
  if (auto added = add_bound_data(verification, inputs, to); !added) return std::unexpected(added.error());
  if (!inputs.nonce.empty()) to["nonce"] = inputs.nonce;
  to["x-ms-ver"] = "1.0";
  to["x-ms-attestation-type"] = claim_of(inputs.type);
  to["x-ms-policy-hash"] = policy_hash(policy_text);
  if (!inputs.policy_signer_json.empty()) {
    auto signer = read_json(inputs.policy_signer_json);
    if (!signer) return input_error("the policy's signer: " + signer.error().message);
    to["x-ms-policy-signer"] = std::move(*signer);
  }
  return to;
}

std::string pcrs_json_of(const Claims& claims) {
  const ClaimValue* pcrs = claims.find("pcrs");
  const std::string* bank = text_in(claims, "pcr_bank");
  const Claims* values = pcrs != nullptr ? pcrs->as<Claims>() : nullptr;
  if (values == nullptr || bank == nullptr) return {};
  std::string name = *bank;
  std::ranges::transform(name, name.begin(),
                         [](char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c; });
  Json list = Json::array();
  for (const auto& [index, value] : *values) {
    int number = 0;
    const auto [end, error] = std::from_chars(index.data(), index.data() + index.size(), number);
    if (error != std::errc() || end != index.data() + index.size()) continue;
    list.push_back({{"Index", number}, {"Digests", {{name, as_json(value)}}}});
  }
  return Json{{"PCRs", std::move(list)}}.dump();
}

void add_older_names(Json& claims) {
  for (const Renamed& each : kOlderNames) {
    if (claims.contains(each.verifiers) && !claims.contains(each.services)) {
      claims[each.services] = claims[each.verifiers];
    }
  }
}

bool is_reserved(std::string_view name) {
  constexpr std::array<std::string_view, 12> kReserved{
      "iss", "sub", "aud", "exp", "nbf", "iat", "jti", "nonce", "x-ms-policy", "x-ms-runtime", "x-ms-inittime", "cnf"};
  return std::ranges::find(kReserved, name) != kReserved.end();
}

}  // namespace coffer::attest
