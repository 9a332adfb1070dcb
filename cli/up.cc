// coffer up: the local stack of services, for development.
#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "base/file.h"
#include "cli/up.h"
#include "cli/verbs.h"
#include "service/host/platform_image.h"
#include "service/host/probe.h"
#include "service/host/service_host.h"

namespace coffer::cli {
namespace {

using nlohmann::ordered_json;
using service::ServiceHost;

struct Options {
  unsigned port_base = 8440;
  std::string ready_file, collateral, image, evidence_time, log;
  std::vector<std::string> policy_certificates;
  bool check = false;
};

// The signals that end it, blocked in this thread and in all that it starts.
class Ends {
 public:
  Ends() {
    sigemptyset(&signals_);
    for (const int signal : {SIGINT, SIGTERM, SIGHUP}) sigaddset(&signals_, signal);
    ::pthread_sigmask(SIG_BLOCK, &signals_, &before_);
  }
  ~Ends() { ::pthread_sigmask(SIG_SETMASK, &before_, nullptr); }
  Ends(const Ends&) = delete;
  Ends& operator=(const Ends&) = delete;
  // Whether one came within a second.
  [[nodiscard]] bool came() const {
    const timespec second{.tv_sec = 1, .tv_nsec = 0};
    return ::sigtimedwait(&signals_, nullptr, &second) > 0;
  }

