#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "compat/openenclave/tools/oesign.h"

namespace coffer::openenclave {
namespace {

constexpr std::string_view kUsage = R"(usage: oesign COMMAND OPTIONS
  sign     makes a signed image of an enclave
  digest   writes what is to be signed with a key that is kept elsewhere
  dump     says what an enclave or an image contains
oesign COMMAND --help has more.
)";

constexpr std::string_view kSettings = R"(
Settings, NAME=VALUE lines of CONFIG, over what OE_SET_ENCLAVE_SGX says in the enclave's sources:
  Debug                  1: a debug enclave, which protects nothing and can be debugged (0)
  NumHeapPages           what malloc() gives at most, in pages of 4096 bytes
  NumStackPages          the stack of each thread, in pages
  NumTCS                 ECALLs that can be inside at once
  ProductID              number from 0 to 65535
  SecurityVersion        number from 0 to 65535
  FamilyID, ExtendedProductID
                         ids like 2768c720-1e28-11eb-adc1-0242ac120002; each switches key separation on
  CapturePFGPExceptions, CreateZeroBaseEnclave, StartAddress
                         accepted; see docs/sdk/openenclave.md
)";

constexpr std::string_view kSign = R"(usage: oesign sign -e ENCLAVE [-c CONFIG] -k KEY [-o OUT]
       oesign sign -e ENCLAVE [-c CONFIG] -x CERTIFICATE -d SIGNATURE [-o OUT]
  -e, --enclave-image FILE   the enclave: a static-pie ELF program
  -c, --config-file FILE     settings, see below
  -k, --key-file FILE        private RSA-3072 key with exponent 3 (PEM)
  -x, --x509 FILE            certificate of the key that signed elsewhere (PEM)
  -d, --digest-file FILE     the signature made elsewhere over what `oesign digest` wrote
  -o, --output-file FILE     the signed image (ENCLAVE.signed)
Examples:
  openssl genrsa -out key.pem -3 3072 && oesign sign -e enclave -c enclave.conf -k key.pem
)";

constexpr std::string_view kDigest = R"(usage: oesign digest -e ENCLAVE [-c CONFIG] -d DIGEST
  -e, --enclave-image FILE   the enclave: a static-pie ELF program
  -c, --config-file FILE     settings, see `oesign sign --help`
  -d, --digest-file FILE     where the SHA-256 to sign goes: 32 raw bytes
Example:
  oesign digest -e enclave -c enclave.conf -d digest
  openssl pkeyutl -sign -pkeyopt digest:sha256 -in digest -inkey key.pem -out signature
  oesign sign -e enclave -c enclave.conf -x certificate.pem -d signature
)";

constexpr std::string_view kDump = R"(usage: oesign dump -e FILE
  -e, --enclave-image FILE   an enclave, or an image that `oesign sign` wrote
)";

struct Option {
  char letter;
  std::string_view name;
  std::string SignOptions::* value;
  std::string_view commands;  // first letters
};
constexpr std::array<Option, 6> kOptions = {{
    {'e', "enclave-image", &SignOptions::enclave, "sign digest dump"},
    {'c', "config-file", &SignOptions::configuration, "sign digest"},
    {'k', "key-file", &SignOptions::key, "sign"},
    {'x', "x509", &SignOptions::certificate, "sign"},
    {'d', "digest-file", &SignOptions::digest, "sign digest"},
    {'o', "output-file", &SignOptions::output, "sign"},
}};

// `word` as an option, and its value where it is written in the same word.
struct Found {
  const Option* option = nullptr;
  std::string_view value;
  bool has_value = false;
};
Found find(std::string_view word) {
  if (word.starts_with("--")) {
    const auto equals = word.find('=');
    const std::string_view name = word.substr(2, equals == std::string_view::npos ? equals : equals - 2);
    const auto* found = std::ranges::find(kOptions, name, &Option::name);
    if (found == kOptions.end()) return {};
    if (equals == std::string_view::npos) return {found, {}, false};
    return {found, word.substr(equals + 1), true};
  }
  if (word.size() < 2 || word[0] != '-') return {};
  const auto* found = std::ranges::find(kOptions, word[1], &Option::letter);
  if (found == kOptions.end()) return {};
  return {found, word.substr(2), word.size() > 2};
}

Result<void> check(const SignOptions& options) {
  if (options.enclave.empty()) return input_error("-e FILE is missing: the enclave");
  if (options.command == "digest" && options.digest.empty()) return input_error("-d FILE is missing: the digest");
  if (options.command != "sign") return {};
  const bool elsewhere = !options.certificate.empty() || !options.digest.empty();
  if (elsewhere && !options.key.empty()) return input_error("-k and -x with -d exclude each other");
  if (elsewhere && (options.certificate.empty() || options.digest.empty())) {
    return input_error("-x and -d belong together");
  }
  if (!elsewhere && options.key.empty()) return input_error("-k FILE is missing: the key");
  return {};
}

}  // namespace

Result<SignOptions> parse_sign_options(std::span<const std::string_view> arguments) {
  SignOptions options;
  if (arguments.empty()) return input_error("a command is missing: sign, digest or dump");
  if (arguments[0] == "--help" || arguments[0] == "-h") {
    options.help = true;
    return options;
  }
  options.command = arguments[0];
  if (sign_usage(options.command).empty()) {
    return input_error(fmt::format("{}: no such command; there are sign, digest and dump", arguments[0]));
  }
  for (std::size_t i = 1; i < arguments.size(); ++i) {
    const std::string_view word = arguments[i];
    if (word == "--help" || word == "-h") {
      options.help = true;
      return options;
    }
    const Found found = find(word);
    if (found.option == nullptr || !found.option->commands.contains(options.command)) {
      const bool engine = word == "-n" || word == "--engine" || word == "-i" || word == "--key-id";
      return input_error(fmt::format("{}: no such option of {}{}", word, options.command,
                                     engine ? "; for keys in an HSM use `oesign digest`, then -x and -d" : ""));
    }
    if (!found.has_value && ++i == arguments.size()) return input_error(fmt::format("{}: its value is missing", word));
    options.*(found.option->value) = found.has_value ? found.value : arguments[i];
  }
  if (auto checked = check(options); !checked) return std::unexpected(checked.error());
  return options;
}

std::string_view sign_usage(std::string_view command) {
  static const std::string sign = std::string(kSign) + std::string(kSettings);
  if (command == "sign") return sign;
  if (command == "digest") return kDigest;
  if (command == "dump") return kDump;
  return command.empty() ? kUsage : "";
}

}  // namespace coffer::openenclave
