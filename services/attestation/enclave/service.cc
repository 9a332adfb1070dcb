#include "services/attestation/enclave/service.h"

#include <algorithm>
#include <array>
#include <map>

#include "attest/core/strict_json.h"
#include "services/attestation/enclave/evidence.h"
#include "services/attestation/enclave/instance.h"

namespace coffer::attestation_service {
namespace {

using attest::AttestationType;
using service::PathValues;
using service::Request;
using service::Response;

constexpr std::array<std::string_view, 5> kVersions = {"2018-09-01-preview", "2020-10-01", "2022-08-01",
                                                       "2022-09-01-preview", "2025-06-01"};
constexpr std::int64_t kAttestationLifetime = 28'800, kPolicyLifetime = 3600;
constexpr std::int64_t kDevelopmentToken = 30 * 86'400;

Response refused(const Refusal& refusal) {
  nlohmann::ordered_json body;
  body["error"] = {{"code", refusal.code},
                   {"message", refusal.message},
                   {"innererror", {{"code", refusal.code}, {"message", refusal.message}}}};
  return Response::json(body.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace), refusal.status);
}

class Service : public std::enable_shared_from_this<Service> {
 public:
  Service(Settings settings, const ServiceParts& parts)
      : settings_(std::move(settings)), unix_time_(parts.unix_time), collateral_(parts.host_file, settings_.roots) {}

  Result<void> open(service::SealedStore& store) {
    for (TenantSettings& tenant : settings_.tenants) {
      auto instance = Instance::open(tenant, store, unix_time_());
      if (!instance) return std::unexpected(instance.error());
      instances_.push_back(std::move(*instance));
    }
    return {};
  }

  void add_routes(service::Router& router) {
    std::vector<std::string> prefixes;
    for (const auto& instance : instances_) prefixes.push_back(instance->settings().prefix);
    std::ranges::sort(prefixes);
    const auto [first, last] = std::ranges::unique(prefixes);
    prefixes.erase(first, last);
    for (const std::string& prefix : prefixes) {
      add(router, prefix, "GET", "/.well-known/openid-configuration", &Service::metadata, false);
      add(router, prefix, "GET", "/certs", &Service::certs, false);
      add(router, prefix, "POST", "/attest/{type}", &Service::attest, false);
      add(router, prefix, "GET", "/policies/{type}", &Service::get_policy, true);
      add(router, prefix, "PUT", "/policies/{type}", &Service::set_policy, true);
      add(router, prefix, "POST", "/policies/{type}:reset", &Service::reset_policy, true);
      add(router, prefix, "GET", "/certificates", &Service::get_certificates, true);
      add(router, prefix, "POST", "/certificates:add", &Service::add_certificate, true);
      add(router, prefix, "POST", "/certificates:remove", &Service::remove_certificate, true);
    }
  }

 private:
  using Method = Answer<std::string> (Service::*)(Instance&, const Request&, const PathValues&);

  void add(service::Router& router, const std::string& prefix, const char* verb, const char* path, Method method,
           bool administrators) {
    router.add(
        verb, prefix + path,
        [self = shared_from_this(), prefix, method, administrators](const Request& request, const PathValues& values) {
          return self->answer(prefix, request, values, method, administrators);
        });
  }

  Response answer(const std::string& prefix, const Request& request, const PathValues& values, Method method,
                  bool administrators) {
    Response response;
    Instance* instance = find(prefix, request.host);
    if (instance == nullptr) {
      response = refused({404, "NotFound", "there is no instance of this name"});
    } else if (auto denied =
                   administrators ? instance->settings().bearers->refuse(request, unix_time_()) : std::nullopt) {
      response = std::move(*denied);
    } else {
      const auto made = (this->*method)(*instance, request, values);
      response = made ? Response::json(*made) : refused(made.error());
    }
    response.headers.emplace_back("x-ms-request-id", request.trace.request_id);
    response.headers.emplace_back("x-ms-maa-service-version", "coffer");
    return response;
  }

  // By host name and path; of one path and no such host, the only one.
  Instance* find(const std::string& prefix, const std::string& host) const {
    Instance* only = nullptr;
    std::size_t count = 0;
    for (const auto& instance : instances_) {
      if (instance->settings().prefix != prefix) continue;
      if (instance->settings().host == host) return instance.get();
      only = instance.get();
      ++count;
    }
    return count == 1 ? only : nullptr;
  }

