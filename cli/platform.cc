// coffer platform: what this software platform certifies itself with.
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <signal.h>
#include <sys/signalfd.h>

#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "base/file.h"
#include "base/hex.h"
#include "cli/verbs.h"
#include "node/collateral/server.h"
#include "node/collateral/service.h"
#include "node/quoting/platform.h"

namespace coffer::cli {
namespace {

using node::Platform;

struct Options {
  bool json = false;
  std::string output;                     // of export-root
  std::string listen = "127.0.0.1:8081";  // of serve-collateral
  // of set-tcb
  std::string status, level_file, quoting_status, issue_date, next_update;
  std::vector<std::string> advisories, quoting_advisories;
  std::uint32_t evaluation_number = 0;
  bool reset = false;
};

template <class Bytes>
std::string hex(const Bytes& bytes) {
  return to_hex(bytes_of(bytes));
}

struct Collateral {
  nlohmann::json tcb_info, qe_identity;
  std::string lists_end;
};

Result<Collateral> collateral_of(const Platform& platform) {
  Collateral result;
  const auto& made = platform.certificates();
  result.tcb_info = nlohmann::json::parse(made.tcb_info, nullptr, false)["tcbInfo"];
  result.qe_identity = nlohmann::json::parse(made.qe_identity, nullptr, false)["enclaveIdentity"];
  const auto root = node::next_update_of(made.root_crl);
  const auto pck = node::next_update_of(made.pck_crl);
  if (!root) return std::unexpected(root.error());
  if (!pck) return std::unexpected(pck.error());
  result.lists_end = node::iso8601(std::min(*root, *pck));
  return result;
}

Result<nlohmann::ordered_json> to_json(const Platform& platform, const std::string& folder) {
  const auto& facts = platform.facts();
  const auto collateral = collateral_of(platform);
  const auto serial = node::serial_of(platform.certificates().pck);
  const auto pck_end = node::end_of(platform.certificates().pck);
  if (!collateral) return std::unexpected(collateral.error());
  if (!serial) return std::unexpected(serial.error());
  if (!pck_end) return std::unexpected(pck_end.error());
  nlohmann::ordered_json json;
  json["folder"] = folder;
  json["root"] = node::kRootName;
  json["created"] = node::iso8601(facts.created);
  json["fmspc"] = hex(node::kSoftwareFmspc);
  json["pce_id"] = hex(node::kSoftwarePceId);
  json["ppid"] = hex(facts.ppid);
  json["platform_instance_id"] = hex(facts.instance);
  json["cpusvn"] = hex(facts.cpu_svn);
  json["pcesvn"] = node::kCertifierSvn;
  json["generation"] = facts.generation;
  json["pck_serial"] = *serial;
  json["pck_not_after"] = node::iso8601(*pck_end);
  json["qe_mrsigner"] = hex(facts.enclave_signer.bytes);
  json["qe_isvsvn"] = facts.quoting_svn;
  json["revoked"] = nlohmann::ordered_json::array();
  for (const auto& revoked : facts.revoked) {
    json["revoked"].push_back({{"pck_serial", revoked.serial}, {"date", node::iso8601(revoked.date)}});
  }
  json["tcb_levels"] = collateral->tcb_info["tcbLevels"];
  json["qe_tcb_levels"] = collateral->qe_identity["tcbLevels"];
  json["tcb_evaluation_data_number"] = facts.tcb.evaluation_number;
  json["issue_date"] = collateral->tcb_info["issueDate"];
  json["next_update"] = collateral->tcb_info["nextUpdate"];
  json["crl_next_update"] = collateral->lists_end;
  return json;
}

std::string components_text(const node::TcbLevel& level) {
  return fmt::format("{} pce {}", fmt::join(level.components, "."), level.pce_svn);
}

int print(const Platform& platform, bool as_json) {
  const auto state = state_directory();
  if (!state) return report(state.error());
  const auto json = to_json(platform, (*state / "platform").string());
  if (!json) return report(json.error());
  if (as_json) {
    std::puts(json->dump(2).c_str());
    return 0;
  }
  const auto text = [&json](const char* member) { return (*json)[member].template get<std::string>(); };
  fmt::print("Software platform in {}\n", text("folder"));
  fmt::print("  root         {}, made {}; export it with `coffer platform export-root`\n", node::kRootName,
             text("created"));
  fmt::print("  FMSPC        {}: a software processor's, no CPU has it\n", text("fmspc"));
  fmt::print("  instance     {}\n", text("platform_instance_id"));
  fmt::print("  CPUSVN       {}\n", text("cpusvn"));
  fmt::print("  PCK          generation {}, serial {}, until {}\n", platform.facts().generation, text("pck_serial"),
             text("pck_not_after"));
  fmt::print("  revoked      {}\n", platform.facts().revoked.empty()
                                        ? "none"
                                        : fmt::format("{} older PCK certificates", platform.facts().revoked.size()));
  fmt::print("  enclaves of  {} (MRSIGNER)\n", text("qe_mrsigner"));
  for (const node::TcbLevel& level : platform.facts().tcb.levels) {
    fmt::print("  TCB level    {}: {}{}\n", components_text(level), level.status,
               level.advisories.empty() ? "" : fmt::format(" ({})", fmt::join(level.advisories, " ")));
  }
  fmt::print("  QE status    {}\n", platform.facts().tcb.quoting_status);
  fmt::print("  collateral   issued {}, until {}\n", text("issue_date"), text("next_update"));
  fmt::print("  lists        until {}\n", text("crl_next_update"));
  return 0;
}

int init(const Options& options) {
  const auto platform = Platform::open();
  return platform ? print(*platform, options.json) : report(platform.error());
}

// Of what is there: a question makes nothing.
int show(const Options& options) {
  const auto state = state_directory();
  if (!state) return report(state.error());
  const auto platform = Platform::look(*state);
  if (!platform) return report(platform.error());
  if (!*platform) {
    return report(
        {ErrorKind::kRefused, (*state / "platform").string() +
                                  ": there is no platform yet; `coffer platform init` or the first quote makes it"});
  }
  return print(**platform, options.json);
}

int export_root(const Options& options) {
  const auto platform = Platform::open();
  if (!platform) return report(platform.error());
  const std::string& pem = platform->certificates().root;
  if (options.output.empty() || options.output == "-") {
    std::fputs(pem.c_str(), stdout);
    return 0;
  }
  const auto written = write_file_atomically(options.output, std::as_bytes(std::span(pem)));
  return written ? 0 : report(written.error());
}

int rotate(const Options& options) {
  const auto state = state_directory();
  if (!state) return report(state.error());
  const auto platform = Platform::rotate(*state);
  return platform ? print(*platform, options.json) : report(platform.error());
}

// Until SIGINT or SIGTERM. The place goes out as a line as soon as it answers.
int serve_collateral(const Options& options) {
  sigset_t ends;
  sigemptyset(&ends);
  sigaddset(&ends, SIGINT);
  sigaddset(&ends, SIGTERM);
  if (const auto platform = Platform::open(); !platform) return report(platform.error());
  // After the enclaves of a first use: their threads come and go with the signals as they were.
  ::pthread_sigmask(SIG_BLOCK, &ends, nullptr);
  const FileDescriptor stop(::signalfd(-1, &ends, SFD_CLOEXEC));
  if (!stop) return report({ErrorKind::kSystem, "cannot wait for signals"});
  auto server = node::HttpServer::listen(options.listen);
  if (!server) return report(server.error());
  fmt::print("http://{}{}\n", server->place(), node::kServicePath);
  std::fflush(stdout);
  server->serve(
      [](std::string_view target) {
        // Read each time, so that rotations and new levels are served at once.
        const auto platform = Platform::open();
        if (!platform) return node::HttpAnswer{.status = 500, .headers = {}, .body = platform.error().message + "\n"};
        return node::answer_collateral(*platform, target);
      },
      stop.get());
  return 0;
}

Result<void> read_dates(const Options& options, node::TcbSettings& settings) {
  const std::pair<const std::string*, node::Seconds*> dates[] = {{&options.issue_date, &settings.issued},
                                                                 {&options.next_update, &settings.next_update}};
  for (const auto& [text, place] : dates) {
    if (text->empty()) continue;
    const auto time = node::parse_time(*text);
    if (!time) return std::unexpected(time.error());
    *place = *time;
  }
  if (settings.issued != 0 && settings.next_update != 0 && settings.next_update <= settings.issued) {
    return input_error("--next-update is not after --issue-date");
  }
  return {};
}

Result<void> change_settings(const Options& options, node::PlatformFacts& facts) {
  node::TcbSettings& settings = facts.tcb;
  if (options.reset) settings = Platform::default_tcb(facts);
  if (!options.status.empty()) {
    settings.levels = node::levels_for(facts.cpu_svn, node::kCertifierSvn, options.status, options.advisories,
                                       Platform::default_tcb(facts).levels.front().date);
  }
  if (!options.level_file.empty()) {
    constexpr std::size_t kMostFile = std::size_t{1} << 20;
    const auto content = read_file(options.level_file, kMostFile);
    if (!content) return std::unexpected(content.error());
    auto levels =
        node::parse_levels({reinterpret_cast<const char*>(content->data()), content->size()}, options.level_file);
    if (!levels) return std::unexpected(levels.error());
    settings.levels = std::move(*levels);
  }
  if (!options.quoting_status.empty()) {
    settings.quoting_status = options.quoting_status;
    settings.quoting_advisories = options.quoting_advisories;
  }
  if (options.evaluation_number != 0) settings.evaluation_number = options.evaluation_number;
  return read_dates(options, settings);
}

int set_tcb(const Options& options) {
  const bool says_something = options.reset || !options.status.empty() || !options.level_file.empty() ||
                              !options.quoting_status.empty() || !options.issue_date.empty() ||
                              !options.next_update.empty() || options.evaluation_number != 0;
  if (!says_something) {
    return report({ErrorKind::kInput,
                   "nothing to set: give --status, --file, --qe-status, --issue-date, --next-update, "
                   "--evaluation-number or --reset; see `coffer platform set-tcb --help`"});
  }
  for (const std::string* status : {&options.status, &options.quoting_status}) {
    if (!status->empty() && !node::is_tcb_status(*status)) {
      return report({ErrorKind::kInput, *status + ": no TCB status; it must be one of " + node::tcb_statuses()});
    }
  }
  const auto state = state_directory();
  if (!state) return report(state.error());
  const auto platform =
      Platform::set_tcb(*state, [&options](node::PlatformFacts& facts) { return change_settings(options, facts); });
  return platform ? print(*platform, options.json) : report(platform.error());
}

CLI::App* add_part(CLI::App& parent, const char* name, const char* what, const std::shared_ptr<Options>& options,
                   int& status, int (*work)(const Options&)) {
  CLI::App* verb = parent.add_subcommand(name, what);
  verb->callback([options, &status, work] { status = work(*options); });
  return verb;
}

void add_set_tcb(CLI::App& parent, const std::shared_ptr<Options>& options, int& status) {
  CLI::App* verb =
      add_part(parent, "set-tcb", "Say other things about this platform's TCB levels", options, status, set_tcb);
  verb->footer(
      "Examples:\n"
      "  coffer platform set-tcb --status OutOfDate --advisory COFFER-SA-00001\n"
      "  coffer platform set-tcb --next-update 2026-01-01\n"
      "  coffer platform set-tcb --file levels.json\n"
      "  coffer platform set-tcb --reset\n\n"
      "For trying out how verifiers and policies take a platform that is not up to date. FILE is a list of levels as "
      "in\n"
      "TCB info: [{\"tcb\":{\"sgxtcbcomponents\":[{\"svn\":1}, 16 of them],\"pcesvn\":1},\"tcbDate\":\"2026-01-01\",\n"
      "\"tcbStatus\":\"UpToDate\"}]. Quotes stay as they are: what changes is the collateral.\n\n"
      "Exit status: 0 done, 2 usage or input.");
  verb->add_flag("--json", options->json, "Print JSON for machines");
  verb->add_option("--status", options->status, "The status of this platform's level")->type_name("STATUS");
  verb->add_option("--advisory", options->advisories, "With --status: an advisory of the level; can be repeated")
      ->type_name("ID")
      ->needs("--status");
  verb->add_option("--file", options->level_file, "The levels")->type_name("FILE")->excludes("--status");
  verb->add_option("--qe-status", options->quoting_status, "The status of the quoting enclave")->type_name("STATUS");
  verb->add_option("--qe-advisory", options->quoting_advisories, "With --qe-status: an advisory; can be repeated")
      ->type_name("ID")
      ->needs("--qe-status");
  verb->add_option("--issue-date", options->issue_date, "When TCB info and QE identity are issued, from now on")
      ->type_name("TIME");
  verb->add_option("--next-update", options->next_update, "When they end, from now on")->type_name("TIME");
  verb->add_option("--evaluation-number", options->evaluation_number, "tcbEvaluationDataNumber")->type_name("N");
  verb->add_flag("--reset", options->reset, "First, everything as it was at the beginning");
}

}  // namespace

void add_platform(CLI::App& app, int& status) {
  CLI::App* verb = app.add_subcommand("platform", "What this software platform certifies itself with");
  verb->require_subcommand(1);
  verb->footer(
      "Examples:\n"
      "  coffer platform init\n"
      "  coffer platform export-root -o platform-root.pem\n"
      "  coffer platform show --json\n\n"
      "A software platform has a root of its own, under which it certifies its quotes with certificates and collateral "
      "in\n"
      "Intel's forms. They are made at first use, in the state directory. Who trusts the root trusts whoever can read "
      "that\n"
      "directory.");
  auto options = std::make_shared<Options>();
  CLI::App* part = add_part(*verb, "init", "Make the platform, if there is none, and show it", options, status, init);
  part->footer("Examples:\n  coffer platform init\n  COFFER_HOME=$PWD/state coffer platform init --json");
  part->add_flag("--json", options->json, "Print JSON for machines");
  part = add_part(*verb, "show", "Show the platform", options, status, show);
  part->footer(
      "Examples:\n  coffer platform show\n  coffer platform show --json\n\n"
      "Exit status: 0 shown, 1 there is no platform yet, 2 it is unreadable.");
  part->add_flag("--json", options->json, "Print JSON for machines");
  part =
      add_part(*verb, "export-root", "The root's certificate, for verifiers elsewhere", options, status, export_root);
  part->footer("Examples:\n  coffer platform export-root -o platform-root.pem");
  part->add_option("-o,--output", options->output, "Write it to FILE instead of standard output")->type_name("FILE");
  part = add_part(*verb, "rotate", "New PCK and attestation keys; the old PCK is revoked", options, status, rotate);
  part->footer(
      "Examples:\n  coffer platform rotate\n\n"
      "Quotes of before are refused from now on by whoever has the new revocation list. The root stays the same.");
  part->add_flag("--json", options->json, "Print JSON for machines");
  add_set_tcb(*verb, options, status);
  part = add_part(*verb, "serve-collateral", "Serve what verifiers elsewhere need, as a PCCS does", options, status,
                  serve_collateral);
  part->footer(
      "Examples:\n"
      "  coffer platform serve-collateral --listen 127.0.0.1:8081\n"
      "  coffer collateral fetch quote.bin --from http://127.0.0.1:8081/sgx/certification/v4\n\n"
      "Plain HTTP, for this machine or behind a proxy that does TLS: what it serves is public and signed. It prints "
      "the\n"
      "address once it answers, and ends with SIGINT or SIGTERM.");
  part->add_option("--listen", options->listen, "Where (127.0.0.1:8081); port 0 takes a free one")
      ->type_name("HOST:PORT");
}

}  // namespace coffer::cli
