// The verbs of the `coffer` command, one file each. A verb adds its subcommand to the application and, when chosen,
// sets `status`: 0 yes, 1 the answer is no, 2 usage or input error. Errors go to stderr as one line through report().
#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

#include "base/result.h"

namespace coffer::cli {

using Verb = void (*)(CLI::App& app, int& status);

void add_inspect(CLI::App& app, int& status);
void add_key(CLI::App& app, int& status);
void add_new(CLI::App& app, int& status);
void add_sign(CLI::App& app, int& status);
void add_run(CLI::App& app, int& status);
void add_emulate(CLI::App& app, int& status);
void add_edl(CLI::App& app, int& status);
void add_debug(CLI::App& app, int& status);
void add_doctor(CLI::App& app, int& status);
void add_report(CLI::App& app, int& status);
void add_verify(CLI::App& app, int& status);
void add_seal(CLI::App& app, int& status);    // seal and unseal
void add_policy(CLI::App& app, int& status);  // check, eval and format
void add_platform(CLI::App& app, int& status);
void add_quote(CLI::App& app, int& status);
void add_collateral(CLI::App& app, int& status);
void add_ps(CLI::App& app, int& status);
void add_stop(CLI::App& app, int& status);
void add_logs(CLI::App& app, int& status);
void add_wait(CLI::App& app, int& status);
void add_token(CLI::App& app, int& status);  // show and verify
void add_top(CLI::App& app, int& status);

// The arguments of another program, after "--", as they were given: run_command marks them, because CLI11 would take
// "[a,b]" for a list and leave out the brackets. For the verbs run and emulate.
[[nodiscard]] std::vector<std::string> as_given(std::vector<std::string> arguments);

// Prints "coffer: <message>" on stderr and returns the exit status for the error's kind.
int report(const Error& error);

}  // namespace coffer::cli