  static Answer<void> check_version(const Request& request) {
    const auto version = request.parameter("api-version");
    if (!version) return refuse("InvalidParameter", "the parameter api-version is missing");
    if (std::ranges::find(kVersions, *version) == kVersions.end()) {
      return refuse("InvalidParameter", "this api-version is not known; the newest is 2025-06-01");
    }
    return {};
  }
  static Answer<AttestationType> type_of(const PathValues& values) {
    const auto type = attest::parse_attestation_type(values[0]);
    if (!type) return refuse("InvalidParameter", "this attestation type is not known");
    return *type;
  }
  // What is asked for with a policy's claims, as a token in JSON.
  Answer<std::string> token_answer(Instance& instance, const Answer<std::string>& claims) {
    if (!claims) return claims;
    auto token = instance.token(*claims, unix_time_(), kPolicyLifetime);
    if (!token) return token;
    return nlohmann::json{{"token", *token}}.dump();
  }

  Answer<std::string> metadata(Instance& instance, const Request&, const PathValues&) {
    const std::string& issuer = instance.settings().issuer;
    nlohmann::ordered_json json;
    json["response_types_supported"] = {"token", "none"};
    json["id_token_signing_alg_values_supported"] = {"RS256"};
    json["revocation_endpoint"] = issuer + "/revoke";
    json["issuer"] = issuer;
    json["jwks_uri"] = issuer + "/certs";
    json["claims_supported"] = {"cnf",
                                "nonce",
                                "x-ms-ver",
                                "x-ms-attestation-type",
                                "x-ms-policy-hash",
                                "x-ms-policy-signer",
                                "x-ms-runtime",
                                "x-ms-inittime",
                                "x-ms-sgx-is-debuggable",
                                "x-ms-sgx-mrenclave",
                                "x-ms-sgx-mrsigner",
                                "x-ms-sgx-product-id",
                                "x-ms-sgx-svn",
                                "x-ms-sgx-ehd",
                                "x-ms-sgx-collateral",
                                "x-ms-sgx-report-data",
                                "is-debuggable",
                                "sgx-mrsigner",
                                "sgx-mrenclave",
                                "product-id",
                                "svn",
                                "tee"};
    return json.dump();
  }

  Answer<std::string> certs(Instance& instance, const Request&, const PathValues&) { return instance.keys().jwks(); }

  Answer<std::string> attest(Instance& instance, const Request& request, const PathValues& values) {
    if (auto version = check_version(request); !version) return std::unexpected(version.error());
    const auto type = type_of(values);
    if (!type) return std::unexpected(type.error());
    if (*type == AttestationType::kTpm) {
      return refuse("NotImplemented", "the challenge flow of TPM attestation is not there yet", 501);
    }
    auto given = parse_attest_request(*type, request.body);
    if (!given) return std::unexpected(given.error());
    const std::int64_t now = unix_time_();
    const auto verified =
        verify(*given, collateral_, settings_.roots, settings_.evidence_time.value_or(attest::UnixTime{now}), now);
    if (!verified) return std::unexpected(verified.error());
    return appraise(instance, *given, *verified, now);
  }

  Answer<std::string> appraise(Instance& instance, const AttestRequest& given, const attest::Verification& verified,
                               std::int64_t now) {
    const auto active = instance.policy(given.type);
    std::optional<attest::Policy> draft;
    if (given.draft_policy) {
      auto parsed = attest::Policy::parse(*given.draft_policy);
      if (!parsed) return refuse("PolicyParsingError", parsed.error().message);
      draft = std::move(*parsed);
    }
    attest::AppraisalInputs inputs;
    inputs.type = given.type;
    inputs.evidence = given.evidence;
    inputs.runtime_data = given.runtime_data;
    inputs.init_data = given.init_data;
    inputs.nonce = given.nonce;
    if (!draft) inputs.policy_signer_json = active->signer_jwk;
    const auto appraisal = attest::appraise(draft ? *draft : active->policy, verified, inputs);
    if (!appraisal) {
      const bool ours = appraisal.error().message.find("policy") != std::string::npos;
      return refuse(ours ? "PolicyEvaluationError" : "InvalidParameter", appraisal.error().message);
    }
    if (!appraisal->outcome.permitted) return refuse("PolicyEvaluationError", appraisal->outcome.reason);
    if (!draft) {
      auto token = instance.token(appraisal->token_claims_json, now, kAttestationLifetime);
      if (!token) return token;
      return nlohmann::json{{"token", *token}}.dump();
    }
    // Nobody is to believe what came of a policy that is not in force.
    const std::string& issuer = instance.settings().issuer;
    const auto payload = attest::token_payload(appraisal->token_claims_json, {.issuer = issuer,
                                                                              .now = {now},
                                                                              .lifetime_seconds = kAttestationLifetime,
                                                                              .token_id = service::random_hex(32)});
    if (!payload) return refuse("InternalError", "the token cannot be made", 500);
    return nlohmann::json{
        {"token", attest::unsigned_token(*payload, issuer + "/certs", instance.keys().active_key_id(now))}}
        .dump();
  }

