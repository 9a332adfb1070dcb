// coffer run: loads an image and runs its program; streams, exit status and deaths pass through.
#include <coffer/host.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/file.h"
#include "base/hex.h"
#include "base/secret.h"
#include "cli/config_id.h"
#include "cli/detach.h"
#include "cli/signal_passing.h"
#include "cli/verbs.h"
#include "host/image/settings.h"
#include "host/operate/client.h"
#include "host/operate/places.h"
#include "host/operate/registry.h"
#include "node/quoting/quoter.h"

namespace coffer::cli {
namespace {

struct Options {
  std::string image;
  std::string rung = "process";
  std::string epc;
  std::vector<std::string> mounts;         // HOST:ENCLAVE
  std::vector<std::string> mount_keys;     // ENCLAVE=FILE
  std::vector<std::string> variables;      // NAME=value
  std::vector<std::string> bind, connect;  // network patterns that this host permits
  std::vector<std::string> arguments;
  std::string config_id;
  std::uint16_t config_svn = 0;
  bool no_network = false;
  std::string name;
  std::string counters;       // a file for them
  std::string attest_output;  // a file for the quote over the output
  bool no_fast_paths = false;
  bool quiet = false;
  bool detach = false;
};

Result<Mount> parse_mount(const std::string& text) {
  const std::size_t colon = text.rfind(':');
  if (colon == std::string::npos || colon == 0 || colon + 1 >= text.size() || text[colon + 1] != '/') {
    return input_error("--mount " + text + ": write HOST-DIRECTORY:/PATH/INSIDE");
  }
  return Mount{.host = text.substr(0, colon), .enclave = text.substr(colon + 1), .key = std::nullopt};
}

// A key file holds 32 bytes, or 64 hexadecimal digits.
Result<void> add_key(const std::string& text, std::vector<Mount>& mounts) {
  const std::size_t equals = text.find('=');
  if (equals == std::string::npos) return input_error("--mount-key " + text + ": write /PATH/INSIDE=KEYFILE");
  const std::string path = text.substr(0, equals);
  const std::string file = text.substr(equals + 1);
  auto content = read_file(file, 4096);
  if (!content) return std::unexpected(content.error());
  std::vector<std::byte> key = *content;
  if (key.size() != 32) {
    std::string digits(reinterpret_cast<const char*>(key.data()), key.size());
    while (!digits.empty() && (digits.back() == '\n' || digits.back() == ' ')) digits.pop_back();
    auto decoded = from_hex(digits);
    if (!decoded || decoded->size() != 32) return input_error(file + ": a mount key is 32 bytes or 64 hex digits");
    key = *decoded;
  }
  for (Mount& mount : mounts) {
    if (mount.enclave != path) continue;
    mount.key.emplace();
    std::copy(key.begin(), key.end(), mount.key->begin());
    wipe(key.data(), key.size());
    return {};
  }
  return input_error("--mount-key " + text + ": no --mount goes to " + path);
}

Result<LoadOptions> load_options(const Options& options) {
  LoadOptions load;
  if (options.rung == "inline") load.rung = RungKind::kInline;
  if (options.rung == "sgx") load.rung = RungKind::kSgx;
  load.fast_paths = !options.no_fast_paths;
  if (!options.epc.empty()) {
    auto size = image::parse_size(options.epc);
    if (!size) return input_error("--epc " + options.epc + ": " + size.error().message);
    load.epc_size = *size;
  }
  if (!options.config_id.empty()) {
    auto id = parse_config_id("--config-id", options.config_id);
    if (!id) return std::unexpected(id.error());
    std::ranges::copy(std::as_bytes(std::span(*id)), load.config_id.begin());
  }
  load.config_svn = options.config_svn;
  return load;
}

Result<RunOptions> run_options(const Options& options) {
  RunOptions run;
  run.arguments = as_given(options.arguments);
  for (char** variable = environ; *variable != nullptr; ++variable) run.environment.emplace_back(*variable);
  for (const std::string& variable : options.variables) {
    if (variable.find('=') == std::string::npos) return input_error("--env " + variable + ": write NAME=value");
    run.environment.push_back(variable);
  }
  for (const std::string& text : options.mounts) {
    auto mount = parse_mount(text);
    if (!mount) return std::unexpected(mount.error());
    run.mounts.push_back(std::move(*mount));
  }
  for (const std::string& text : options.mount_keys) {
    if (auto added = add_key(text, run.mounts); !added) return std::unexpected(added.error());
  }
  if (options.no_network && !(options.bind.empty() && options.connect.empty())) {
    return input_error("--no-network permits nothing; leave it out to give --bind or --connect");
  }
  if (options.no_network || !options.bind.empty() || !options.connect.empty()) {
    run.network = NetworkLimits{options.bind, options.connect};
  }
  return run;
}

// Whether people are told of a death: those that a shell is silent about are somebody's wish, not a fault.
bool is_fault(int signal) {
  switch (signal) {
    case SIGHUP:
    case SIGINT:
    case SIGPIPE:
    case SIGTERM:
      return false;
    default:
      return true;
  }
}

// Ends this process as the program ended, so that a shell or a supervisor sees the same. Without a detail it was a
// signal to this process.
[[noreturn]] void die_likewise(const ExitStatus& status) {
  if (is_fault(status.signal) && !status.detail.empty()) {
    std::fprintf(stderr, "coffer: the program died of signal %d (%s) %s\n", status.signal, ::strsignal(status.signal),
                 status.detail.c_str());
  }
  if (!status.report.empty()) std::fprintf(stderr, "coffer: crash report: %s\n", status.report.c_str());
  const rlimit no_core{0, 0};
  ::setrlimit(RLIMIT_CORE, &no_core);  // this process's memory is not what a post-mortem needs
  ::signal(status.signal, SIG_DFL);
  sigset_t one;
  sigemptyset(&one);
  sigaddset(&one, status.signal);
  ::sigprocmask(SIG_UNBLOCK, &one, nullptr);
  ::raise(status.signal);
  ::_exit(128 + status.signal);  // a signal whose default is not to die
}

void note(const std::string& line) { std::fprintf(stderr, "coffer: note: %s\n", line.c_str()); }

// What the run did, in the words of `coffer ps --json`.
Result<void> keep_counters(const std::string& file, const Enclave& enclave) {
  auto counted = enclave.status();
  if (!counted) return std::unexpected(counted.error());
  *counted += '\n';
  return write_file_atomically(file, std::as_bytes(std::span(*counted)), 0600);
}

// `begun` is called when the program runs.
Result<ExitStatus> run_program(Enclave& enclave, const Options& options, const RunOptions& run,
                               const std::function<void()>& begun) {
  if (auto started = enclave.start(run); !started) return std::unexpected(started.error());
  if (const auto id = enclave.id(); !id && !options.quiet) {
    note("`coffer ps` does not list this enclave: " + id.error().message);
  }
  begun();
  return enclave.wait();
}

// The quoting enclave, and what the program's report is to be made for.
Result<node::Quoter> prepare_quote(RunOptions& run) {
  auto quoter = node::Quoter::start();
  if (!quoter) return quoter;
  const auto target = quoter->target();
  if (!target) return std::unexpected(target.error());
  run.attestation.emplace();
  std::memcpy(run.attestation->target.data(), &*target, sizeof(*target));
  return quoter;
}

Result<void> write_quote(node::Quoter& quoter, const ExitStatus& status, const std::string& file) {
  sgx::Report made;
  if (status.attestation.size() != sizeof(made)) {
    return fail(ErrorKind::kSystem,
                "--attest-output: there is no report on the output; the program died, or wrote to its very end");
  }
  std::memcpy(&made, status.attestation.data(), sizeof(made));
  const auto quote = quoter.quote(made);
  if (!quote) return std::unexpected(quote.error());
  return write_file_atomically(file, *quote);
}

int run_enclave(const Options& options, const LoadOptions& load, RunOptions run, const std::function<void()>& begun) {
  // Before any thread is made: all of them leave signals to the one that passes them on.
  SignalPassing signals;
  operate::announce_command();
  ExitStatus status;
  int kept = 0;
  {
    auto enclave = Enclave::load(options.image, load);
    if (!enclave) return report(enclave.error());
    if (!options.quiet) {
      for (const std::string& line : enclave->missing_protections()) note(line);
    }
    std::optional<node::Quoter> quoter;
    if (!options.attest_output.empty()) {
      auto started = prepare_quote(run);
      if (!started) return report(started.error());
      quoter.emplace(std::move(*started));
    }
    signals.pass_to(*enclave);
    auto ended = run_program(*enclave, options, run, begun);
    signals.stop();
    if (const int signal = signals.ended_by(); signal != 0) {
      status.signal = signal;
    } else if (!ended) {
      return report(ended.error());
    } else {
      status = *ended;
    }
    if (quoter && status.signal == 0) {
      const auto written = write_quote(*quoter, status, options.attest_output);
      if (!written) kept = report(written.error());
    }
    if (!options.counters.empty()) {
      if (auto counted = keep_counters(options.counters, *enclave); !counted) kept = report(counted.error());
    }
  }
  if (status.signal != 0) die_likewise(status);
  return kept != 0 && status.code == 0 ? kept : status.code;
}

// Names that were chosen are unlike those of others that run.
Result<void> check_name(const std::string& name) {
  if (name.empty()) return {};
  if (!operate::is_name(name)) {
    return input_error("--name " + name + ": use up to 63 letters, digits, \".\", \"_\" and \"-\"");
  }
  const auto processes = operate::list_running();
  if (!processes) return {};  // nothing is listed here: nothing can be mistaken
  for (const operate::RunningProcess& process : *processes) {
    for (const operate::EnclaveStatus& enclave : process.status.enclaves) {
      if (enclave.name == name) return input_error("--name " + name + ": the enclave " + enclave.id + " is called so");
    }
  }
  return {};
}

int run_image(const Options& options) {
  auto load = load_options(options);
  if (!load) return report(load.error());
  auto run = run_options(options);
  if (!run) return report(run.error());
  if (auto checked = check_name(options.name); !checked) return report(checked.error());
  run->name = options.name;
  run->id = operate::new_id();
  if (!options.detach) return run_enclave(options, *load, *run, [] {});
  const std::string name = options.name.empty() ? std::filesystem::path(options.image).stem().string() : options.name;
  run->detached = true;
  run->name = name;
  return run_detached(run->id, name, options.image, [&](const DetachedStreams& streams) {
    run->standard_input = streams.input;
    run->standard_output = streams.output;
    run->standard_error = streams.error;
    return run_enclave(options, *load, *run, streams.begun);
  });
}

}  // namespace

void add_run(CLI::App& app, int& status) {
  auto options = std::make_shared<Options>();
  CLI::App* run = app.add_subcommand("run", "Run the program of an image inside an enclave");
  run->add_option("image", options->image, "the signed image (*.enclave)")->required();
  run->add_option("--rung", options->rung, "process (default), inline for debug images, sgx for SGX hardware")
      ->check(CLI::IsMember({"inline", "process", "sgx"}));
  run->add_option("--epc", options->epc,
                  "protected memory in use at once, e.g. 256M; more pages than that are paged out, encrypted "
                  "(default: room for all)");
  // One value each: a list that goes on would swallow the "--" before the program's own arguments.
  run->add_option("--mount", options->mounts, "HOST-DIRECTORY:/PATH/INSIDE, as the image declares it")
      ->allow_extra_args(false);
  run->add_option("--mount-key", options->mount_keys, "/PATH/INSIDE=FILE with a 256-bit key, where the image asks")
      ->allow_extra_args(false);
  run->add_option("--env", options->variables, "NAME=value for the program, where the image allows it")
      ->allow_extra_args(false);
  run->add_option("--bind", options->bind,
                  "permit binding to this, of what the image declares, e.g. tcp:127.0.0.1:8080")
      ->allow_extra_args(false);
  run->add_option("--connect", options->connect, "permit connecting to this, of what the image declares")
      ->allow_extra_args(false);
  run->add_flag("--no-network", options->no_network, "permit no network, whatever the image declares");
  run->add_flag("--no-fast-paths", options->no_fast_paths,
                "trap every system call, ENCLU and CPUID, as hardware would");
  run->add_option(
         "--config-id", options->config_id,
         "tell the enclave its configuration (CONFIGID), up to 64 bytes in hex: in its reports, and in keys that "
         "it asks for so; images with key separation only")
      ->type_name("HEX");
  run->add_option("--config-svn", options->config_svn, "version of the configuration (CONFIGSVN)")
      ->check(CLI::Range(0, 65535).description(""))
      ->type_name("N");
  run->add_option("--name", options->name, "what `coffer ps` calls it (default: the program's name)");
  run->add_option("--counters", options->counters,
                  "when the program has ended, write what it did, as `coffer ps --json` counts it, to this file");
  run->add_option(
         "--attest-output", options->attest_output,
         "when the program has ended, write a quote that binds the SHA-256 of what it wrote to standard output")
      ->type_name("FILE");
  run->add_flag("--detach,-d", options->detach, "run it in the background, keep its output, print its id");
  run->add_flag("--quiet", options->quiet, "do not say which protections this machine lacks");
  run->add_option("arguments", options->arguments, "the program's own, after --");
  run->footer(
      "Examples:\n"
      "  coffer run hello.enclave -- world\n"
      "  coffer run analysis.enclave --mount ./data:/data -- report\n"
      "  coffer run server.enclave --bind tcp:127.0.0.1:8080\n"
      "  coffer run debug.enclave --rung inline\n"
      "  coffer run server.enclave --rung sgx\n"
      "  coffer run big.enclave --epc 256M\n"
      "  coffer run --counters counters.json batch.enclave\n"
      "  coffer run --attest-output quote.bin batch.enclave > results && coffer verify quote.bin\n"
      "  coffer run tenants.enclave --config-id $(sha256sum < tenant.json | cut -c -64)\n"
      "  coffer run --detach --name web web.enclave && coffer logs --follow web\n\n"
      "Without --bind, --connect and --no-network the program may do on the network what its image declares; with one "
      "of\n"
      "them, only what is given here too.\n"
      "Streams pass through. The exit status is the program's; a program that dies of a signal ends this command the\n"
      "same way. 1: the image is refused. 2: usage or input error.");
  run->callback([options, &status] { status = run_image(*options); });
}

}  // namespace coffer::cli
