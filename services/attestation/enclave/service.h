// The REST surface: routes of every tenant on a router of the service kit.
#pragma once

#include <memory>
#include <nlohmann/json.hpp>

#include "base/result.h"
#include "service/enclave/router.h"
#include "service/enclave/store.h"
#include "services/attestation/enclave/collateral.h"

namespace coffer::attestation_service {

struct ServiceParts {
  service::SealedStore& store;
  CollateralFiles::Read host_file;
  std::function<std::int64_t()> unix_time;
  bool debug_image = false;
};

// Adds the routes. What it returns is for whoever started the service: {"issuers":[...],"token":TEXT (development)}.
[[nodiscard]] Result<nlohmann::ordered_json> set_up(const nlohmann::json& settings, ServiceParts parts,
                                                    service::Router& router);

}  // namespace coffer::attestation_service
