// coffer inspect: explains and checks any SGX enclave.
#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include "base/file.h"
#include "base/hex.h"
#include "cli/attribute_names.h"
#include "cli/verbs.h"
#include "host/image/coffer_image.h"
#include "host/image/foreign/foreign_image.h"
#include "sgx/sigstruct.h"

namespace coffer::cli {
namespace {

constexpr std::size_t kFileLimit = std::size_t{1} << 31;

struct Options {
  std::string file;
  std::string signature;
  bool json = false;
};

// What measuring one description of an enclave and checking its SIGSTRUCT found.
struct Check {
  std::string format, detail;
  std::optional<sgx::Sigstruct> sigstruct;
  std::optional<sgx::MrEnclave> measured;
  std::optional<std::uint64_t> size, base, threads, pages;
  std::optional<bool> signature_valid, measurement_matches;
};

struct Inspection {
  std::vector<Check> checks;  // the first is the one that loaders take
  std::string signature_file;

  [[nodiscard]] const Check& first() const { return checks.front(); }
};

template <class Digest>
std::string hex(const Digest& digest) {
  return to_hex(bytes_of(digest.bytes));
}

// A debug launch is possible unless the SIGSTRUCT fixes the DEBUG attribute to zero.
bool debug_allowed(const sgx::Sigstruct& sigstruct) {
  return (sigstruct.attribute_mask.flags & sgx::attribute::kDebug) == 0 ||
         (sigstruct.attributes.flags & sgx::attribute::kDebug) != 0;
}

void check_signature(Check& check, const sgx::Sigstruct& sigstruct) {
  check.sigstruct = sigstruct;
  check.signature_valid = sgx::verify(sigstruct) == sgx::LeafError::kSuccess;
}

void note_measurement(Check& check, const sgx::MeasuringBuilder& builder) {
  check.measured = builder.mrenclave();
  check.size = builder.parameters().size;
  check.threads = builder.tcs_count();
  check.pages = builder.page_count();
  if (check.sigstruct) check.measurement_matches = check.measured == check.sigstruct->enclave_hash;
}

Result<Inspection> inspect_coffer_image(ByteView file, const Options& options) {
  if (!options.signature.empty()) return input_error("a Coffer image carries its signature; leave out --signature");
  const auto image = image::CofferImage::parse(file, options.file);
  if (!image) return std::unexpected(image.error());
  Inspection inspection;
  Check& check = inspection.checks.emplace_back();
  check.format = "coffer";
  check_signature(check, image->sigstruct());
  sgx::MeasuringBuilder builder;
  if (auto described = image->describe(builder); !described) return std::unexpected(described.error());
  note_measurement(check, builder);
  return inspection;
}

Result<Check> check_foreign(const image::ForeignEnclave& enclave) {
  Check check;
  check.format = enclave.format();
  check.detail = enclave.detail();
  check.base = enclave.base();
  if (enclave.sigstruct() != nullptr) check_signature(check, *enclave.sigstruct());
  if (!enclave.has_pages()) return check;
  sgx::MeasuringBuilder builder;
  if (auto described = enclave.describe(builder); !described) return std::unexpected(described.error());
  note_measurement(check, builder);
  return check;
}

// The SIGSTRUCT beside a stream: x.sgxs goes with x.sig, x.sigstruct, x.sgxs.sig or x.sgxs.sigstruct.
std::string signature_beside(const std::filesystem::path& file) {
  for (const char* extension : {".sig", ".sigstruct"}) {
    std::filesystem::path replaced = file, appended = file;
    replaced.replace_extension(extension);
    appended += extension;
    for (const auto& candidate : {replaced, appended}) {
      std::error_code ignored;
      if (candidate != file && std::filesystem::is_regular_file(candidate, ignored)) return candidate.string();
    }
  }
  return {};
}

bool is_sgxs_name(const std::filesystem::path& file) { return file.extension() == ".sgxs"; }

Result<Inspection> inspect(const Options& options) {
  auto file = read_file(options.file, kFileLimit);
  if (!file) return std::unexpected(file.error());
  if (image::CofferImage::recognises(*file)) return inspect_coffer_image(*file, options);

  Inspection inspection;
  inspection.signature_file = options.signature;
  if (inspection.signature_file.empty() && is_sgxs_name(options.file)) {
    inspection.signature_file = signature_beside(options.file);
  }
  std::optional<std::vector<std::byte>> signature;
  if (!inspection.signature_file.empty()) {
    auto content = read_file(inspection.signature_file, sizeof(sgx::Sigstruct) + 1);
    if (!content) return std::unexpected(content.error());
    signature = std::move(*content);
  }
  const auto enclaves = image::open_foreign(std::move(*file), std::move(signature));
  if (!enclaves) return input_error(options.file + ": " + enclaves.error().message);
  for (const auto& enclave : *enclaves) {
    auto check = check_foreign(*enclave);
    if (!check) return input_error(options.file + ": " + check.error().message);
    inspection.checks.push_back(std::move(*check));
  }
  return inspection;
}

// False where any description is wrong, true where one was checked and none is wrong.
std::optional<bool> all_of(const Inspection& inspection, std::optional<bool> Check::* member) {
  std::optional<bool> result;
  for (const Check& check : inspection.checks) {
    if (check.*member) result = result.value_or(true) && *(check.*member);
  }
  return result;
}

template <class T>
nlohmann::ordered_json or_null(const std::optional<T>& value) {
  return value ? nlohmann::ordered_json(*value) : nlohmann::ordered_json(nullptr);
}

nlohmann::ordered_json attributes_json(const sgx::Sigstruct& sigstruct) {
  return {{"flags", fmt::format("{:#018x}", sigstruct.attributes.flags)},
          {"flags_mask", fmt::format("{:#018x}", sigstruct.attribute_mask.flags)},
          {"names", names_of_flags(sigstruct.attributes.flags)},
          {"xfrm", fmt::format("{:#018x}", sigstruct.attributes.xfrm)},
          {"xfrm_mask", fmt::format("{:#018x}", sigstruct.attribute_mask.xfrm)}};
}

void add_sigstruct_json(nlohmann::ordered_json& json, const std::optional<sgx::Sigstruct>& sigstruct) {
  if (!sigstruct) {
    for (const char* field : {"mrsigner", "isvprodid", "isvsvn", "attributes", "debug", "signed_mrenclave"}) {
      json[field] = nullptr;
    }
    return;
  }
  json["mrsigner"] = hex(sgx::mrsigner_of(*sigstruct));
  json["isvprodid"] = sigstruct->isv_prod_id;
  json["isvsvn"] = sigstruct->isv_svn;
  json["attributes"] = attributes_json(*sigstruct);
  json["debug"] = debug_allowed(*sigstruct);
  json["signed_mrenclave"] = hex(sigstruct->enclave_hash);
  json["miscselect"] = sigstruct->misc_select;
  json["date"] = fmt::format("{:08x}", sigstruct->date);
  json["vendor"] = sigstruct->vendor;
  json["isv_family_id"] = to_hex(bytes_of(sigstruct->isv_family_id));
  json["isv_ext_prod_id"] = to_hex(bytes_of(sigstruct->isv_ext_prod_id));
}

std::optional<std::string> mrenclave_of(const Check& check) {
  if (check.measured) return hex(*check.measured);
  return check.sigstruct ? std::optional(hex(check.sigstruct->enclave_hash)) : std::nullopt;
}

nlohmann::ordered_json to_json(const Inspection& inspection) {
  const Check& first = inspection.first();
  nlohmann::ordered_json json;
  json["format"] = first.format;
  json["format_detail"] = first.detail;
  json["mrenclave"] = or_null(mrenclave_of(first));
  add_sigstruct_json(json, first.sigstruct);
  json["size"] = or_null(first.size);
  json["base"] = or_null(first.base);
  json["threads"] = or_null(first.threads);
  json["pages"] = or_null(first.pages);
  json["signature_valid"] = or_null(all_of(inspection, &Check::signature_valid));
  json["mrenclave_matches"] = or_null(all_of(inspection, &Check::measurement_matches));
  if (!inspection.signature_file.empty()) json["signature_file"] = inspection.signature_file;
  if (inspection.checks.size() == 1) return json;
  for (const Check& check : inspection.checks) {
    json["descriptions"].push_back({{"format_detail", check.detail},
                                    {"mrenclave", or_null(mrenclave_of(check))},
                                    {"signature_valid", or_null(check.signature_valid)},
                                    {"mrenclave_matches", or_null(check.measurement_matches)}});
  }
  return json;
}

void line(const char* label, const std::string& value, const char* meaning) {
  std::fputs(fmt::format("  {:<18} {}\n  {:<18}   {}\n", label, value, "", meaning).c_str(), stdout);
}

void print_sigstruct(const sgx::Sigstruct& sigstruct) {
  const std::string flags = fmt::format("{}", fmt::join(names_of_flags(sigstruct.attributes.flags), " "));
  const std::string features = fmt::format("{}", fmt::join(names_of_features(sigstruct.attributes.xfrm), " "));
  line("MRSIGNER", hex(sgx::mrsigner_of(sigstruct)), "who signed it: the SHA-256 of the signer's public key");
  line("product", fmt::format("{}", sigstruct.isv_prod_id), "ISVPRODID: which of the signer's products this is");
  line("version", fmt::format("{}", sigstruct.isv_svn),
       "ISVSVN: its security version; data sealed by a higher one stays closed to it");
  if ((sigstruct.attributes.flags & sgx::attribute::kKss) != 0) {
    line("family", to_hex(bytes_of(sigstruct.isv_family_id)),
         "ISVFAMILYID: which of the signer's product families this is");
    line("extended id", to_hex(bytes_of(sigstruct.isv_ext_prod_id)),
         "ISVEXTPRODID: which product, where a small number does not do");
  }
  line("attributes", flags.empty() ? "none" : flags, "what the enclave is allowed (ATTRIBUTES.FLAGS)");
  line("CPU state", features, "register sets that the enclave may use (ATTRIBUTES.XFRM)");
  line("debug", debug_allowed(sigstruct) ? "yes" : "no",
       debug_allowed(sigstruct) ? "it may be started with its memory open to debuggers: not for secrets"
                                : "it cannot be started with its memory open to debuggers");
  line("signed on",
       fmt::format("{:04x}-{:02x}-{:02x}", sigstruct.date >> 16, sigstruct.date >> 8 & 0xff, sigstruct.date & 0xff),
       sigstruct.vendor == 0 ? "the date in its signature"
                             : "the date in its signature, which names Intel as its vendor");
}

void print_image(const Check& check) {
  if (!check.measured) return;
  line("size", fmt::format("{} bytes", *check.size), "the range of addresses that it takes");
  line("base", check.base ? fmt::format("{:#x}", *check.base) : "any", "the address that it must be loaded at");
  line("threads", fmt::format("{}", *check.threads), "TCS pages: how many threads can be inside at once");
  line("pages", fmt::format("{}", *check.pages), "pages of 4096 bytes that are there when it starts");
}

std::string verdict(const std::optional<bool>& value, const char* unknown) {
  if (!value) return unknown;
  return *value ? "right" : "WRONG";
}

void print_human(const Inspection& inspection, const Options& options) {
  const Check& first = inspection.first();
  std::fputs(fmt::format("{}\n", options.file).c_str(), stdout);
  line("format", first.detail.empty() ? first.format : first.format + ", " + first.detail, "how the file is laid out");
  line("MRENCLAVE", mrenclave_of(first).value_or("unknown"),
       first.measured ? "what it is: the measurement of its pages, computed from this file"
                      : "what it is: the measurement that was signed; there are no pages here to compute it from");
  if (first.sigstruct) print_sigstruct(*first.sigstruct);
  print_image(first);
  const auto matches = all_of(inspection, &Check::measurement_matches);
  line("signature", verdict(all_of(inspection, &Check::signature_valid), "none"),
       first.sigstruct ? "RSA-3072 over the SIGSTRUCT, and all that a processor checks about it"
                       : "nothing to check: give the SIGSTRUCT with --signature");
  line("measurement", verdict(matches, "not compared"),
       matches == false && first.sigstruct ? "the pages are not the ones that were signed"
                                           : "the pages against the measurement that was signed");
  if (matches == false) {
    line("signed MRENCLAVE", hex(first.sigstruct->enclave_hash), "the measurement that was signed");
  }
  for (std::size_t i = 1; i < inspection.checks.size(); ++i) {
    const Check& other = inspection.checks[i];
    line("also described by",
         fmt::format("{}: signature {}, measurement {}", other.detail, verdict(other.signature_valid, "none"),
                     verdict(other.measurement_matches, "not compared")),
         "older or newer loaders take this description of the same enclave");
  }
}

int run(const Options& options) {
  const auto inspection = inspect(options);
  if (!inspection) return report(inspection.error());
  if (options.json) {
    std::fputs((to_json(*inspection).dump(2) + "\n").c_str(), stdout);
  } else {
    print_human(*inspection, options);
  }
  if (all_of(*inspection, &Check::signature_valid) == false) {
    return report({ErrorKind::kRefused, options.file +
                                            ": the signature is wrong: the file was changed after signing, or "
                                            "was never signed"});
  }
  if (all_of(*inspection, &Check::measurement_matches) == false) {
    return report(
        {ErrorKind::kRefused,
         options.file + ": the pages do not have the signed measurement: the file was changed after signing"});
  }
  return 0;
}

}  // namespace

void add_inspect(CLI::App& app, int& status) {
  CLI::App* verb = app.add_subcommand("inspect", "Explain and check any SGX enclave");
  verb->footer(
      "Examples:\n"
      "  coffer inspect app.enclave\n"
      "  coffer inspect --json libsgx_qe.signed.so\n"
      "  coffer inspect enclave.sgxs --signature enclave.sig\n\n"
      "Reads Coffer images, SIGSTRUCT files, SGXS streams (the .sig or .sigstruct file beside FILE is found by "
      "itself),\n"
      "images signed with the Intel SGX SDK (metadata 1.3 to 3.x) and images signed with Open Enclave.\n\n"
      "The measurement (`mrenclave`) is computed from the pages in FILE; where FILE has none (a SIGSTRUCT) it is the\n"
      "signed one, and `mrenclave_matches`, `size`, `threads` and `pages` are null. Without a SIGSTRUCT (an SGXS "
      "stream\n"
      "alone) everything that it states and `signature_valid` are null. `base` is null where any address will do.\n"
      "`debug` says whether the signature allows a start in debug mode. Where a file describes its enclave several\n"
      "times, every description is checked.\n\n"
      "Exit status: 0 nothing is wrong, 1 the signature or the measurement is wrong, 2 FILE was not understood.");
  auto options = std::make_shared<Options>();
  verb->add_option("FILE", options->file, "The enclave")->required();
  verb->add_flag("--json", options->json, "Print JSON for machines");
  verb->add_option("--signature", options->signature, "A SIGSTRUCT file to check FILE against");
  verb->callback([options, &status] { status = run(*options); });
}

}  // namespace coffer::cli
