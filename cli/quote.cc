// coffer quote: what an enclave is, on data that are given, in a form that strangers can check.
#include <fmt/format.h>

#include <cstdio>
#include <cstring>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include "base/file.h"
#include "base/hex.h"
#include "cli/config_id.h"
#include "cli/verbs.h"
#include "node/quoting/quote_image.h"

namespace coffer::cli {
namespace {

struct Options {
  std::string image, data, output, config_id;
  unsigned format = 3, config_svn = 0;
  bool json = false;
};

constexpr std::size_t kDataSize = 64;

// HEX or @FILE, filled up with zeros.
Result<std::array<std::byte, kDataSize>> read_data(const std::string& text) {
  std::vector<std::byte> bytes;
  if (text.starts_with('@')) {
    auto content = read_file(text.substr(1), std::size_t{1} << 16);
    if (!content) return std::unexpected(content.error());
    bytes = std::move(*content);
  } else {
    auto decoded = from_hex(text);
    if (!decoded) return input_error("--report-data " + text + ": not hexadecimal; a file is given as @FILE");
    bytes = std::move(*decoded);
  }
  std::array<std::byte, kDataSize> data{};
  if (bytes.size() > data.size()) {
    return input_error(
        fmt::format("--report-data: {} bytes; report data have 64: give a digest, like the SHA-256, of what "
                    "is longer",
                    bytes.size()));
  }
  if (!bytes.empty()) std::memcpy(data.data(), bytes.data(), bytes.size());
  return data;
}

int quote(const Options& options) {
  const auto data = read_data(options.data);
  if (!data) return report(data.error());
  LoadOptions load;
  if (!options.config_id.empty()) {
    const auto id = parse_config_id("--config-id", options.config_id);
    if (!id) return report(id.error());
    std::memcpy(load.config_id.data(), id->data(), load.config_id.size());
  }
  load.config_svn = static_cast<std::uint16_t>(options.config_svn);
  const auto made = node::quote_image(options.image, *data, static_cast<std::uint16_t>(options.format), load);
  if (!made) return report(made.error());
  if (auto written = write_file_atomically(options.output, made->quote); !written) return report(written.error());
  if (options.json) {
    nlohmann::ordered_json json;
    json["quote"] = options.output;
    json["size"] = made->quote.size();
    json["format"] = options.format;
    json["mrenclave"] = to_hex(bytes_of(made->body.mrenclave.bytes));
    json["mrsigner"] = to_hex(bytes_of(made->body.mrsigner.bytes));
    json["report_data"] = to_hex(bytes_of(made->body.report_data));
    std::puts(json.dump(2).c_str());
  }
  return 0;
}

}  // namespace

void add_quote(CLI::App& app, int& status) {
  CLI::App* verb = app.add_subcommand("quote", "Make a quote of an enclave, which strangers can verify");
  verb->footer(
      "Examples:\n"
      "  coffer quote app.enclave --report-data c0ffee -o quote.bin\n"
      "  sha256sum < key.pem | xxd -r -p > digest; coffer quote app.enclave --report-data @digest -o quote.bin\n"
      "  coffer verify quote.bin\n\n"
      "The quote says which enclave this platform runs (MRENCLAVE, MRSIGNER, versions, DEBUG) and carries 64 bytes of "
      "your\n"
      "choice, under an ECDSA key that the platform certifies. The enclave is started for it, and its program is not "
      "run:\n"
      "the data are your word, not the program's. Images whose programs make reports of their own refuse it\n"
      "(coffer.toml: report_data); they make quotes by coffer::quote(). The platform is a software one\n"
      "(`coffer platform`), and verifiers say so: its root is `software`.\n\n"
      "Exit status: 0 done, 1 the image refuses, 2 usage or input.");
  auto options = std::make_shared<Options>();
  verb->add_option("X.enclave", options->image, "The image")->required();
  verb->add_option("--report-data", options->data, "At most 64 bytes, filled up with zeros")
      ->required()
      ->type_name("HEX|@FILE");
  verb->add_option("-o,--output", options->output, "Where to write the quote")->required()->type_name("FILE");
  verb->add_option("--format", options->format, "Version of the quote: 3 (default) or 4")
      ->check(CLI::IsMember({3, 4}).description(""))
      ->type_name("N");
  verb->add_option("--config-id", options->config_id, "CONFIGID, for images with key separation")->type_name("HEX");
  verb->add_option("--config-svn", options->config_svn, "CONFIGSVN")
      ->check(CLI::Range(0u, 65535u).description(""))
      ->type_name("N");
  verb->add_flag("--json", options->json, "Print what was quoted as JSON");
  verb->callback([options, &status] { status = quote(*options); });
}

}  // namespace coffer::cli
