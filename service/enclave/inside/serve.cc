#include "service/enclave/inside/serve.h"

#include <coffer/calls.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <shared_mutex>

#include "service/enclave/certificates.h"
#include "service/enclave/configuration.h"
#include "service/enclave/inside/host_blobs.h"
#include "service/enclave/server.h"
#include "service/wire/protocol.h"

namespace coffer::service {
namespace {

constexpr std::int64_t kDay = 86'400;
constexpr std::size_t kMostFile = std::size_t{8} << 20;

std::int64_t unix_time() {
  const auto since = std::chrono::system_clock::now().time_since_epoch();
  return std::chrono::duration_cast<std::chrono::seconds>(since).count();
}
std::uint64_t milliseconds() {
  const auto since = std::chrono::steady_clock::now().time_since_epoch();
  return static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::milliseconds>(since).count());
}

// The service of this enclave.
class Program {
 public:
  Program(const char* name, Setup setup) : name_(name), setup_(std::move(setup)) {}

  std::int64_t handle(calls::IncomingCall& call) {
    const auto order = static_cast<Order>(call.index);
    if (order == Order::kConfigure) return configure(call);
    Server* server = nullptr;
    {
      const std::shared_lock lock(mutex_);
      server = server_.get();  // set once, never taken away
    }
    if (server == nullptr) return kNotConfigured;
    if (order == Order::kDeliver) return deliver(*server, call);
    if (order == Order::kDisconnect) return disconnect(*server, call);
    if (order == Order::kTick) return tick(*server, call);
    if (order != Order::kDrain) return kRefused;
    server->drain();
    return 0;
  }

 private:
  static std::int64_t answer(calls::IncomingCall& call, std::string_view text, std::int64_t status) {
    call.written = std::min(text.size(), call.output.size());
    std::memcpy(call.output.data(), text.data(), call.written);
    return text.size() > call.output.size() ? kNoRoom : status;
  }

  std::int64_t configure(calls::IncomingCall& call) {
    const std::unique_lock lock(mutex_);
    if (server_ != nullptr) return kRefused;
    try {
      const auto made = start({reinterpret_cast<const char*>(call.input.data()), call.input.size()});
      return made ? answer(call, made->dump(), 0) : answer(call, made.error().message, kFailed);
    } catch (const std::exception& error) {
      return answer(call, std::string("the service cannot start: ") + error.what(), kFailed);
    }
  }

  Result<nlohmann::ordered_json> start(std::string_view text) {
    auto configuration = parse_configuration(text);
    if (!configuration) return std::unexpected(configuration.error());
    auto store = SealedStore::open(blobs_, platform_counters());
    if (!store) return std::unexpected(store.error());
    store_.emplace(std::move(*store));
    Router router;
    auto service = setup_(configuration->service,
                          {.store = *store_,
                           .host_file = [](const std::string& name) { return host_file(name, kMostFile); },
                           .unix_time = &unix_time},
                          router);
    if (!service) return std::unexpected(service.error());
    nlohmann::ordered_json made;
    made["service"] = std::move(*service);
    if (configuration->certificate.empty()) {
      auto own = own_certificate(*configuration);
      if (!own) return std::unexpected(own.error());
      made["ca"] = *own;
    }
    auto tls = TlsContext::create(configuration->certificate, configuration->key, configuration->client_roots);
    if (!tls) return std::unexpected(tls.error());
    ::explicit_bzero(configuration->key.data(), configuration->key.size());
    server_ = std::make_unique<Server>(std::move(*tls), configuration->limits, std::move(router), &milliseconds);
    server_->log().write(
        "info", "started",
        {{"service", std::string(name_)}, {"store_version", static_cast<std::int64_t>(store_->version())}});
    return made;
  }

