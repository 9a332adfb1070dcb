// coffer report: what to make a report for, and whether one that came back is genuine and says what it should.
#include <fmt/format.h>

#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include "base/file.h"
#include "base/hex.h"
#include "cli/attribute_names.h"
#include "cli/config_id.h"
#include "cli/verbs.h"
#include "host/report/expectations.h"
#include "host/report/verifier.h"

namespace coffer::cli {
namespace {

constexpr std::size_t kReportFileLimit = 1 << 16;

struct Options {
  std::string output;  // of `target`
  std::string file, image, mrenclave, mrsigner, config_id, data, data_hex;
  bool json = false, production = false;
};

int write_target(const Options& options) {
  const auto target = host::verifier_target();
  if (!target) return report(target.error());
  if (options.output.empty()) {
    std::puts(to_hex(bytes_of(*target)).c_str());
    return 0;
  }
  const auto written = write_file_atomically(options.output, bytes_of(*target));
  return written ? 0 : report(written.error());
}

Result<std::vector<std::uint8_t>> read_hex(const char* option, const std::string& text) {
  const auto bytes = from_hex(text);
  if (!bytes) return input_error(fmt::format("{} {}: not hexadecimal", option, text));
  const auto* first = reinterpret_cast<const std::uint8_t*>(bytes->data());
  return std::vector<std::uint8_t>(first, first + bytes->size());
}

template <class Identity>
Result<void> read_identity(const char* option, const std::string& text, std::optional<Identity>& identity) {
  if (text.empty()) return {};
  const auto bytes = read_hex(option, text);
  if (!bytes) return std::unexpected(bytes.error());
  identity.emplace();
  if (bytes->size() != identity->bytes.size()) {
    return input_error(fmt::format("{} {}: {} bytes instead of 32, 64 digits are needed", option, text, bytes->size()));
  }
  std::copy(bytes->begin(), bytes->end(), identity->bytes.begin());
  return {};
}

Result<void> read_data(const Options& options, host::Expectations& expected) {
  if (!options.data.empty()) {
    const auto digest = host::digest_of_file(options.data);
    if (!digest) return std::unexpected(digest.error());
    expected.data_digest = *digest;
    expected.data_name = options.data;
  }
  if (!options.data_hex.empty()) {
    auto bytes = read_hex("--data-hex", options.data_hex);
    if (!bytes) return std::unexpected(bytes.error());
    if (bytes->size() != 32 && bytes->size() != 64) {
      return input_error(
          fmt::format("--data-hex: {} bytes; give 32 (what the report data starts with, like a SHA-256) "
                      "or all 64",
                      bytes->size()));
    }
    expected.data = std::move(*bytes);
  }
  return {};
}

Result<host::Expectations> read_expectations(const Options& options) {
  host::Expectations expected;
  expected.production = options.production;
  if (!options.image.empty()) {
    const auto identity = host::identity_of_image(options.image);
    if (!identity) return std::unexpected(identity.error());
    expected.image = *identity;
    expected.image_name = options.image;
  }
  if (!options.config_id.empty()) {
    auto id = parse_config_id("--config-id", options.config_id);
    if (!id) return std::unexpected(id.error());
    expected.config_id = *id;
  }
  for (const auto& read :
       {read_identity("--mrenclave", options.mrenclave, expected.mrenclave),
        read_identity("--mrsigner", options.mrsigner, expected.mrsigner), read_data(options, expected)}) {
    if (!read) return std::unexpected(read.error());
  }
  return expected;
}

struct Verdict {
  sgx::Report report;
  bool genuine = false;
  std::vector<host::Check> checks;

