// A client for checking a service on this machine: one request over TLS, with the given authority trusted and nobody
// else.
#pragma once

#include <cstdint>
#include <string>

#include "base/result.h"

namespace coffer::service {

struct Probe {
  std::uint16_t port = 0;          // of 127.0.0.1
  std::string authority;           // PEM
  std::string name = "localhost";  // what the certificate has to be for
  std::string method = "GET", path = "/", bearer, body;
};
struct ProbeAnswer {
  unsigned status = 0;
  std::string body;
};
// Waits for 10 seconds at most. kRefused: the certificate is not the authority's; kSystem: no connection or no answer.
[[nodiscard]] Result<ProbeAnswer> probe(const Probe& request);

}  // namespace coffer::service
