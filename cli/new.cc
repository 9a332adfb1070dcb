// coffer new: a small project to start from.
#include <fmt/format.h>

#include <cstdio>
#include <memory>
#include <string>

#include "base/file.h"
#include "cli/verbs.h"

namespace coffer::cli {
namespace {

constexpr std::string_view kMain =
    R"(// An ordinary C++ program. Built with -static-pie and signed, it runs inside an enclave.
#include <fstream>
#include <iostream>
#include <string>

int main(int argc, char** argv) {
  std::string name = argc > 1 ? argv[1] : "world";
  std::cout << "Hello, " << name << ", from inside.\n";

  // /data is an encrypted mount (see coffer.toml): outside, only ciphertext. It is there where `coffer run` got
  // --mount FOLDER:/data.
  int visits = 0;
  std::ifstream("/data/visits") >> visits;
  std::ofstream file("/data/visits");
  if (file << ++visits << '\n') std::cout << "Visit " << visits << ".\n";
}
)";

constexpr std::string_view kSettings =
    R"(# What the enclave may have and do. Everything here is measured; docs/coffer-toml.md of Coffer lists all keys.
name = "@NAME@"
product_id = 1
svn = 1
threads = 4
heap_max = "64M"

# Only this very program, on this machine, can decrypt what it keeps here.
[[mounts]]
path = "/data"
kind = "encrypted"
key = "mrenclave"

[environment]
allow = ["TZ", "LANG"]
)";

constexpr std::string_view kMakefile =
    R"(# make: the program and its signed image; make run: run it; make key: once, the key that signs it.
COFFER ?= coffer
CXXFLAGS ?= -O2 -g -Wall -Wextra
KEY ?= signer.pem

@NAME@: main.cc
	$(CXX) -std=c++20 $(CXXFLAGS) -fPIE -static-pie -o $@ $<

@NAME@.enclave: @NAME@ coffer.toml $(KEY)
	$(COFFER) sign @NAME@ --key $(KEY) --config coffer.toml -o $@

$(KEY):
	$(COFFER) key new $@

.PHONY: enclave key run clean
enclave: @NAME@.enclave
key: $(KEY)
run: @NAME@.enclave
	mkdir -p data
	$(COFFER) run @NAME@.enclave --mount data:/data -- $(ARGS)
clean:
	rm -f @NAME@ @NAME@.enclave
)";

constexpr std::string_view kCmake =
    R"(# The same with CMake: cmake -B build && cmake --build build makes build/@NAME@ and build/@NAME@.enclave.
cmake_minimum_required(VERSION 3.20)
project(@NAME@ LANGUAGES CXX)
find_package(Coffer REQUIRED)

add_executable(@NAME@ main.cc)
target_link_libraries(@NAME@ PRIVATE Coffer::enclave)
coffer_add_enclave(@NAME@ KEY signer.pem NEW_KEY CONFIG coffer.toml OUTPUT @NAME@.enclave)
)";

constexpr std::string_view kReadme = R"(# @NAME@

An ordinary C++ program that runs inside an enclave.

    make            build the program: g++ -static-pie
    make run        sign it (a key is made the first time) and run it inside
    coffer inspect @NAME@.enclave

Or with CMake, where Coffer is installed: `cmake -B build && cmake --build build`.

`coffer.toml` says what the enclave may have and do. `signer.pem` is the key that signs it: keep it secret and safe.
)";

constexpr std::string_view kIgnore = "/@NAME@\n/@NAME@.enclave\n/build/\n/data/\n/signer.pem\n";

struct Options {
  std::string directory;
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
  std::filesystem::create_directories(directory, error);
  if (error) return report(system_error("cannot make " + options.directory, error.value()).error());
  struct File {
    const char* name;
    std::string_view text;
  };
  constexpr File kFiles[] = {{"main.cc", kMain},         {"coffer.toml", kSettings}, {"Makefile", kMakefile},
                             {"CMakeLists.txt", kCmake}, {"README.md", kReadme},     {".gitignore", kIgnore}};
  for (const File& file : kFiles) {
    const std::string text = fill_in(file.text, name);
    auto written = write_file_atomically(directory / file.name, std::as_bytes(std::span(text)));
    if (!written) return report(written.error());
  }
  std::printf("%s: main.cc, coffer.toml, Makefile, CMakeLists.txt, README.md\nNext: cd %s && make run\n",
              options.directory.c_str(), options.directory.c_str());
  return 0;
}

}  // namespace

void add_new(CLI::App& app, int& status) {
  auto options = std::make_shared<Options>();
  CLI::App* verb = app.add_subcommand("new", "Make a small project to start from");
  verb->footer("Example:\n  coffer new hello && cd hello && make run");
  verb->add_option("DIR", options->directory, "The folder to make; its name is the program's")->required();
  verb->callback([options, &status] { status = make_project(*options); });
}

}  // namespace coffer::cli
