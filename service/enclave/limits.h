// How much of everything a client may use. Fixed when the service starts.
#pragma once

#include <cstddef>
#include <cstdint>

namespace coffer::service {

struct Limits {
  std::size_t header_bytes = 16 << 10;    // of a request: its first line and all fields
  std::size_t body_bytes = 1 << 20;       // of a request
  std::size_t pending_bytes = 256 << 10;  // of answers that the client has not taken: no request is read beyond it
  std::size_t connections = 1024;
  std::size_t requests_per_connection = 100'000;
  // Milliseconds.
  std::uint64_t handshake_time = 10'000;  // from the connection to the end of the TLS handshake
  std::uint64_t header_time = 10'000;     // from a request's first byte to the end of its header
  std::uint64_t body_time = 30'000;       // from there to its last byte
  std::uint64_t idle_time = 60'000;       // between requests
  // Requests of one address: so many a second for long, and so many at once. 0: no limit.
  double requests_per_second = 0;
  double burst = 0;
};

}  // namespace coffer::service
