// registry-analysis: who holds the world's network addresses? An ordinary program over SQLite that neither knows nor
// cares where it runs; inside an enclave it can also prove what it computed (evidence.h).
#include <algorithm>
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
    "       registry-analysis analyse DATABASE [--top N] [--results FILE] [--target TARGET [--report FILE]] [--pause]\n"
    "\n"
    "import   reads the IEEE registration lists (*.csv) of FOLDER into a new DATABASE\n"
    "analyse  prints what DATABASE says, and a SHA-256 of it\n"
    "  --top N          rows of each table (default 10)\n"
    "  --results FILE   also writes the results to FILE, exactly what the SHA-256 is of\n"
    "  --target TARGET  also prints the enclave's report over that SHA-256, in hex, for the enclave that TARGET "
    "names:\n"
    "                   what `coffer report target` prints, or the file that it writes\n"
    "  --report FILE    writes the report to FILE instead; fails outside an enclave\n"
    "  --pause          waits, with the database still open, until a line or the end comes on standard input\n";

struct UsageError : std::runtime_error {
  using std::runtime_error::runtime_error;
};

struct AnalyseOptions {
  std::string database;
  int top = 10;
  std::optional<std::string> results, target, report;
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
    } else if (argument == "--results") {
      options.results = value();
    } else if (argument == "--target") {
      options.target = value();
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
  if (options.report && !options.target) throw UsageError("--report needs a --target");
  return options;
}

int run_import(std::span<const std::string_view> arguments) {
  if (arguments.size() != 2) throw UsageError("import needs a folder and a database");
  registry::Database database(std::string(arguments[1]), registry::Database::Mode::kReplace);
  const registry::ImportCounts counts = registry::import_folder(arguments[0], database);
  std::cout << "imported " << counts.rows << " assignments from " << counts.files << " files\n";
  return 0;
}

void write_file(const std::string& path, const void* content, std::size_t size) {
  std::ofstream output(path, std::ios::binary);
  output.write(static_cast<const char*>(content), static_cast<std::streamsize>(size));
  output.close();
  if (!output) throw std::runtime_error(path + ": cannot be written");
}

void give_report(const AnalyseOptions& options, const registry::Target& target, const registry::Digest& digest) {
  const auto report = registry::report_about(digest, target);
  if (options.report) {
    if (!report) throw std::runtime_error("--report: there is no enclave to ask for a report");
    return write_file(*options.report, report->data(), report->size());
  }
  if (!report) {
    std::cout << "There is no report: this program does not run in an enclave.\n";
    return;
  }
  std::cout << "Report of the enclave on these results, for `coffer report verify`:\n";
  constexpr std::size_t kBytesOfLine = 48;
  for (std::size_t i = 0; i < report->size(); i += kBytesOfLine) {
    std::cout << registry::hex(report->data() + i, std::min(kBytesOfLine, report->size() - i)) << '\n';
  }
}

int run_analyse(std::span<const std::string_view> arguments) {
  const AnalyseOptions options = parse_analyse(arguments);
  std::optional<registry::Target> target;  // before the work, which would be in vain without it
  if (options.target) target = registry::read_target(*options.target);
  registry::Database database(options.database, registry::Database::Mode::kRead);
  const std::string text = registry::analyse(database, options.top);
  const registry::Digest digest = registry::sha256(text);
  std::cout << text << "SHA-256 of these results: " << registry::hex(digest.data(), digest.size()) << '\n';
  if (options.results) write_file(*options.results, text.data(), text.size());
  if (target) give_report(options, *target, digest);
  std::cout << std::flush;
  if (options.pause) {
    std::cout << "pausing with the database open; a line on standard input ends the program\n" << std::flush;
    std::string line;
    std::getline(std::cin, line);
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  const std::vector<std::string_view> arguments(argv + 1, argv + argc);
  try {
    if (arguments.empty()) throw UsageError("a command is needed");
    const auto rest = std::span(arguments).subspan(1);
    if (arguments[0] == "import") return run_import(rest);
    if (arguments[0] == "analyse") return run_analyse(rest);
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
