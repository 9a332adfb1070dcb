// The command's manual pages and shell completion, made from the very definitions that parse its arguments and print
// its help, so that they cannot disagree. Pure functions over a CLI::App.
#pragma once

#include <CLI/CLI.hpp>

#include <string>
#include <vector>

namespace coffer::cli {

struct ReferenceFile {
  std::string name;  // relative to the output folder: "man1/coffer-run.1"
  std::string text;
};

// One page for the command and one for each of its verbs. `version` stands in the footer.
[[nodiscard]] std::vector<ReferenceFile> manual_pages(const CLI::App& command, const std::string& version);
// The page of a daemon, which has no verbs, in section 8.
[[nodiscard]] ReferenceFile daemon_page(const CLI::App& daemon, const std::string& version);
// For bash (bash-completion is not needed) and zsh. Values of options that take one of a few words are completed, ids
// of running enclaves where the argument is called ID, file names otherwise.
[[nodiscard]] std::string bash_completion(const CLI::App& command);
[[nodiscard]] std::string zsh_completion(const CLI::App& command);

// What the generators share: a command's visible parts, in the order of its help.
[[nodiscard]] std::vector<const CLI::App*> verbs_of(const CLI::App& command);
[[nodiscard]] std::vector<const CLI::Option*> options_of(const CLI::App& command);
[[nodiscard]] std::vector<const CLI::Option*> arguments_of(const CLI::App& command);
[[nodiscard]] bool is_flag(const CLI::Option& option);
// "--output" and "-o"; the words that an option's value must be one of, or none.
[[nodiscard]] std::vector<std::string> names_of_option(const CLI::Option& option);
[[nodiscard]] std::vector<std::string> choices_of(const CLI::Option& option);
// What help calls the option's value: FILE, SIZE, ...; "" where it has no name of its own.
[[nodiscard]] std::string value_name(const CLI::Option& option);

}  // namespace coffer::cli
