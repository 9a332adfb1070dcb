// The project in two parts: a host, an enclave, and the EDL file between them.
#include "cli/new_templates.h"

namespace coffer::cli {
namespace {

constexpr std::string_view kEdl =
    R"(// What crosses the border. `coffer edl words.edl` makes both halves of the code that carries it; docs/sdk/edl.md of Coffer
// is the language's reference.
enclave {
    trusted {
        // ECALLs: the host calls them.
        public void remember([in, string] const char* word);
        // The longest word so far, cut off at `room` bytes: how many bytes it has.
        public size_t longest([out, count=room] char* word, size_t room);
    };

    untrusted {
        // OCALLs: the enclave calls them. What comes back is the host's word, and may be a lie.
        void say([in, string] const char* text);
    };
};
)";

constexpr std::string_view kEnclave =
    R"(// The trusted part: an ordinary C++ program without a main. What it keeps nobody outside can read.
#include <algorithm>
#include <mutex>
#include <string>

#include "words_enclave.h"

namespace {

std::mutex lock;  // the host may call from many threads
std::string longest_word;

}  // namespace

namespace words {

// `word` is the enclave's own copy: the host can no longer change it.
void remember(std::string_view word) {
  const std::scoped_lock guard(lock);
  if (word.size() <= longest_word.size()) return;
  longest_word = word;
  // Whether the host has said it, nobody knows: nothing may depend on it.
  (void)say("a longer word than all before");
}

std::size_t longest(std::span<char> word) {
  const std::scoped_lock guard(lock);
  std::copy_n(longest_word.data(), std::min(word.size(), longest_word.size()), word.data());
  return longest_word.size();
}

}  // namespace words
)";

constexpr std::string_view kHost =
    R"(// The untrusted part: starts the enclave and calls into it.
#include <algorithm>
#include <array>
#include <cstdio>
#include <string_view>

#include "words_host.h"

namespace words {

void say(std::string_view text) { std::printf("enclave: %.*s\n", static_cast<int>(text.size()), text.data()); }

}  // namespace words

namespace {

int fail(const coffer::Error& error) {
  std::fprintf(stderr, "@NAME@: %s\n", error.message.c_str());
  return 2;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) {
    std::fputs("usage: @NAME@ @NAME@.enclave WORD...\n", stderr);
    return 2;
  }
  // A debug enclave in this process, where gdb sees both parts; COFFER_RUNG=process has it in a process of its own.
  const auto rung = coffer::rung_for_launch(/*debug=*/true);
  if (!rung) return fail(rung.error());
  auto enclave = coffer::Enclave::load(argv[1], {.rung = *rung});
  if (!enclave) return fail(enclave.error());
  if (auto started = enclave->start({}); !started) return fail(started.error());

  for (int i = 2; i < argc; ++i) {
    if (auto remembered = words::remember(*enclave, argv[i]); !remembered) return fail(remembered.error());
  }
  std::array<char, 64> word{};
  const auto size = words::longest(*enclave, word);
  if (!size) return fail(size.error());
  std::printf("the longest word is %.*s\n", static_cast<int>(std::min(*size, word.size())), word.data());
}
)";

constexpr std::string_view kTest =
    R"(// Calls the enclave as a host would, the hostile things among them.
#include <array>
#include <cstdio>
#include <cstdlib>
#include <string>

#include "words_host.h"

namespace {

int said = 0;

void check(bool good, const char* what) {
  if (good) return;
  std::fprintf(stderr, "failed: %s\n", what);
  std::exit(1);
}

}  // namespace

namespace words {

void say(std::string_view) { ++said; }

}  // namespace words

int main(int argc, char** argv) {
  check(argc == 2, "usage: words_test @NAME@.enclave");
  const auto rung = coffer::rung_for_launch(/*debug=*/true);
  check(rung.has_value(), "COFFER_RUNG");
  auto enclave = coffer::Enclave::load(argv[1], {.rung = *rung});
  check(enclave.has_value(), enclave ? "" : enclave.error().message.c_str());
  check(enclave->start({}).has_value(), "the start");

  check(words::remember(*enclave, "one").has_value(), "a call");
  check(words::remember(*enclave, "to").has_value(), "another");
  check(words::remember(*enclave, std::string(10000, 'x')).has_value(), "a long one");
  check(said == 2, "the enclave speaks of longer words only");

  std::array<char, 8> word{};
  const auto size = words::longest(*enclave, word);
  check(size.has_value() && *size == 10000, "the size of what does not fit");
  check(std::string_view(word.data(), word.size()) == "xxxxxxxx", "what fits of it");
  check(words::longest(*enclave, {}).has_value(), "no room at all");
  std::puts("good");
}
)";

