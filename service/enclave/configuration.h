// What a service is told when it starts, as JSON. Unknown members are errors, so that a misspelt limit is no limit that
// is not there.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "service/enclave/limits.h"

namespace coffer::service {

struct Configuration {
  std::vector<std::string> names;  // of the server: DNS names and addresses, for its certificate
  Limits limits;
  std::string client_roots;  // PEM; empty: clients are not asked for certificates
  // A certificate of an authority with its key, where the service is not to make its own. The key has been outside.
  std::string certificate, key;
  nlohmann::json service = nlohmann::json::object();  // the service's own
};

[[nodiscard]] Result<Configuration> parse_configuration(std::string_view json);

}  // namespace coffer::service
