// The attestation service inside: `coffer up` starts it.
#include <coffer/enclave.h>

#include "service/enclave/inside/serve.h"
#include "services/attestation/enclave/service.h"

namespace {

// ATTRIBUTES.DEBUG of this enclave's own report (Intel SDM volume 3D, 38.7.1).
bool debug_image() {
  constexpr std::size_t kAttributes = 48;
  constexpr std::byte kDebug{2};
  const std::array<std::byte, 64> nothing{};
  const auto report = coffer::report(nothing);
  return report && ((*report)[kAttributes] & kDebug) != std::byte{};
}

}  // namespace

int main() {
  coffer::service::serve_service(
      "attestation",
      [](const nlohmann::json& settings, coffer::service::Environment environment, coffer::service::Router& router) {
        return coffer::attestation_service::set_up(settings,
                                                   {.store = environment.store,
                                                    .host_file = environment.host_file,
                                                    .unix_time = environment.unix_time,
                                                    .debug_image = debug_image()},
                                                   router);
      });
}
