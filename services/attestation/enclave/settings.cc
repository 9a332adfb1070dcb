#include "services/attestation/enclave/settings.h"

#include <openssl/pem.h>
#include <openssl/x509.h>

#include <algorithm>

#include "base/text.h"

namespace coffer::attestation_service {
namespace {

using nlohmann::json;

std::unexpected<Error> wrong(std::string_view where, std::string_view what) {
  return input_error("service." + one_line(where, 64) + " " + std::string(what));
}

Result<std::vector<std::byte>> certificate_of(const std::string& pem) {
  const std::unique_ptr<BIO, decltype(&BIO_free)> bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())),
                                                      &BIO_free);
  const std::unique_ptr<X509, decltype(&X509_free)> certificate(
      bio == nullptr ? nullptr : PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr), &X509_free);
  unsigned char* der = nullptr;
  const int size = certificate == nullptr ? -1 : i2d_X509(certificate.get(), &der);
  if (size <= 0) return wrong("tenants", "has a policy certificate that is not a PEM certificate");
  const auto* begin = reinterpret_cast<const std::byte*>(der);
  std::vector<std::byte> bytes(begin, begin + size);
  OPENSSL_free(der);
  return bytes;
}

// "https://host:port/prefix" into its parts.
bool take_issuer(const json& value, TenantSettings& tenant) {
  if (!value.is_string()) return false;
  tenant.issuer = value.get<std::string>();
  constexpr std::string_view kScheme = "https://";
  if (!tenant.issuer.starts_with(kScheme) || tenant.issuer.ends_with('/') || tenant.issuer.size() > 256) return false;
  const std::string_view rest = std::string_view(tenant.issuer).substr(kScheme.size());
  const std::size_t slash = std::min(rest.find('/'), rest.size());
  tenant.prefix = rest.substr(slash);
  tenant.host = rest.substr(0, std::min(rest.find(':'), slash));
  const bool plain = std::ranges::all_of(rest, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '-' || c == ':' || c == '/' || c == '_';
  });
  return plain && !tenant.host.empty();
}

Result<TenantSettings> parse_tenant(const json& given) {
  if (!given.is_object()) return wrong("tenants", "holds something that is not an object");
  TenantSettings tenant;
  tenant.bearers = std::make_shared<service::BearerTokens>();
  for (const auto& [name, value] : given.items()) {
    if (name == "issuer") {
      if (!take_issuer(value, tenant)) {
        return wrong("tenants.issuer", "is not an https URL in lower case without a slash at its end");
      }
    } else if (name == "isolated") {
      if (!value.is_boolean()) return wrong("tenants.isolated", "is not true or false");
      tenant.isolated = value.get<bool>();
    } else if (name == "policy_certificates") {
      if (!value.is_array()) return wrong("tenants.policy_certificates", "is not a list of PEM texts");
      for (const json& pem : value) {
        auto der = certificate_of(pem.is_string() ? pem.get<std::string>() : "");
        if (!der) return std::unexpected(der.error());
        tenant.certificates.push_back(std::move(*der));
      }
    } else if (name == "bearers") {
      if (!value.is_array()) return wrong("tenants.bearers", "is not a list of issuers");
      for (const json& issuer : value) {
        if (auto trusted = tenant.bearers->trust(issuer); !trusted) return std::unexpected(trusted.error());
      }
    } else {
      return wrong("tenants." + name, "is not known");
    }
  }
  if (tenant.issuer.empty()) return wrong("tenants.issuer", "is missing");
  if (tenant.isolated && tenant.certificates.empty()) {
    return wrong("tenants.policy_certificates", "is missing for the isolated tenant " + tenant.issuer);
  }
  return tenant;
}

}  // namespace

Result<Settings> parse_settings(const json& given, bool debug_image) {
  Settings settings;
  for (const auto& [name, value] : given.items()) {
    if (name == "tenants") {
      if (!value.is_array() || value.size() > 256) return wrong(name, "is not a list of tenants");
      for (const json& one : value) {
        auto tenant = parse_tenant(one);
        if (!tenant) return std::unexpected(tenant.error());
        const bool twice = std::ranges::any_of(settings.tenants, [&](const TenantSettings& other) {
          return other.host == tenant->host && other.prefix == tenant->prefix;
        });
        if (twice) return wrong("tenants.issuer", "stands twice: " + tenant->issuer);
        settings.tenants.push_back(std::move(*tenant));
      }
    } else if (name == "software_roots") {
      if (!value.is_array()) return wrong(name, "is not a list of PEM texts");
      for (const json& pem : value) {
        auto added =
            settings.roots.add_pem(pem.is_string() ? pem.get<std::string>() : "", attest::RootOfTrust::kSoftware);
        if (!added) return std::unexpected(added.error());
      }
    } else if (name == "development") {
      if (!value.is_boolean()) return wrong(name, "is not true or false");
      settings.development = value.get<bool>();
    } else if (name == "evidence_time") {
      if (!debug_image) return wrong(name, "is for tests, and only a DEBUG image takes it");
      settings.evidence_time = attest::parse_iso8601(value.is_string() ? value.get<std::string>() : "");
      if (!settings.evidence_time) return wrong(name, "is not a time like 2025-06-11T19:18:17Z");
    } else {
      return wrong(name, "is not known");
    }
  }
  if (settings.tenants.empty()) return wrong("tenants", "is missing");
  return settings;
}

}  // namespace coffer::attestation_service