  // A certificate of the service's own authority, whose key is in the sealed store and nowhere else; the authority's
  // PEM.
  Result<std::string> own_certificate(Configuration& configuration) {
    const std::int64_t now = unix_time();
    CertifiedKey authority;
    auto kept = store_->get("kit/authority.pem");
    auto kept_key = store_->get("kit/authority.key");
    if (!kept || !kept_key) return std::unexpected((kept ? kept_key : kept).error());
    if (*kept && *kept_key) {
      authority.certificate = std::string((*kept)->text());
      authority.key = std::move(**kept_key);
    } else {
      authority.key = new_key(KeyType::kP256);
      auto made = issue_certificate({.common_name = std::string("Coffer ") + name_ + " authority",
                                     .authority = true,
                                     .not_before = now - kDay,
                                     .not_after = now + 3650 * kDay},
                                    authority.key.text());
      if (!made) return std::unexpected(made.error());
      authority.certificate = std::move(*made);
      std::vector<StoreChange> changes;
      changes.push_back({"kit/authority.pem", SecretBytes::copy_of(std::as_bytes(std::span(authority.certificate)))});
      changes.push_back({"kit/authority.key", SecretBytes::copy_of(authority.key.bytes())});
      if (auto written = store_->commit(std::move(changes)); !written) return std::unexpected(written.error());
    }
    const SecretBytes key = new_key(KeyType::kP256);
    auto leaf = issue_certificate({.common_name = configuration.names.front(),
                                   .names = configuration.names,
                                   .server = true,
                                   .not_before = now - kDay,
                                   .not_after = now + 90 * kDay},
                                  key.text(), &authority);
    if (!leaf) return std::unexpected(leaf.error());
    configuration.certificate = *leaf + authority.certificate;
    configuration.key = std::string(key.text());
    return authority.certificate;
  }

  static std::int64_t deliver(Server& server, calls::IncomingCall& call) {
    DeliverHeader header;
    if (call.input.size() < sizeof(header) || call.output.size() < sizeof(DeliverAnswer)) return kRefused;
    std::memcpy(&header, call.input.data(), sizeof(header));
    const auto room = call.output.subspan(sizeof(DeliverAnswer));
    const DeliverAnswer answer =
        server.deliver(header, call.input.subspan(sizeof(header)), room.first(std::min(room.size(), kMostBytes)));
    std::memcpy(call.output.data(), &answer, sizeof(answer));
    call.written = sizeof(answer) + answer.size;
    return 0;
  }

  static std::int64_t disconnect(Server& server, calls::IncomingCall& call) {
    DeliverHeader header;
    if (call.input.size() != sizeof(header)) return kRefused;
    std::memcpy(&header, call.input.data(), sizeof(header));
    server.disconnect(header.connection);
    return 0;
  }

  static std::int64_t tick(Server& server, calls::IncomingCall& call) {
    TickAnswer answer;
    if (call.output.size() < sizeof(answer)) return kRefused;
    std::size_t room = call.output.size() - sizeof(answer);
    std::vector<std::uint64_t> closing = server.expired();
    closing.resize(std::min(closing.size(), room / sizeof(std::uint64_t)));
    room -= closing.size() * sizeof(std::uint64_t);
    const std::string lines = server.log().take(room);
    const auto load = server.load();
    answer.closing = static_cast<std::uint32_t>(closing.size());
    answer.log_bytes = static_cast<std::uint32_t>(lines.size());
    answer.open = static_cast<std::uint32_t>(load.open);
    answer.busy = static_cast<std::uint32_t>(load.busy);
    std::byte* to = call.output.data();
    std::memcpy(to, &answer, sizeof(answer));
    to += sizeof(answer);
    if (!closing.empty()) std::memcpy(to, closing.data(), closing.size() * sizeof(std::uint64_t));
    to += closing.size() * sizeof(std::uint64_t);
    if (!lines.empty()) std::memcpy(to, lines.data(), lines.size());
    call.written = sizeof(answer) + closing.size() * sizeof(std::uint64_t) + lines.size();
    return 0;
  }

  const char* name_;
  const Setup setup_;
  HostBlobs blobs_;
  std::shared_mutex mutex_;
  std::optional<SealedStore> store_;
  std::unique_ptr<Server> server_;
};

}  // namespace

void serve_service(const char* name, Setup setup) {
  static Program program(name, std::move(setup));
  calls::serve(
      [](void* context, calls::IncomingCall& call) -> std::int64_t {
        try {
          return static_cast<Program*>(context)->handle(call);
        } catch (const std::exception&) {
          return kFailed;  // out of memory: this call fails, others go on
        }
      },
      &program, calls::image_threads(), calls::OutputMemory::kUndefined);
}

}  // namespace coffer::service
