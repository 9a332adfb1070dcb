// The member "service" of the configuration: which tenants there are, and whom they trust.
#pragma once

#include <coffer/attest/roots.h>
#include <coffer/attest/time.h>

#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "service/enclave/bearer.h"

namespace coffer::attestation_service {

struct TenantSettings {
  std::string issuer;     // URL without a slash at its end: what tokens say, and where the tenant is found
  std::string host;       // of the URL, without its port
  std::string prefix;     // of the URL's path, "" or "/one"
  bool isolated = false;  // policies have to be signed by a policy certificate
  std::vector<std::vector<std::byte>> certificates;  // DER: the first policy certificates of an isolated tenant
  std::shared_ptr<service::BearerTokens> bearers;    // who may administrate it
};

struct Settings {
  std::vector<TenantSettings> tenants;
  attest::TrustedRoots roots = attest::TrustedRoots::built_in();
  bool development = false;                       // one more issuer of bearer tokens, whose token the host is given
  std::optional<attest::UnixTime> evidence_time;  // tests: the time at which evidence is verified
};

// Unknown members are errors (kInput). `debug_image`: tests' settings are taken.
[[nodiscard]] Result<Settings> parse_settings(const nlohmann::json& json, bool debug_image);

}  // namespace coffer::attestation_service
