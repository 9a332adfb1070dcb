// coffer debug: a program in a debug enclave under GDB, on the rung `inline`.
#include <unistd.h>
#include <cerrno>

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "cli/command_line.h"
#include "cli/verbs.h"
#include "host/image/coffer_image.h"

namespace coffer::cli {
namespace {

struct Options {
  std::string image, program;
  std::vector<std::string> commands, mounts, arguments;
};

// A word of GDB's command language.
std::string quoted(const std::string& text) {
  std::string result = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') result += '\\';
    result += c;
  }
  return result + '"';
}

Result<std::vector<std::string>> debugger_command(const Options& options) {
  auto image = image::CofferImage::read(options.image);
  if (!image) return std::unexpected(image.error());
  if (!image->debug()) {
    return refused(options.image + " is a production image: nobody can look into it; sign it with --debug");
  }
  std::error_code error;
  const std::filesystem::path program = std::filesystem::canonical(options.program, error);
  if (error) return input_error(options.program + ": " + error.message() + "; it is the program that was signed");
  auto script = installed_part("coffer_gdb.py");
  if (!script) return std::unexpected(script.error());
  auto kernel = installed_part("enclave-kernel.elf");
  if (!kernel) return std::unexpected(kernel.error());
  auto self = std::filesystem::read_symlink("/proc/self/exe", error);
  if (error) return system_error("/proc/self/exe", error.value());

  std::vector<std::string> command = {"gdb",
                                      "-q",
                                      "-iex",
                                      "set confirm off",
                                      "-x",
                                      script->string(),
                                      "-ex",
                                      fmt::format("coffer-start {:#x} {} {}", image->layout().app_base,
                                                  quoted(program.string()), quoted(kernel->string()))};
  for (const std::string& line : options.commands) command.insert(command.end(), {"-ex", line});
  command.insert(command.end(), {"--args", self.string(), "run", "--rung", "inline", "--quiet"});
  for (const std::string& mount : options.mounts) command.insert(command.end(), {"--mount", mount});
  command.insert(command.end(), {options.image, "--"});
  command.insert(command.end(), options.arguments.begin(), options.arguments.end());
  return command;
}

int debug(const Options& options) {
  const auto command = debugger_command(options);
  if (!command) return report(command.error());
  std::vector<char*> words;
  for (const std::string& word : *command) words.push_back(const_cast<char*>(word.c_str()));
  words.push_back(nullptr);
  ::execvp(words.front(), words.data());
  return report(system_error("cannot run gdb; install it (Debian: apt-get install gdb)", errno).error());
}

}  // namespace

void add_debug(CLI::App& app, int& status) {
  auto options = std::make_shared<Options>();
  CLI::App* debugger = app.add_subcommand("debug", "Run a program in a debug enclave under GDB");
  debugger->add_option("image", options->image, "the image, signed with --debug")->required();
  debugger->add_option("--program", options->program, "the program that was signed, built with -g")->required();
  debugger->add_option("--ex", options->commands, "a GDB command to begin with, at main(); can be repeated")
      ->allow_extra_args(false);
  debugger->add_option("--mount", options->mounts, "HOST:PATH, as of coffer run")->allow_extra_args(false);
  debugger->add_option("arguments", options->arguments, "the program's arguments, after --");
  debugger->footer(
      "Examples:\n"
      "  coffer debug app.enclave --program app -- input.txt\n"
      "  coffer debug app.enclave --program app --ex 'break parse' --ex continue\n\n"
      "GDB stops at the program's main(), with its symbols and the enclave kernel's. Breakpoints, steps and variables "
      "work\n"
      "as they do outside. `edbgrd ADDRESS [COUNT]` and `edbgwr ADDRESS VALUE` are the instructions of that name: they "
      "see\n"
      "TCS pages and pages that were paged out, and refuse what the processor refuses. The rung is `inline`, which "
      "protects\n"
      "nothing. The exit status is GDB's; 1: a production image. 2: usage or input error.");
  debugger->callback([options, &status] { status = debug(*options); });
}

}  // namespace coffer::cli
