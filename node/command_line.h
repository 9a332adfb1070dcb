// cofferd's own command line, for parsing and for its manual page and completion.
#pragma once

#include <CLI/CLI.hpp>
#include <memory>
#include <string>

namespace coffer::node {

struct Options {
  std::string config, socket, state, epc, epc_per_user, warm, user;  // as they were given; empty: not given
};

inline constexpr const char* kDefaultConfig = "/etc/coffer/cofferd.toml";

// Parsing fills `options`, which must outlive the command.
[[nodiscard]] std::unique_ptr<CLI::App> make_command(Options& options);

}  // namespace coffer::node
