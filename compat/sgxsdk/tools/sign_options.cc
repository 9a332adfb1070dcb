#include "compat/sgxsdk/tools/sign_options.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace coffer::sgxsdk {
namespace {

enum class Need { kNo, kMay, kMust };

struct OptionRule {
  std::string_view name;
  std::string SignOptions::* place;
  std::array<Need, 4> need;  // by verb: sign, gendata, catsig, dump
};

constexpr std::array<std::string_view, 4> kVerbs = {"sign", "gendata", "catsig", "dump"};
constexpr std::array<OptionRule, 8> kRules = {{
    {"-enclave", &SignOptions::enclave, {Need::kMust, Need::kMust, Need::kMust, Need::kMust}},
    {"-config", &SignOptions::config, {Need::kMay, Need::kMay, Need::kMay, Need::kNo}},
    {"-key", &SignOptions::key, {Need::kMust, Need::kNo, Need::kMust, Need::kNo}},
    {"-out", &SignOptions::output, {Need::kMust, Need::kMust, Need::kMust, Need::kNo}},
    {"-sig", &SignOptions::signature, {Need::kNo, Need::kNo, Need::kMust, Need::kNo}},
    {"-unsigned", &SignOptions::unsigned_file, {Need::kNo, Need::kNo, Need::kMust, Need::kNo}},
    {"-dumpfile", &SignOptions::dump_file, {Need::kMay, Need::kNo, Need::kMay, Need::kMust}},
    {"-cssfile", &SignOptions::css_file, {Need::kMay, Need::kNo, Need::kMay, Need::kMay}},
}};

Result<void> check_needs(const SignOptions& options) {
  const auto verb = static_cast<std::size_t>(options.verb);
  for (const OptionRule& rule : kRules) {
    const bool given = !(options.*rule.place).empty();
    if (given && rule.need[verb] == Need::kNo) {
      return input_error(fmt::format("`{}` does not take {}", kVerbs[verb], rule.name));
    }
    if (!given && rule.need[verb] == Need::kMust) {
      return input_error(fmt::format("`{}` needs {} FILE", kVerbs[verb], rule.name));
    }
  }
  if (options.resign && options.verb != SignVerb::kSign) return input_error("-resign belongs to `sign`");
  return {};
}

}  // namespace

Result<SignOptions> parse_sign_options(std::span<const std::string_view> arguments) {
  SignOptions options;
  if (arguments.size() == 1) {
    options.help = arguments[0] == "-help" || arguments[0] == "--help";
    options.version = arguments[0] == "-version" || arguments[0] == "--version";
    if (options.help || options.version) return options;
  }
  if (arguments.empty()) return input_error("says nothing to do: sign, gendata, catsig or dump comes first");
  const auto verb = std::ranges::find(kVerbs, arguments[0]);
  if (verb == kVerbs.end()) {
    return input_error(fmt::format("`{}` is none of sign, gendata, catsig, dump", arguments[0]));
  }
  options.verb = static_cast<SignVerb>(verb - kVerbs.begin());
  for (std::size_t i = 1; i < arguments.size(); ++i) {
    if (arguments[i] == "-resign") {
      options.resign = true;
      continue;
    }
    // What they allow is not wrong here in the first place.
    if (arguments[i] == "-ignore-rel-error" || arguments[i] == "-ignore-init-sec-error") continue;
    const auto rule = std::ranges::find(kRules, arguments[i], &OptionRule::name);
    if (rule == kRules.end()) return input_error(fmt::format("`{}` is no option of sgx_sign", arguments[i]));
    if (i + 1 == arguments.size() || arguments[i + 1].empty()) {
      return input_error(fmt::format("{} needs a file after it", rule->name));
    }
    std::string& place = options.*rule->place;
    if (!place.empty()) return input_error(fmt::format("{} is given twice", rule->name));
    place = arguments[++i];
  }
  if (auto checked = check_needs(options); !checked) return std::unexpected(checked.error());
  return options;
}

std::string_view sign_usage() {
  return "Signs enclaves that were built for the Intel SGX SDK, for Coffer.\n\n"
         "Usage:\n"
         "  sgx_sign sign -enclave FILE -key FILE -out FILE [-config FILE] [-dumpfile FILE] [-cssfile FILE] [-resign]\n"
         "  sgx_sign gendata -enclave FILE -out FILE [-config FILE]\n"
         "  sgx_sign catsig -enclave FILE -key PUBLIC_KEY -sig FILE -unsigned FILE -out FILE [-config FILE]\n"
         "                  [-dumpfile FILE] [-cssfile FILE]\n"
         "  sgx_sign dump -enclave FILE -dumpfile FILE [-cssfile FILE]\n\n"
         "  -enclave FILE    the enclave as the linker made it; for dump and -resign a signed one\n"
         "  -config FILE     Enclave.config.xml\n"
         "  -key FILE        RSA-3072 key with exponent 3 (PEM)\n"
         "  -unsigned FILE   what gendata wrote; -sig FILE: its signature (RSA PKCS #1 v1.5, SHA-256), made elsewhere\n"
         "  -dumpfile FILE   what the signature says, as text; -cssfile FILE: the SIGSTRUCT, 1808 bytes\n\n"
         "Examples:\n"
         "  sgx_sign sign -key private.pem -enclave enclave.so -config Enclave.config.xml -out enclave.signed.so\n"
         "  with a key that lives elsewhere:\n"
         "  sgx_sign gendata -enclave enclave.so -config Enclave.config.xml -out to_sign\n"
         "  openssl dgst -sha256 -sign private.pem -out signature to_sign\n"
         "  sgx_sign catsig -enclave enclave.so -config Enclave.config.xml -key public.pem -sig signature \\\n"
         "    -unsigned to_sign -out enclave.signed.so\n";
}

}  // namespace coffer::sgxsdk
