#include "edl/command.h"

#include <fmt/format.h>

#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <string_view>
#include <system_error>

#include "edl/emit.h"
#include "edl/frontend.h"

namespace coffer::edl {
namespace {

void say(std::FILE* stream, const std::string& text) { std::fputs(text.c_str(), stream); }

Result<void> write_file(const GeneratedFile& file) {
  const std::filesystem::path path(file.path);
  std::error_code failed;
  if (path.has_parent_path()) std::filesystem::create_directories(path.parent_path(), failed);
  errno = 0;
  std::ofstream stream(path, std::ios::binary | std::ios::trunc);
  stream << file.text;
  stream.close();
  if (!stream) return system_error(fmt::format("{} cannot be written", file.path), errno);
  return {};
}

constexpr const char* kOpenEnclaveUsage =
    "usage: oeedger8r [options] <file> ...\n"
    "\n"
    "Coffer's EDL compiler under the name and with the options of Open Enclave's.\n"
    "\n"
    "  --search-path DIR     look for EDL files here too; may be given several times\n"
    "  --trusted             write the enclave's half (NAME_t.h, NAME_t.c, NAME_args.h)\n"
    "  --untrusted           write the host's half (NAME_u.h, NAME_u.c, NAME_args.h)\n"
    "                        without either, both\n"
    "  --trusted-dir DIR     write the enclave's half there\n"
    "  --untrusted-dir DIR   write the host's half there\n"
    "  --header-only         write headers alone\n"
    "  --use-prefix          put NAME_ before the names of the host's stubs\n"
    "  -DNAME                define NAME for #ifdef and #ifndef\n"
    "  -WNAME, -Wall         warn; -Wno-NAME not; -Werror, -Werror=NAME make errors of warnings; NAME is one of\n"
    "                        foreign-type-ptr, non-portable-type, ptr-in-struct, ptr-in-function, return-ptr,\n"
    "                        signed-size-or-count, unsupported-allow\n"
    "  --experimental        accepted, without effect\n"
    "  --help                print this\n";

constexpr const char* kSgxUsage =
    "usage: sgx_edger8r [options] <file> ...\n"
    "\n"
    "Coffer's EDL compiler under the name and with the options of the Intel SGX SDK's.\n"
    "\n"
    "  --search-path PATH    look for EDL files in these folders too, separated by `:'\n"
    "  --trusted             write the enclave's half (NAME_t.h, NAME_t.c)\n"
    "  --untrusted           write the host's half (NAME_u.h, NAME_u.c); without either, both\n"
    "  --trusted-dir DIR     write the enclave's half there\n"
    "  --untrusted-dir DIR   write the host's half there\n"
    "  --header-only         write headers alone\n"
    "  --use-prefix          put NAME_ before the names of the host's stubs\n"
    "  -DNAME                define NAME for #ifdef and #ifndef\n"
    "  --help                print this\n";

struct Arguments {
  Options options;
  std::vector<std::string> files;
};

// Reads what both compilers have in common. Returns an exit status where it is over.
class ArgumentReader {
 public:
  ArgumentReader(std::span<const char* const> arguments, const char* usage, Dialect dialect)
      : arguments_(arguments), usage_(usage) {
    result_.options.dialect = dialect;
    result_.options.trusted = result_.options.untrusted = false;
  }

  Result<Arguments> read() {
    while (next_ < arguments_.size() && problem_.empty()) one(arguments_[next_++]);
    if (problem_.empty() && result_.files.empty()) problem_ = "missing edl filename.";
    if (!problem_.empty()) return input_error(fmt::format("error: {}\n{}", problem_, usage_));
    if (!result_.options.trusted && !result_.options.untrusted) {
      result_.options.trusted = result_.options.untrusted = true;
    }
    return std::move(result_);
  }

