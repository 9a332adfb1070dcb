// coffer new: a small project to start from.
#include <fmt/format.h>

#include <cstdio>
#include <memory>
#include <string>

#include "base/file.h"
#include "cli/new_templates.h"
#include "cli/verbs.h"

namespace coffer::cli {
namespace {

struct Options {
  std::string directory;
  bool two_part = false;
};

std::string fill_in(std::string_view text, const std::string& name) {
  constexpr std::string_view kPlace = "@NAME@";
  std::string filled(text);
  for (std::size_t at = 0; (at = filled.find(kPlace, at)) != std::string::npos; at += name.size()) {
    filled.replace(at, kPlace.size(), name);
  }
  return filled;
}

bool is_project_name(std::string_view name) {
  constexpr std::string_view kAllowed = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.";
  return !name.empty() && name.size() <= 100 && name.find_first_not_of(kAllowed) == std::string_view::npos &&
         name.front() != '.' && name.front() != '-';
}

// Names that the Makefile or CMake use for something else.
bool is_taken(std::string_view name) {
  for (std::string_view taken : {"enclave", "key", "run", "clean", "data", "build", "main.cc", "coffer.toml",
                                 "Makefile", "CMakeLists.txt", "all", "help", "install", "test", "package"}) {
    if (name == taken) return true;
  }
  return false;
}

Result<void> write_project(const std::filesystem::path& directory, const std::string& name,
                           std::span<const TemplateFile> files) {
  for (const TemplateFile& file : files) {
    const std::filesystem::path path = directory / file.name;
    std::error_code error;
    std::filesystem::create_directories(path.parent_path(), error);
    if (error) return system_error("cannot make " + path.parent_path().string(), error.value());
    const std::string text = fill_in(file.text, name);
    if (auto written = write_file_atomically(path, std::as_bytes(std::span(text))); !written) return written;
  }
  return {};
}

int make_project(const Options& options) {
  std::error_code error;
  const auto directory = std::filesystem::absolute(options.directory, error).lexically_normal();
  const std::string name = (directory.has_filename() ? directory : directory.parent_path()).filename().string();
  if (!is_project_name(name) || is_taken(name)) {
    return report(
        {ErrorKind::kInput, fmt::format("\"{}\" cannot be a program's name: use letters, digits, - and _, and "
                                        "not a word like run or data",
                                        name)});
  }
  if (std::filesystem::exists(directory, error) && !std::filesystem::is_empty(directory, error)) {
    return report({ErrorKind::kInput, options.directory + " exists and is not an empty folder: choose another name"});
  }
  const std::span<const TemplateFile> files = options.two_part ? two_part_template() : program_template();
  if (auto made = write_project(directory, name, files); !made) return report(made.error());
  std::string written;
  for (const TemplateFile& file : files) {
    if (file.name[0] != '.') written += fmt::format("{}{}", written.empty() ? "" : ", ", file.name);
  }
  const char* next = options.two_part ? "cmake -B build && cmake --build build && ctest --test-dir build" : "make run";
  std::printf("%s: %s\nNext: cd %s && %s\n", options.directory.c_str(), written.c_str(), options.directory.c_str(),
              next);
  return 0;
}

}  // namespace

void add_new(CLI::App& app, int& status) {
  auto options = std::make_shared<Options>();
  CLI::App* verb = app.add_subcommand("new", "Make a small project to start from");
  verb->footer(
      "Examples:\n  coffer new hello && cd hello && make run\n"
      "  coffer new --two-part words && cd words && cmake -B build && cmake --build build && ctest --test-dir build");
  verb->add_option("DIR", options->directory, "The folder to make; its name is the program's")->required();
  verb->add_flag("--two-part", options->two_part,
                 "A host, an enclave and the EDL file between them, with tests; needs Coffer's development package");
  verb->callback([options, &status] { status = make_project(*options); });
}

}  // namespace coffer::cli
