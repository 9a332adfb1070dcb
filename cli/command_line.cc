#include "cli/command_line.h"

#include <algorithm>
#include <cstdio>
#include <string>
#include <vector>

#include "cli/symbolize.h"
#include "cli/up.h"
#include "cli/verbs.h"

namespace coffer::cli {
namespace {

constexpr const char* kExamples =
    "Examples:\n"
#ifdef COFFER_VERB_doctor
    "  coffer doctor                                   what this machine offers\n"
#endif
    "  coffer new hello && make -C hello               a small program of your own\n"
    "  coffer key new signer.pem                       a key to sign enclaves with\n"
    "  coffer sign hello/hello --key signer.pem --config hello/coffer.toml -o hello.enclave\n"
#ifdef COFFER_VERB_inspect
    "  coffer inspect hello.enclave                    its identity, checked\n"
#endif
#ifdef COFFER_VERB_run
    "  coffer run hello.enclave -- world               run it\n"
#endif
#ifdef COFFER_VERB_emulate
    "  coffer emulate -- ./sgx-program                 run a program made for SGX hardware\n"
#endif
#ifdef COFFER_VERB_debug
    "  coffer debug app.enclave --program app          a debug image under GDB\n"
#endif
    "  coffer ps; coffer top                           what runs, and how much it does\n"
#ifdef COFFER_VERB_report
    "  coffer report --help                            what an enclave's report proves\n"
#endif
#ifdef COFFER_VERB_verify
    "  coffer verify quote.bin --collateral c.json     whether evidence of a TEE is authentic\n"
#endif
#ifdef COFFER_VERB_seal
    "  coffer seal FILE -o FILE.sealed                 a file for enclaves of this platform only\n"
#endif
    "\nEvery verb has --help with examples. Exit status: 0 yes, 1 the answer is no, 2 usage or input error.";

void add_verbs(CLI::App& app, int& status) {
  add_new(app, status);
  add_key(app, status);
  add_sign(app, status);
#ifdef COFFER_VERB_edl
  add_edl(app, status);
#endif
#ifdef COFFER_VERB_inspect
  add_inspect(app, status);
#endif
#ifdef COFFER_VERB_run
  add_run(app, status);
#endif
#ifdef COFFER_VERB_policy
  add_policy(app, status);
#endif
#ifdef COFFER_VERB_token
  add_token(app, status);
#endif
#ifdef COFFER_VERB_up
  add_up(app, status);
#endif
  add_ps(app, status);
  add_top(app, status);
  add_logs(app, status);
  add_wait(app, status);
  add_stop(app, status);
  add_symbolize(app, status);
#ifdef COFFER_VERB_report
  add_report(app, status);
#endif
#ifdef COFFER_VERB_verify
  add_verify(app, status);
#endif
#ifdef COFFER_VERB_seal
  add_seal(app, status);
#endif
#ifdef COFFER_VERB_platform
  add_platform(app, status);
#endif
#ifdef COFFER_VERB_quote
  add_quote(app, status);
#endif
#ifdef COFFER_VERB_collateral
  add_collateral(app, status);
#endif
#ifdef COFFER_VERB_emulate
  add_emulate(app, status);
#endif
#ifdef COFFER_VERB_debug
  add_debug(app, status);
#endif
#ifdef COFFER_VERB_doctor
  add_doctor(app, status);
#endif
}

constexpr char kMark = '\x01';

// The command line with a mark before each of another program's arguments.
std::vector<std::string> marked(int count, const char* const* arguments) {
  std::vector<std::string> result(arguments, arguments + count);
  if (count < 2 || (result[1] != "run" && result[1] != "emulate")) return result;
  const auto dashes = std::ranges::find(result, "--");
  for (auto each = dashes; each != result.end(); ++each) {
    if (each != dashes) each->insert(each->begin(), kMark);
  }
  return result;
}

// CLI11's messages can have several lines; a usage error is one, with what to do.
int report_usage(const CLI::App& app, const CLI::ParseError& error) {
  std::string verb;
  for (const CLI::App* chosen : app.get_subcommands()) verb = " " + chosen->get_name();
  std::string message = error.what();
  for (char& character : message) {
    if (character == '\n') character = ' ';
  }
  while (!message.empty() && (message.back() == ' ' || message.back() == '.')) message.pop_back();
  return report({ErrorKind::kInput, message + "; see `coffer" + verb + " --help`"});
}

}  // namespace

std::unique_ptr<CLI::App> make_command(int& status) {
  auto app = std::make_unique<CLI::App>("Coffer runs ordinary programs inside enclaves.", "coffer");
  app->set_version_flag("--version", "coffer " COFFER_VERSION);
  app->require_subcommand(0, 1);  // none is told by run_command, after what is not known
  app->footer(kExamples);
  app->get_formatter()->column_width(34);
  add_verbs(*app, status);
  return app;
}

int run_command(int argument_count, const char* const* arguments) {
  int status = 0;
  const auto command = make_command(status);
  CLI::App& app = *command;
  try {
    const std::vector<std::string> texts = marked(argument_count, arguments);
    std::vector<const char*> pointers;
    for (const std::string& text : texts) pointers.push_back(text.c_str());
    app.parse(argument_count, pointers.data());
    if (app.get_subcommands().empty()) {
      return report({ErrorKind::kInput, "a verb is missing, like `coffer sign`; see `coffer --help`"});
    }
    return status;
  } catch (const CLI::Success& success) {  // --help and --version
    return app.exit(success);
  } catch (const CLI::ParseError& error) {
    return report_usage(app, error);
  } catch (const std::exception& error) {
    return report({ErrorKind::kSystem, error.what()});
  }
}

std::vector<std::string> as_given(std::vector<std::string> arguments) {
  for (std::string& argument : arguments) {
    if (argument.starts_with(kMark)) argument.erase(0, 1);
  }
  return arguments;
}

Result<std::filesystem::path> installed_part(const char* name) {
  std::error_code error;
  auto self = std::filesystem::read_symlink("/proc/self/exe", error);
  if (error) return system_error("cannot find the running command in /proc/self/exe", error.value());
  auto part = self.parent_path().parent_path() / "libexec" / "coffer" / name;
  if (!std::filesystem::exists(part, error)) {
    return input_error(part.string() + " is missing: build or install Coffer as a whole");
  }
  return part;
}

}  // namespace coffer::cli
