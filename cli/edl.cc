// coffer edl: the code that carries calls between a host and its enclave, from their EDL file.
#include "edl/command.h"

#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "cli/verbs.h"

namespace coffer::cli {
namespace {

struct Words {
  std::vector<std::string> files;
  std::string dialect = "coffer";
  std::vector<std::string> defined, warnings;
  edl::Options options;
  bool trusted = false, untrusted = false, experimental = false, json = false;
};

nlohmann::ordered_json to_json(const edl::Compilation& compilation) {
  nlohmann::ordered_json json;
  json["good"] = compilation.good;
  json["written"] = compilation.written;
  json["diagnostics"] = nlohmann::ordered_json::array();
  for (const edl::Diagnostic& each : compilation.diagnostics) {
    nlohmann::ordered_json one;
    one["severity"] = each.severity == edl::Severity::kError ? "error" : "warning";
    one["message"] = each.message;
    one["advice"] = each.advice;
    if (each.place.file) {
      one["file"] = each.place.file->path;
      one["line"] = each.place.line;
      one["column"] = each.place.column;
    }
    json["diagnostics"].push_back(std::move(one));
  }
  return json;
}

int run(Words& words) {
  edl::Options& options = words.options;
  options.dialect = words.dialect == "sgx"           ? edl::Dialect::kSgx
                    : words.dialect == "openenclave" ? edl::Dialect::kOpenEnclave
                                                     : edl::Dialect::kCoffer;
  options.trusted = words.trusted || !words.untrusted;
  options.untrusted = words.untrusted || !words.trusted;
  for (const std::string& name : words.defined) options.defined.insert(name.substr(0, name.find('=')));
  for (const std::string& warning : words.warnings) {
    if (options.warnings.set(warning)) continue;
    return report({ErrorKind::kInput, "-W" + warning + " is no warning; `coffer edl --help` lists them"});
  }
  const auto done = edl::compile(words.files, options);
  if (!done) return report(done.error());
  if (words.json) {
    std::fputs((to_json(*done).dump(2) + "\n").c_str(), stdout);
  } else {
    for (const edl::Diagnostic& each : done->diagnostics) {
      std::fputs(render(each, edl::Rendering::kCompiler).c_str(), stderr);
    }
  }
  return done->good ? 0 : 2;
}

constexpr const char* kFooter =
    "Examples:\n"
    "  coffer edl calc.edl\n"
    "  coffer edl calc.edl --untrusted --untrusted-dir host --search-path ../interfaces\n"
    "  coffer edl --dialect openenclave helloworld.edl --trusted --search-path /usr/include\n"
    "  coffer edl calc.edl -Wall -Werror=return-ptr -DWITH_LOGGING\n\n"
    "What is written for NAME.edl: with the dialect coffer NAME_types.h, NAME_host.h, NAME_host.cc, NAME_enclave.h "
    "and\n"
    "NAME_enclave.cc; with openenclave NAME_args.h, NAME_u.h, NAME_u.c, NAME_t.h and NAME_t.c; with sgx NAME_u.h, "
    "NAME_u.c,\n"
    "NAME_t.h and NAME_t.c. The commands oeedger8r and sgx_edger8r take the options of those SDKs' own compilers.\n\n"
    "Warnings: non-portable-type (Open Enclave's dialect alone), signed-size-or-count and unused-private are on; off "
    "are\n"
    "foreign-type-ptr, ptr-in-struct, ptr-in-function, return-ptr and unsupported-allow. -Wno-NAME turns one off and "
    "is\n"
    "stronger than -Werror=NAME, which is stronger than -WNAME; -Wall and -Werror are for all of them.\n\n"
    "Exit status: 0 everything was written, 2 there are errors.";

}  // namespace

void add_edl(CLI::App& app, int& status) {
  CLI::App* verb = app.add_subcommand("edl", "Write the code that carries calls between host and enclave");
  verb->footer(kFooter);
  auto words = std::make_shared<Words>();
  edl::Options& options = words->options;
  verb->add_option("FILE", words->files, "EDL files")->required();
  verb->add_option("--dialect", words->dialect, "Whose code to write: coffer (C++), openenclave or sgx (C)")
      ->check(CLI::IsMember({"coffer", "openenclave", "sgx"}))
      ->type_name("NAME")
      ->capture_default_str();
  verb->add_flag("--trusted", words->trusted, "Write the enclave's half; without this and --untrusted, both");
  verb->add_flag("--untrusted", words->untrusted, "Write the host's half");
  verb->add_option("--trusted-dir", options.trusted_directory, "Where to write the enclave's half")
      ->type_name("FOLDER");
  verb->add_option("--untrusted-dir", options.untrusted_directory, "Where to write the host's half")
      ->type_name("FOLDER");
  verb->add_option("--search-path", options.search_paths, "A folder to look for EDL files in; several times")
      ->type_name("FOLDER")
      ->allow_extra_args(false)
      ->take_all();
  verb->add_flag("--header-only", options.header_only, "Write headers alone");
  verb->add_flag("--use-prefix", options.use_prefix, "Put NAME_ before the host's stubs (openenclave, sgx)");
  verb->add_option("-D", words->defined, "Define a name for #ifdef and #ifndef")
      ->type_name("NAME")
      ->allow_extra_args(false)
      ->take_all();
  verb->add_option("-W", words->warnings, "A warning: NAME, no-NAME, error=NAME, all, error")
      ->type_name("NAME")
      ->allow_extra_args(false)
      ->take_all();
  verb->add_flag("--experimental", words->experimental, "Accepted, without effect");
  verb->add_flag("--json", words->json, "Print what was written and said as JSON");
  verb->callback([words, &status] { status = run(*words); });
}

}  // namespace coffer::cli