constexpr std::string_view kSettings =
    R"(# What the enclave may have. Everything here is measured; docs/coffer-toml.md of Coffer lists all keys.
name = "@NAME@"
product_id = 1
svn = 1
threads = 8
heap_max = "64M"

# For development: the enclave can run in the host's process and be looked into. Take it out before secrets go in.
debug = true
)";

constexpr std::string_view kCmake =
    R"(# cmake -B build && cmake --build build && ctest --test-dir build
cmake_minimum_required(VERSION 3.20)
project(@NAME@ LANGUAGES CXX)
set(CMAKE_CXX_STANDARD 23)
if(NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE RelWithDebInfo)
endif()
find_package(Coffer REQUIRED COMPONENTS host enclave)
enable_testing()

# Inside.
add_executable(@NAME@_inside enclave/words.cc)
target_link_libraries(@NAME@_inside PRIVATE Coffer::enclave)
coffer_add_edl(words.edl ENCLAVE @NAME@_inside)
coffer_add_enclave(@NAME@_inside KEY ${CMAKE_CURRENT_BINARY_DIR}/signer.pem NEW_KEY CONFIG coffer.toml
                   OUTPUT @NAME@.enclave)

# Outside.
add_executable(@NAME@ host/main.cc)
target_link_libraries(@NAME@ PRIVATE Coffer::host)
coffer_add_edl(words.edl HOST @NAME@)

# Tests, with the enclave in the host's process and in one of its own.
add_executable(words_test tests/words_test.cc)
target_link_libraries(words_test PRIVATE Coffer::host)
coffer_add_edl(words.edl HOST words_test)
foreach(rung inline process)
  add_test(NAME words_${rung} COMMAND words_test ${CMAKE_CURRENT_BINARY_DIR}/@NAME@.enclave)
  set_tests_properties(words_${rung} PROPERTIES ENVIRONMENT COFFER_RUNG=${rung})
endforeach()
)";

constexpr std::string_view kReadme = R"(# @NAME@

An application in two parts: `host/` is an ordinary program, `enclave/` runs where it cannot look, and `words.edl` says what
they may ask of each other.

    cmake -B build && cmake --build build && ctest --test-dir build
    build/@NAME@ build/@NAME@.enclave some words to remember
    gdb --args build/@NAME@ build/@NAME@.enclave some words     breakpoints work in both parts

The enclave is a debug enclave, which keeps no secrets. For one that does, take `debug = true` out of `coffer.toml`, load it
with `rung_for_launch(false)`, and keep the key that signs it (`build/signer.pem` is one to play with) where nobody gets it.
)";

constexpr std::string_view kLaunch = R"({
  "version": "0.2.0",
  "configurations": [
    {
      "name": "@NAME@, both parts",
      "type": "cppdbg",
      "request": "launch",
      "program": "${workspaceFolder}/build/@NAME@",
      "args": ["${workspaceFolder}/build/@NAME@.enclave", "some", "words"],
      "cwd": "${workspaceFolder}",
      "environment": [{ "name": "COFFER_RUNG", "value": "inline" }],
      "MIMode": "gdb",
      "setupCommands": [{ "text": "set breakpoint pending on" }]
    }
  ]
}
)";

constexpr std::string_view kIgnore = "/build/\n*.pem\n";

constexpr TemplateFile kFiles[] = {{"words.edl", kEdl},        {"enclave/words.cc", kEnclave},
                                   {"host/main.cc", kHost},    {"tests/words_test.cc", kTest},
                                   {"coffer.toml", kSettings}, {"CMakeLists.txt", kCmake},
                                   {"README.md", kReadme},     {".vscode/launch.json", kLaunch},
                                   {".gitignore", kIgnore}};

}  // namespace

std::span<const TemplateFile> two_part_template() { return kFiles; }

}  // namespace coffer::cli