  // What is wrong, as one line for a person; empty where nothing is.
  [[nodiscard]] std::string complaint() const {
    if (!genuine) {
      return "not genuine: it was changed, made for another target than `coffer report target` gives, or made on "
             "another "
             "platform";
    }
    std::string text;
    for (const host::Check& check : checks) {
      if (!check.holds()) text += (text.empty() ? "" : "; ") + check.complaint;
    }
    return text.empty() ? text : "genuine, but " + text;
  }
};

template <class Bytes>
std::string hex(const Bytes& bytes) {
  return to_hex(bytes_of(bytes));
}

bool is_debug(const sgx::ReportBody& body) { return (body.attributes.flags & sgx::attribute::kDebug) != 0; }

nlohmann::ordered_json to_json(const Verdict& verdict) {
  const sgx::ReportBody& body = verdict.report.body;
  nlohmann::ordered_json json;
  json["verified"] = verdict.complaint().empty();
  json["authentic"] = verdict.genuine;
  json["mrenclave"] = hex(body.mrenclave.bytes);
  json["mrsigner"] = hex(body.mrsigner.bytes);
  json["isvprodid"] = body.isv_prod_id;
  json["isvsvn"] = body.isv_svn;
  json["attributes"] = {{"flags", fmt::format("{:#018x}", body.attributes.flags)},
                        {"names", names_of_flags(body.attributes.flags)},
                        {"xfrm", fmt::format("{:#018x}", body.attributes.xfrm)}};
  json["debug"] = is_debug(body);
  json["miscselect"] = body.misc_select;
  json["cpusvn"] = hex(body.cpu_svn);
  json["isv_family_id"] = hex(body.isv_family_id);
  json["isv_ext_prod_id"] = hex(body.isv_ext_prod_id);
  json["config_id"] = hex(body.config_id);
  json["config_svn"] = body.config_svn;
  json["report_data"] = hex(body.report_data);
  json["key_id"] = hex(verdict.report.key_id);
  json["mac"] = hex(verdict.report.mac);
  json["checks"] = nlohmann::ordered_json::array();
  for (const host::Check& check : verdict.checks) {
    json["checks"].push_back(
        {{"name", check.name}, {"expected", check.expected}, {"found", check.found}, {"holds", check.holds()}});
  }
  return json;
}

void line(const char* label, const std::string& value, const char* meaning) {
  fmt::print("  {:<14} {}\n  {:<14}   {}\n", label, value, "", meaning);
}

// The ids that enclaves with the attribute KSS have besides (SDM volume 3D, key separation and sharing).
void print_key_separation(const sgx::ReportBody& body) {
  if ((body.attributes.flags & sgx::attribute::kKss) == 0) return;
  line("family", hex(body.isv_family_id), "ISVFAMILYID: which of the signer's product families this is");
  line("extended id", hex(body.isv_ext_prod_id), "ISVEXTPRODID: which product, where a small number does not do");
  line("config", fmt::format("{}, version {}", hex(body.config_id), body.config_svn),
       "CONFIGID and CONFIGSVN: what whoever started it told it");
}

void print_human(const Verdict& verdict, const std::string& file) {
  const sgx::ReportBody& body = verdict.report.body;
  const std::string data = hex(body.report_data);
  fmt::print("{}\n", file);
  line("genuine", verdict.genuine ? "yes" : "NO",
       verdict.genuine ? "an enclave of this platform made it for the report verifier, and nobody changed it"
                       : "nothing below is proven");
  line("MRENCLAVE", hex(body.mrenclave.bytes), "what the enclave is: the measurement of its pages");
  line("MRSIGNER", hex(body.mrsigner.bytes), "who signed it: the SHA-256 of the signer's public key");
  line("product", std::to_string(body.isv_prod_id), "ISVPRODID: which of the signer's products this is");
  line("version", std::to_string(body.isv_svn), "ISVSVN: its security version");
  line("attributes", fmt::format("{}", fmt::join(names_of_flags(body.attributes.flags), " ")),
       "how it was running (ATTRIBUTES.FLAGS)");
  print_key_separation(body);
  line("CPU state", fmt::format("{}", fmt::join(names_of_features(body.attributes.xfrm), " ")),
       "register sets that it could use (ATTRIBUTES.XFRM)");
  line("debug", is_debug(body) ? "YES" : "no",
       is_debug(body) ? "its memory was open to debuggers: it could keep no secret and may have been changed"
                      : "its memory was closed to debuggers");
  line("platform", hex(body.cpu_svn), "CPUSVN: the security version of the processor");
  line("report data", data.substr(0, 64), "what the enclave vouches for, 64 bytes of its own choice");
  if (data.find_first_not_of('0', 64) != std::string::npos) fmt::print("  {:<14} {}\n", "", data.substr(64));
  for (const host::Check& check : verdict.checks) {
    fmt::print("  {:<14} {}: {}\n", "asked for", check.name,
               check.holds() ? "right" : "WRONG, " + check.expected + " was expected");
  }
}

int verify(const Options& options) {
  const auto content = read_file(options.file, kReportFileLimit);
  if (!content) return report(content.error());
  const auto parsed = host::parse_report(*content, options.file);
  if (!parsed) return report(parsed.error());
  const auto expected = read_expectations(options);
  if (!expected) return report(expected.error());
  const auto genuine = host::is_genuine(*parsed);
  // A verifier that cannot run leaves the question open, even where it was refused itself: that is no "no".
  if (!genuine) return report({ErrorKind::kSystem, "the report verifier does not run: " + genuine.error().message});
  const Verdict verdict{.report = *parsed, .genuine = *genuine, .checks = host::compare(parsed->body, *expected)};
  if (options.json) {
    std::puts(to_json(verdict).dump(2).c_str());
  } else {
    print_human(verdict, options.file);
  }
  std::fflush(stdout);  // before the error line, wherever both go
  const std::string complaint = verdict.complaint();
  if (complaint.empty()) return 0;
  return report({ErrorKind::kRefused, options.file + ": the report is " + complaint});
}

constexpr const char* kExamples =
    "Examples:\n"
    "  coffer report target -o out/target\n"
    "  coffer run analysis.enclave --mount out:/out -- --target /out/target --report /out/report --results "
    "/out/results\n"
    "  coffer report verify out/report --image analysis.enclave --data out/results\n\n"
    "A report says which enclave vouches for 64 bytes of its choice, like the SHA-256 of its results. It is made for\n"
    "one enclave, its target, and nobody else can check it. Here the target is Coffer's report verifier, an enclave "
    "of\n"
    "this platform. A report convinces whoever trusts the platform: on a software platform, whoever can read the\n"
    "platform's keys (the state directory) can make one.";

void add_target(CLI::App& parent, const std::shared_ptr<Options>& options, int& status) {
  CLI::App* target = parent.add_subcommand("target", "Print what enclaves make their reports for, in hex");
  target->footer(
      "Examples:\n  coffer report target -o target\n"
      "  coffer run app.enclave -- --target \"$(coffer report target)\"\n\n"
      "It is the TARGETINFO of Coffer's report verifier: 512 bytes, the same for one machine and build of Coffer.");
  target->add_option("-o,--output", options->output, "Write the 512 bytes to FILE instead")->type_name("FILE");
  target->callback([options, &status] { status = write_target(*options); });
}

void add_verify(CLI::App& parent, const std::shared_ptr<Options>& options, int& status) {
  CLI::App* verb = parent.add_subcommand("verify", "Check a report, and what it says");
  verb->footer(
      "Examples:\n"
      "  coffer report verify report\n"
      "  coffer report verify report --image app.enclave --data results.txt\n"
      "  coffer report verify report --mrsigner HEX --production --json\n\n"
      "FILE holds the 432 bytes of a REPORT, or them in hex. It is genuine where an enclave of this platform (the "
      "same\n"
      "state directory) made it for the target that `coffer report target` prints.\n\n"
      "Exit status: 0 genuine and all as asked for, 1 not, 2 FILE or an option is unusable.");
  verb->add_option("FILE", options->file, "The report")->required();
  verb->add_flag("--json", options->json, "Print JSON for machines");
  verb->add_option("--image", options->image, "The enclave must be the one of this image")->type_name("X.enclave");
  verb->add_option("--mrenclave", options->mrenclave, "The enclave must have this measurement")->type_name("HEX");
  verb->add_option("--mrsigner", options->mrsigner, "The enclave must have this signer")->type_name("HEX");
  verb->add_option("--config-id", options->config_id, "The enclave must have been started with this CONFIGID")
      ->type_name("HEX");
  verb->add_flag("--production", options->production, "The enclave must not be a debug one");
  auto* data = verb->add_option("--data", options->data, "The report data must start with the SHA-256 of FILE");
  data->type_name("FILE");
  auto* data_hex = verb->add_option("--data-hex", options->data_hex, "The report data must start with these bytes");
  data_hex->type_name("HEX")->excludes(data);
  verb->callback([options, &status] { status = verify(*options); });
}

}  // namespace

void add_report(CLI::App& app, int& status) {
  CLI::App* verb = app.add_subcommand("report", "Check what an enclave reports about itself");
  verb->require_subcommand(1);
  verb->footer(kExamples);
  auto options = std::make_shared<Options>();
  add_target(*verb, options, status);
  add_verify(*verb, options, status);
}

}  // namespace coffer::cli
