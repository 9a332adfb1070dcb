// A running service: its enclave, the threads that carry its connections, its store and its log.
#pragma once

#include <coffer/host.h>

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>

#include "base/result.h"

namespace coffer::service {

struct ServiceOptions {
  std::filesystem::path image;
  RungKind rung = RungKind::kProcess;
  std::string address = "127.0.0.1";
  std::uint16_t port = 0;       // 0: a free one
  std::filesystem::path store;  // the SQLite file of its sealed records
  std::filesystem::path files;  // a folder whose files the service may read; empty: none
  std::string configuration;    // JSON, docs/design/service.md
  unsigned carriers = 2;        // threads that carry bytes; the image needs as many and three more
  std::size_t connections = 1024;
  int log = 2;       // a descriptor for lines of JSON; not closed
  std::string name;  // in `coffer ps`
};

class ServiceHost {
 public:
  // Returns when it answers. kRefused: the store was rolled back or changed.
  [[nodiscard]] static Result<ServiceHost> start(const ServiceOptions& options);
  ServiceHost(ServiceHost&&) noexcept;
  ServiceHost& operator=(ServiceHost&&) noexcept;
  ~ServiceHost();  // stops at once

  [[nodiscard]] std::uint16_t port() const;
  // What the enclave said when it was configured: JSON with the authority's certificate ("ca") and the service's own.
  [[nodiscard]] const std::string& answer() const;
  // How the enclave ended, where it has by itself; nothing while it runs.
  [[nodiscard]] std::optional<std::string> ended() const;

  // Accepts nothing new, lets requests that run finish, at most for `longest`. True where all did.
  [[nodiscard]] bool drain(std::chrono::milliseconds longest);

 private:
  struct State;
  explicit ServiceHost(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace coffer::service
