// coffer seal, coffer unseal: files that only enclaves of one signer on this platform can read.
#include <fmt/format.h>

#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include "base/hex.h"
#include "cli/verbs.h"
#include "host/sealing/file_sealer.h"

namespace coffer::cli {
namespace {

struct Options {
  std::string input, output, signer, label, aad;
  std::string policy = "mrsigner";
  unsigned product_id = 0, svn = 0;
  bool info = false, json = false;

  [[nodiscard]] host::SealerIdentity identity() const {
    return {
        .signer = signer, .product_id = static_cast<std::uint16_t>(product_id), .svn = static_cast<std::uint16_t>(svn)};
  }
};

int seal(const Options& options) {
  const auto policy = options.policy == "mrenclave" ? SealPolicy::kMrEnclave : SealPolicy::kMrSigner;
  const auto sealed = host::seal_file({.input = options.input,
                                       .output = options.output,
                                       .identity = options.identity(),
                                       .policy = policy,
                                       .readable = options.label,
                                       .bound = options.aad});
  return sealed ? 0 : report(sealed.error());
}

std::string hex(std::span<const std::byte> bytes) { return to_hex(bytes); }

int print_info(const Options& options) {
  const auto file = host::inspect_sealed_file(options.input);
  if (!file) return report(file.error());
  const SealTo& to = file->info.to;
  const char* policy = to.policy == SealPolicy::kMrSigner ? "mrsigner" : "mrenclave";
  if (options.json) {
    nlohmann::ordered_json json;
    json["policy"] = policy;
    json["svn"] = *to.svn;
    json["cpusvn"] = hex(file->info.cpu_svn);
    json["key_id"] = hex(file->info.key_id);
    json["block_size"] = file->info.secret_size;
    json["file_size"] = file->file_size;
    json["label"] = file->readable;
    std::puts(json.dump(2, ' ', false, nlohmann::json::error_handler_t::replace).c_str());
    return 0;
  }
  fmt::print("{}: a sealed file; nothing here is proven before it is unsealed\n", options.input);
  fmt::print("  for      {}\n", to.policy == SealPolicy::kMrSigner ? "programs of one signer and product (mrsigner)"
                                                                   : "one program alone (mrenclave)");
  fmt::print("  version  {} or higher\n  key id   {}\n  size     {} bytes\n", *to.svn, hex(file->info.key_id),
             file->file_size);
  if (!file->readable.empty()) fmt::print("  label    {} bytes: see --json\n", file->readable.size());
  return 0;
}

int unseal(const Options& options) {
  if (options.info) return print_info(options);
  if (options.output.empty()) {
    return report({ErrorKind::kInput, "-o says where to write the file, and is missing; see `coffer unseal --help`"});
  }
  const auto opened = host::unseal_file(
      {.input = options.input, .output = options.output, .identity = options.identity(), .bound = options.aad});
  return opened ? 0 : report(opened.error());
}

void add_identity(CLI::App& verb, Options& options) {
  verb.add_option("--signer", options.signer, "The signing key (PEM) of the enclaves that share the file")
      ->type_name("FILE");
  verb.add_option("--product-id", options.product_id, "Their product id (0)")
      ->check(CLI::Range(0u, 65535u).description(""))
      ->type_name("N");
  verb.add_option("--svn", options.svn, "Security version of the sealer (0)")
      ->check(CLI::Range(0u, 65535u).description(""))
      ->type_name("N");
  verb.add_option("--aad", options.aad, "Additional data that is not stored: unsealing needs the same again")
      ->type_name("TEXT");
}

}  // namespace

void add_seal(CLI::App& app, int& status) {
  auto options = std::make_shared<Options>();
  CLI::App* verb = app.add_subcommand("seal", "Encrypt a file for enclaves of this platform");
  verb->footer(
      "Examples:\n"
      "  coffer seal secrets.txt -o secrets.sealed\n"
      "  coffer seal model.bin -o model.sealed --signer signer.pem --product-id 3 --svn 2\n"
      "  tar c data | coffer seal - -o data.sealed --aad backup-7\n\n"
      "The file passes through an enclave of Coffer's, block by block, and only there it can be unsealed again: on "
      "this\n"
      "platform (the same state directory), by enclaves of the same signer and product with at least the same SVN. "
      "With\n"
      "--signer that is also your own program, by coffer::unseal_stream(); without, it is Coffer's sealer, signed "
      "with\n"
      "a key of this platform. With --policy mrenclave it is this build of the sealer alone.\n"
      "Whoever can read the platform's keys can unseal everything; sealed files of old can be put back unnoticed.");
  verb->add_option("FILE", options->input, "The file to seal; - for standard input")->required();
  verb->add_option("-o,--output", options->output, "Where to write the sealed file")->required()->type_name("OUT");
  verb->add_option("--policy", options->policy,
                   "mrsigner (default): the signer's enclaves; mrenclave: this sealer only")
      ->check(CLI::IsMember({"mrsigner", "mrenclave"}).description(""))
      ->type_name("POLICY");
  add_identity(*verb, *options);
  verb->add_option("--label", options->label, "Additional data that everybody can read in the sealed file")
      ->type_name("TEXT");
  verb->callback([options, &status] { status = seal(*options); });

  auto reverse = std::make_shared<Options>();
  CLI::App* unseal_verb = app.add_subcommand("unseal", "Decrypt a sealed file, on the platform where it was sealed");
  unseal_verb->footer(
      "Examples:\n"
      "  coffer unseal secrets.sealed -o secrets.txt\n"
      "  coffer unseal model.sealed -o model.bin --signer signer.pem --product-id 3 --svn 2\n"
      "  coffer unseal data.sealed --info --json\n\n"
      "OUT is written as a whole or not at all, readable by its owner only.\n"
      "Exit status: 0 unsealed, 1 the file is refused: changed, cut short, or not for this sealer; 2 usage or input.");
  unseal_verb->add_option("FILE", reverse->input, "The sealed file")->required();
  unseal_verb->add_option("-o,--output", reverse->output, "Where to write the file")->type_name("OUT");
  add_identity(*unseal_verb, *reverse);
  unseal_verb->add_flag("--info", reverse->info, "Only say what the file says about itself");
  unseal_verb->add_flag("--json", reverse->json, "With --info: JSON for machines");
  unseal_verb->callback([reverse, &status] { status = unseal(*reverse); });
}

}  // namespace coffer::cli