 private:
  sigset_t signals_{}, before_{};
};

struct Stack {
  std::unique_ptr<ServiceHost> attestation;
  FileDescriptor image, log;
  std::filesystem::path folder, authority_file;
  std::string authority, token, url;
};

Result<std::string> text_of(const std::string& path) {
  const auto file = read_file(path, 1 << 20);
  if (!file) return std::unexpected(file.error());
  return std::string(reinterpret_cast<const char*>(file->data()), file->size());
}

Result<ordered_json> configuration_of(const Options& options, const std::string& url) {
  ordered_json configuration;
  configuration["names"] = {"localhost", "127.0.0.1", "::1"};
  ordered_json& service = configuration["service"];
  service["development"] = true;
  service["tenants"].push_back({{"issuer", url}});
  if (!options.policy_certificates.empty()) {
    ordered_json tenant{{"issuer", url + "/isolated"}, {"isolated", true}};
    for (const std::string& path : options.policy_certificates) {
      auto pem = text_of(path);
      if (!pem) return std::unexpected(pem.error());
      tenant["policy_certificates"].push_back(*pem);
    }
    service["tenants"].push_back(std::move(tenant));
  }
  if (!options.evidence_time.empty()) service["evidence_time"] = options.evidence_time;
  return configuration;
}

Result<void> prepare_folder(Stack& stack, const Options& options) {
  const auto state = state_directory();
  if (!state) return std::unexpected(state.error());
  stack.folder = *state / "services" / "attestation";
  std::error_code error;
  std::filesystem::create_directories(stack.folder, error);
  if (error) return system_error(stack.folder.string() + ": cannot be made", error.value());
  std::filesystem::permissions(stack.folder, std::filesystem::perms::owner_all, error);
  stack.authority_file = stack.folder / "ca.pem";
  if (!options.collateral.empty() && !std::filesystem::is_directory(options.collateral, error)) {
    return input_error(options.collateral +
                       ": is no folder; --collateral names a folder with collateral in JSON files");
  }
  const std::string log = options.log.empty() ? (stack.folder / "log").string() : options.log;
  stack.log = FileDescriptor(::open(log.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600));
  if (!stack.log) return system_error(log + ": cannot be written", errno);
  return {};
}

Result<Stack> start(const Options& options) {
  Stack stack;
  if (auto prepared = prepare_folder(stack, options); !prepared) return std::unexpected(prepared.error());
  stack.url = fmt::format("https://localhost:{}", options.port_base);
  const auto configuration = configuration_of(options, stack.url);
  if (!configuration) return std::unexpected(configuration.error());
  service::ServiceOptions service;
  service.image = options.image;
  if (options.image.empty()) {
    auto image = service::platform_image("attestation-service.enclave");
    if (!image) return std::unexpected(image.error());
    stack.image = std::move(*image);
    service.image = fmt::format("/proc/self/fd/{}", stack.image.get());
  }
  service.port = static_cast<std::uint16_t>(options.port_base);
  service.store = stack.folder / "store";
  service.files = options.collateral;
  service.configuration = configuration->dump();
  service.log = stack.log.get();
  service.name = "attestation";
  auto started = ServiceHost::start(service);
  if (!started) return std::unexpected(started.error());
  stack.attestation = std::make_unique<ServiceHost>(std::move(*started));
  const auto answer = nlohmann::json::parse(stack.attestation->answer());
  stack.authority = answer["ca"].get<std::string>();
  stack.token = answer["service"]["token"].get<std::string>();
  auto written = write_file_atomically(stack.authority_file, std::as_bytes(std::span(stack.authority)), 0644);
  if (!written) return std::unexpected(written.error());
  return stack;
}

struct Check {
  const char* what;
  const char* method;
  const char* path;
  bool with_token;
  unsigned status;
};

// Every endpoint once, as a client does. The first that fails is the error.
Result<void> exercise(const Stack& stack, bool say) {
  constexpr Check kChecks[] = {
      {"health", "GET", "/healthz", false, 200},
      {"ready", "GET", "/readyz", false, 200},
      {"metadata", "GET", "/.well-known/openid-configuration", false, 200},
      {"signing keys", "GET", "/certs", false, 200},
      {"a policy", "GET", "/policies/SgxEnclave?api-version=2020-10-01", true, 200},
      {"no policy without a token", "GET", "/policies/SgxEnclave?api-version=2020-10-01", false, 401},
      {"no token for what is no quote", "POST", "/attest/SgxEnclave?api-version=2020-10-01", false, 400},
  };
  for (const Check& check : kChecks) {
    const auto answer = service::probe({.port = stack.attestation->port(),
                                        .authority = stack.authority,
                                        .method = check.method,
                                        .path = check.path,
                                        .bearer = check.with_token ? stack.token : std::string(),
                                        .body = *check.method == 'P' ? R"({"quote":"AAAA"})" : ""});
    if (!answer) return std::unexpected(answer.error());
    if (answer->status != check.status) {
      return refused(fmt::format("attestation: {}: {} {} answered {} instead of {}", check.what, check.method,
                                 check.path, answer->status, check.status));
    }
    if (say) fmt::print("attestation  {:30} ok\n", check.what);
  }
  return {};
}

Result<void> announce(const Stack& stack, const Options& options) {
  fmt::print("attestation  {}\n\n", stack.url);
  fmt::print("export NODE_EXTRA_CA_CERTS={0}\nexport CURL_CA_BUNDLE={0}\n", stack.authority_file.string());
  fmt::print("export ATTESTATION_URL={}\nexport COFFER_TOKEN={}\n", stack.url, stack.token);
  std::fflush(stdout);
  if (options.ready_file.empty()) return {};
  ordered_json ready;
  ready["ca"] = stack.authority_file.string();
  ready["token"] = stack.token;
  ready["attestation"]["url"] = stack.url;
  if (!options.policy_certificates.empty()) ready["attestation"]["isolated_url"] = stack.url + "/isolated";
  const std::string text = ready.dump(2) + "\n";
  return write_file_atomically(options.ready_file, std::as_bytes(std::span(text)), 0600);
}

int up(const Options& options) {
  const Ends ends;
  auto stack = start(options);
  if (!stack) return report(stack.error());
  if (auto checked = exercise(*stack, options.check); !checked) return report(checked.error());
  if (options.check) return 0;
  if (auto announced = announce(*stack, options); !announced) return report(announced.error());
  while (!ends.came()) {
    if (const auto ended = stack->attestation->ended()) {
      return report({ErrorKind::kLost, "the attestation service has ended: " + *ended});
    }
  }
  constexpr std::chrono::seconds kLongest{10};
  if (!stack->attestation->drain(kLongest)) fmt::print(stderr, "coffer: note: some connections were cut off\n");
  return 0;
}

}  // namespace

void add_up(CLI::App& app, int& status) {
  auto options = std::make_shared<Options>();
  CLI::App* verb = app.add_subcommand("up", "Start the local services, for development");
  verb->footer(
      "Examples:\n"
      "  coffer up                                   until Ctrl-C; prints the endpoints and what clients need\n"
      "  coffer up --port-base 9000 --ready-file ready.json\n"
      "  coffer up --collateral collateral/          with Intel's collateral from JSON files\n"
      "  coffer up --check                           start, exercise every endpoint, stop\n\n"
      "The attestation service answers at https://localhost:PORT, in the REST form of Azure Attestation. Its keys, "
      "policies\n"
      "and its authority's key are sealed in the state directory; the token it prints is good for administrating it "
      "until\n"
      "the service stops. READY is written once every endpoint answers: {\"ca\", \"token\", \"attestation\": "
      "{\"url\"}}.\n"
      "Exit status: 0 stopped or checked, 1 a check failed or the stored state is an older one, 2 usage or input.");
  verb->add_option("--port-base", options->port_base, "First port: attestation (8440)")
      ->check(CLI::Range(1u, 65500u).description(""))
      ->type_name("N");
  verb->add_option("--ready-file", options->ready_file, "Written when everything answers")->type_name("READY");
  verb->add_option("--collateral", options->collateral, "Folder with Intel's collateral, one JSON file a platform")
      ->type_name("DIR");
  verb->add_option("--policy-certificate", options->policy_certificates,
                   "PEM certificate that policies of a second, isolated instance are signed with; at /isolated")
      ->type_name("FILE");
  verb->add_option("--log", options->log, "Log of requests (services/attestation/log in the state directory)")
      ->type_name("FILE");
  verb->add_flag("--check", options->check, "Exercise every endpoint and stop");
  verb->add_option("--image", options->image, "Another image of the attestation service")->type_name("FILE");
  verb->add_option("--evidence-time", options->evidence_time,
                   "For tests: verify evidence as of this time; a DEBUG image is needed")
      ->type_name("TIME");
  verb->callback([options, &status] { status = up(*options); });
}

}  // namespace coffer::cli
