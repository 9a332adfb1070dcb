// The main program of a service inside: configures, carries deliveries to the Server, keeps the sealed store. Linked
// into enclaves only (Coffer::enclave).
#pragma once

#include <functional>
#include <memory>
#include <nlohmann/json.hpp>

#include "base/result.h"
#include "service/enclave/log.h"
#include "service/enclave/router.h"
#include "service/enclave/store.h"

namespace coffer::service {

// What a service has to work with; lives as long as the enclave.
struct Environment {
  SealedStore& store;
  // A file of the folder that the host was given for this service: its contents are the host's word. Nothing where
  // there is none.
  std::function<std::optional<std::vector<std::byte>>(const std::string& name)> host_file;
  std::function<std::int64_t()> unix_time;  // the host's word
};

// Adds the service's routes; `settings` is the member "service" of the configuration. What it returns is the member
// "service" of the answer to whoever started it. kInput: settings are wrong.
using Setup = std::function<Result<nlohmann::ordered_json>(const nlohmann::json& settings, Environment environment,
                                                           Router& router)>;

// Does not return. `name` is what certificates and logs call it.
[[noreturn]] void serve_service(const char* name, Setup setup);

}  // namespace coffer::service
