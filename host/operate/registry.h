// The register of running enclaves: each host process answers on a Unix socket of its own in run_folder(), as long as
// it has an enclave. There are no files to go stale but the socket itself, which nobody answers once its process has
// gone.
//
// The socket speaks HTTP/1.0, one request a connection, so that `curl --unix-socket` and scrapers can read it:
//   GET /status     JSON, status.h
//   GET /metrics    Prometheus text
//   POST /stop/ID   ends the enclave; 202, or 404
// Only the same user and root are answered.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "base/result.h"
#include "host/operate/status.h"

namespace coffer::operate {

struct Registrant {
  std::function<EnclaveStatus()> status;  // called from the register's thread
  std::function<void()> stop;             // ends the enclave, returns soon
};

// Listed until it is destroyed, which waits for a status() or stop() under way. Thread-safe.
class Registration {
 public:
  explicit Registration(std::string id) : id_(std::move(id)) {}
  ~Registration();
  Registration(const Registration&) = delete;
  Registration& operator=(const Registration&) = delete;

 private:
  std::string id_;
};

// System error where no socket can be made: the enclave then runs unlisted. `id` is new in this process.
[[nodiscard]] Result<std::unique_ptr<Registration>> register_enclave(const std::string& id, Registrant registrant);

// This process is `coffer run`: signals for it are for the program inside.
void announce_command();

}  // namespace coffer::operate