  Answer<std::string> get_policy(Instance& instance, const Request& request, const PathValues& values) {
    if (auto version = check_version(request); !version) return std::unexpected(version.error());
    const auto type = type_of(values);
    if (!type) return std::unexpected(type.error());
    return token_answer(instance, nlohmann::json{{"x-ms-policy", instance.policy(*type)->jws}}.dump());
  }
  Answer<std::string> set_policy(Instance& instance, const Request& request, const PathValues& values) {
    if (auto version = check_version(request); !version) return std::unexpected(version.error());
    const auto type = type_of(values);
    if (!type) return std::unexpected(type.error());
    return token_answer(instance, instance.set_policy(*type, request.body, unix_time_()));
  }
  Answer<std::string> reset_policy(Instance& instance, const Request& request, const PathValues& values) {
    if (auto version = check_version(request); !version) return std::unexpected(version.error());
    const auto type = type_of(values);
    if (!type) return std::unexpected(type.error());
    return token_answer(instance, instance.reset_policy(*type, request.body, unix_time_()));
  }

  Answer<std::string> get_certificates(Instance& instance, const Request& request, const PathValues&) {
    if (auto version = check_version(request); !version) return std::unexpected(version.error());
    return token_answer(instance, instance.certificates_claims());
  }
  Answer<std::string> add_certificate(Instance& instance, const Request& request, const PathValues&) {
    return change_certificate(instance, request, true);
  }
  Answer<std::string> remove_certificate(Instance& instance, const Request& request, const PathValues&) {
    return change_certificate(instance, request, false);
  }
  // A JSON text that holds the token, or (2025-06-01) an object with it.
  Answer<std::string> change_certificate(Instance& instance, const Request& request, bool add) {
    if (auto version = check_version(request); !version) return std::unexpected(version.error());
    const auto body = attest::read_json(request.body);
    if (!body) return refuse("InvalidParameter", "the body is not JSON");
    const char* member = add ? "policyCertificateToAdd" : "policyCertificateToRemove";
    std::string jws;
    if (body->is_string()) jws = body->get<std::string>();
    if (body->is_object() && body->contains(member) && (*body)[member].is_string())
      jws = (*body)[member].get<std::string>();
    if (jws.empty()) return refuse("InvalidParameter", "the body holds no policy certificate token");
    return token_answer(instance, instance.change_certificates(jws, add, unix_time_()));
  }

  Settings settings_;
  const std::function<std::int64_t()> unix_time_;
  CollateralFiles collateral_;
  std::vector<std::unique_ptr<Instance>> instances_;
};

}  // namespace

Result<nlohmann::ordered_json> set_up(const nlohmann::json& json, ServiceParts parts, service::Router& router) {
  auto settings = parse_settings(json, parts.debug_image);
  if (!settings) return std::unexpected(settings.error());
  nlohmann::ordered_json made;
  if (settings->development) {
    const auto issuer = service::make_development_issuer(parts.unix_time(), kDevelopmentToken);
    if (!issuer) return std::unexpected(issuer.error());
    for (const TenantSettings& tenant : settings->tenants) {
      if (auto trusted = tenant.bearers->trust(issuer->issuer); !trusted) return std::unexpected(trusted.error());
    }
    made["token"] = issuer->token;
  }
  for (const TenantSettings& tenant : settings->tenants) made["issuers"].push_back(tenant.issuer);
  auto running = std::make_shared<Service>(std::move(*settings), parts);
  if (auto opened = running->open(parts.store); !opened) return std::unexpected(opened.error());
  running->add_routes(router);
  return made;
}

}  // namespace coffer::attestation_service
