// The project of one program, which runs inside as a whole.
#include "cli/new_templates.h"

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

constexpr TemplateFile kFiles[] = {{"main.cc", kMain},         {"coffer.toml", kSettings}, {"Makefile", kMakefile},
                                   {"CMakeLists.txt", kCmake}, {"README.md", kReadme},     {".gitignore", kIgnore}};

}  // namespace

std::span<const TemplateFile> program_template() { return kFiles; }

}  // namespace coffer::cli
