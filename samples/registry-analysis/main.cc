// registry-analysis: who holds the world's network addresses? An ordinary program over SQLite that neither knows nor
// cares where it runs; inside an enclave it can also prove what it computed (evidence.h).
#include <charconv>
#include <cstdio>
#include <exception>
#include <fstream>
#include <iostream>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "analyse.h"
#include "database.h"
#include "evidence.h"
#include "import.h"

namespace {

constexpr std::string_view kUsage =
    "usage: registry-analysis import FOLDER DATABASE\n"
    "       registry-analysis analyse DATABASE [--top N] [--report FILE] [--pause]\n"
    "       registry-analysis check REPORT SHA256\n"
    "\n"
    "import   reads the IEEE registration lists (*.csv) of FOLDER into a new DATABASE\n"
    "analyse  prints what DATABASE says, and a SHA-256 of it\n"
    "  --top N        rows of each table (default 10)\n"
    "  --report FILE  also writes the enclave's report over that SHA-256; fails outside an enclave\n"
    "  --pause        waits, with the database still open, until a line or the end comes on standard input\n"
    "check    inside an enclave only: says whether REPORT is genuine, this program's, and about that result\n";

struct UsageError : std::runtime_error {
  using std::runtime_error::runtime_error;
};

struct AnalyseOptions {
  std::string database;
  int top = 10;
  std::optional<std::string> report;
  bool pause = false;
};

AnalyseOptions parse_analyse(std::span<const std::string_view> arguments) {
  AnalyseOptions options;
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    const std::string_view argument = arguments[i];
    const auto value = [&] {
      if (i + 1 == arguments.size()) throw UsageError(std::string(argument) + " needs a value");
      return arguments[++i];
    };
    if (argument == "--top") {
      const std::string_view text = value();
      const auto parsed = std::from_chars(text.data(), text.data() + text.size(), options.top);
      if (parsed.ec != std::errc() || parsed.ptr != text.data() + text.size() || options.top < 1) {
        throw UsageError("--top needs a number from 1 on, not '" + std::string(text) + "'");
      }
    } else if (argument == "--report") {
      options.report = value();
    } else if (argument == "--pause") {
      options.pause = true;
    } else if (argument.starts_with("-") || !options.database.empty()) {
      throw UsageError("unexpected argument '" + std::string(argument) + "'");
    } else {
      options.database = argument;
    }
  }
  if (options.database.empty()) throw UsageError("analyse needs a database");
  return options;
}

int run_import(std::span<const std::string_view> arguments) {
  if (arguments.size() != 2) throw UsageError("import needs a folder and a database");
  registry::Database database(std::string(arguments[1]), registry::Database::Mode::kReplace);
  const registry::ImportCounts counts = registry::import_folder(arguments[0], database);
  std::cout << "imported " << counts.rows << " assignments from " << counts.files << " files\n";
  return 0;
}

void write_report(const std::string& path, const registry::Digest& digest) {
  const auto report = registry::report_about(digest);
  if (!report) throw std::runtime_error("--report: there is no enclave to ask for a report");
  std::ofstream output(path, std::ios::binary);
  output.write(reinterpret_cast<const char*>(report->data()), static_cast<std::streamsize>(report->size()));
  output.close();
  if (!output) throw std::runtime_error(path + ": cannot be written");
}

int run_analyse(std::span<const std::string_view> arguments) {
  const AnalyseOptions options = parse_analyse(arguments);
  registry::Database database(options.database, registry::Database::Mode::kRead);
  const std::string text = registry::analyse(database, options.top);
  const registry::Digest digest = registry::sha256(text);
  std::cout << text << "SHA-256 of these results: " << registry::hex(digest.data(), digest.size()) << '\n'
            << std::flush;
  if (options.report) write_report(*options.report, digest);
  if (options.pause) {
    std::cout << "pausing with the database open; a line on standard input ends the program\n" << std::flush;
    std::string line;
    std::getline(std::cin, line);
  }
  return 0;
}

int run_check(std::span<const std::string_view> arguments) {
  if (arguments.size() != 2) throw UsageError("check needs a report and a SHA-256");
  const auto digest = registry::digest_from_hex(arguments[1]);
  if (!digest) throw UsageError("not a SHA-256 in hexadecimal: " + std::string(arguments[1]));
  std::ifstream input(std::string(arguments[0]), std::ios::binary);
  if (!input) throw std::runtime_error(std::string(arguments[0]) + ": cannot be opened");
  std::vector<std::byte> report(4096);
  input.read(reinterpret_cast<char*>(report.data()), static_cast<std::streamsize>(report.size()));
  report.resize(static_cast<std::size_t>(input.gcount()));
  const bool genuine = registry::is_report_about(report, *digest);
  std::cout << (genuine ? "genuine: an enclave of this program made that result\n" : "not genuine\n");
  return genuine ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  const std::vector<std::string_view> arguments(argv + 1, argv + argc);
  try {
    if (arguments.empty()) throw UsageError("a command is needed");
    const auto rest = std::span(arguments).subspan(1);
    if (arguments[0] == "import") return run_import(rest);
    if (arguments[0] == "analyse") return run_analyse(rest);
    if (arguments[0] == "check") return run_check(rest);
    if (arguments[0] == "--help" || arguments[0] == "-h") {
      std::cout << kUsage;
      return 0;
    }
    throw UsageError("unknown command '" + std::string(arguments[0]) + "'");
  } catch (const UsageError& error) {
    std::cerr << "registry-analysis: " << error.what() << "; see registry-analysis --help\n";
    return 2;
  } catch (const std::exception& error) {
    std::cerr << "registry-analysis: " << error.what() << "\n";
    return 2;
  }
}