 private:
  std::string folder(std::string_view option) {
    if (next_ < arguments_.size()) return arguments_[next_++];
    problem_ = fmt::format("missing directory name after {}", option);
    return {};
  }
  void search(std::string_view option) {
    std::string given = folder(option);
    if (result_.options.dialect == Dialect::kOpenEnclave) {
      result_.options.search_paths.push_back(std::move(given));
      return;
    }
    // What is given later is looked at earlier.
    std::vector<std::string> folders;
    std::string_view rest = given;
    while (!rest.empty()) {
      const std::size_t end = rest.find(':');
      if (end != 0) folders.emplace_back(rest.substr(0, end));
      rest = end == std::string_view::npos ? std::string_view() : rest.substr(end + 1);
    }
    auto& all = result_.options.search_paths;
    all.insert(all.begin(), folders.begin(), folders.end());
  }
  void one(std::string_view word) {
    Options& options = result_.options;
    if (word == "--search-path") return search(word);
    if (word == "--trusted-dir") {
      options.trusted_directory = folder(word);
    } else if (word == "--untrusted-dir") {
      options.untrusted_directory = folder(word);
    } else if (word == "--trusted") {
      options.trusted = true;
    } else if (word == "--untrusted") {
      options.untrusted = true;
    } else if (word == "--header-only") {
      options.header_only = true;
    } else if (word == "--use-prefix") {
      options.use_prefix = true;
    } else if (word == "--experimental") {
      // nothing is behind it any more
    } else if (word.starts_with("-D")) {
      if (word.size() == 2) problem_ = "macro name missing after '-D'";
      options.defined.emplace(
          word.substr(2, word.find('=') == std::string_view::npos ? word.npos : word.find('=') - 2));
    } else if (word.starts_with("-W")) {
      if (!options.warnings.set(word.substr(2))) problem_ = fmt::format("unknown warning option '{}'", word);
    } else if (word.starts_with("--")) {
      problem_ = fmt::format("unknown option '{}'", word);
    } else {
      result_.files.emplace_back(word);
    }
  }

  std::span<const char* const> arguments_;
  const char* usage_;
  std::size_t next_ = 0;
  std::string problem_;
  Arguments result_;
};

int run(std::span<const char* const> arguments, Dialect dialect) {
  const bool open_enclave = dialect == Dialect::kOpenEnclave;
  const char* const usage = open_enclave ? kOpenEnclaveUsage : kSgxUsage;
  for (const char* const each : arguments) {
    if (std::string_view(each) != "--help") continue;
    say(stdout, usage);
    return open_enclave ? 1 : 0;
  }
  const auto read = ArgumentReader(arguments, usage, dialect).read();
  if (!read) {
    say(stderr, read.error().message);
    return 1;
  }
  const bool talks = open_enclave;
  if (talks) say(stdout, "Generating edge routine, for the Open Enclave SDK.\n");
  const auto done = compile(read->files, read->options, [talks](const std::string& path) {
    if (talks) say(stdout, fmt::format("Processing {}.\n", path));
  });
  if (!done) {
    say(stderr, fmt::format("error: {}\n", done.error().message));
    return 1;
  }
  for (const Diagnostic& each : done->diagnostics) say(stderr, render(each, Rendering::kSeverityFirst));
  if (!done->good) return 1;
  if (talks) say(stdout, "Success.\n");
  return 0;
}

}  // namespace

Result<Compilation> compile(const std::vector<std::string>& files, const Options& options,
                            const std::function<void(const std::string& path)>& reading) {
  Compilation result;
  for (const std::string& file : files) {
    Diagnostics diagnostics;
    FrontEnd front_end(options, diagnostics, FrontEnd::read_file, reading);
    const auto interface = front_end.load(file);
    const auto& said = diagnostics.all();
    result.diagnostics.insert(result.diagnostics.end(), said.begin(), said.end());
    if (!interface) {
      result.good = false;
      break;
    }
    for (const GeneratedFile& each : emit(*interface, options)) {
      if (const auto done = write_file(each); !done) return std::unexpected(done.error());
      result.written.push_back(each.path);
    }
  }
  return result;
}

int run_oeedger8r(std::span<const char* const> arguments) { return run(arguments, Dialect::kOpenEnclave); }
int run_sgx_edger8r(std::span<const char* const> arguments) { return run(arguments, Dialect::kSgx); }

}  // namespace coffer::edl
