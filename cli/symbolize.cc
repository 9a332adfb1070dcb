// Functions and lines of a crash report's addresses.
#include "cli/symbolize.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <cstring>
#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "base/file.h"
#include "base/hex.h"
#include "cli/command_line.h"
#include "cli/verbs.h"
#include "host/debugger/symbol_files.h"
#include "host/image/coffer_image.h"
#include "host/operate/crash_report.h"
#include "host/symbols/symbols.h"

namespace coffer::cli {
namespace {

struct Options {
  std::vector<std::string> what;
  std::string image, program, kernel;
  bool json = false;
};

constexpr std::size_t kReportLimit = std::size_t{4} << 20;

// What there is to explain: a report, or addresses that somebody read somewhere.
struct Question {
  std::optional<operate::CrashReport> report;
  std::vector<std::uint64_t> addresses;  // relative to the enclave's base
  std::string text;                      // lines with places in them, to be printed with their names
};

std::optional<std::uint64_t> parse_address(const std::string& text) {
  std::uint64_t value = 0;
  const std::size_t skip = text.starts_with("0x") ? 2 : 0;
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data() + skip, end, value, 16);
  if (error != std::errc{} || stop != end) return std::nullopt;
  return value;
}

// A crash report is JSON; anything else is what an enclave wrote.
Result<Question> read_content(const std::string& name, ByteView bytes) {
  Question question;
  const std::string_view content(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  const std::size_t first = content.find_first_not_of(" \t\r\n");
  if (first == std::string_view::npos || content[first] != '{') {
    question.text = content;
    return question;
  }
  auto report = operate::parse_crash_report(content);
  if (!report) return fail(report.error().kind, name + ": " + report.error().message);
  question.report = std::move(*report);
  return question;
}

Result<Question> read_question(const std::vector<std::string>& what) {
  if (what.size() == 1 && what[0] == "-") {
    const std::string content((std::istreambuf_iterator<char>(std::cin)), {});
    return read_content("standard input", std::as_bytes(std::span(content)));
  }
  Question question;
  for (const std::string& text : what) {
    std::error_code error;
    if (std::filesystem::is_regular_file(text, error) && what.size() == 1) {
      const auto content = read_file(text, kReportLimit);
      if (!content) return std::unexpected(content.error());
      return read_content(text, *content);
    }
    const auto address = parse_address(text);
    if (!address) return input_error(text + " is neither a report nor an address like 0x4f21");
    question.addresses.push_back(*address);
  }
  return question;
}

// Where the image says that the program stands, checked against the code of the ELF file.
Result<std::uint64_t> program_base(const Options& options) {
  auto image = image::CofferImage::read(options.image);
  if (!image) return std::unexpected(image.error());
  return image->layout().app_base;
}

// The program that nobody named, beside the image that was named or that the report names.
void add_found_program(symbols::Symbols& symbols, const Options& options, const Question& question) {
  const std::string path = !options.image.empty() || !question.report ? options.image : question.report->image;
  if (path.empty()) return;
  const auto image = image::CofferImage::read(path);
  if (!image) return;
  const std::string measured = to_hex(bytes_of(image->sigstruct().enclave_hash.bytes));
  if (question.report && measured != question.report->mrenclave) return;
  for (const host::SymbolFile& file : host::find_symbol_files(path, *image)) {
    if (file.base != image->layout().app_base) continue;
    [[maybe_unused]] const auto added = symbols.add("program", file.file, file.base);
  }
}

Result<std::unique_ptr<symbols::Symbols>> load_symbols(const Options& options, const Question& question) {
  auto symbols = symbols::Symbols::make();
  if (!symbols) return symbols;
  auto kernel =
      options.kernel.empty() ? installed_part("enclave-kernel.elf") : Result<std::filesystem::path>(options.kernel);
  if (kernel) [[maybe_unused]]
    const auto added = (*symbols)->add("kernel", *kernel, 0);
  std::uint64_t base = question.report ? question.report->program_base : 0;
  if (!options.image.empty()) {
    const auto told = program_base(options);
    if (!told) return std::unexpected(told.error());
    base = *told;
  }
  if (!options.program.empty()) {
    if (base == 0) return input_error("--image says where the program stands in the enclave, and is missing");
    if (auto added = (*symbols)->add("program", options.program, base); !added) return std::unexpected(added.error());
  }
  if (options.program.empty()) add_found_program(**symbols, options, question);
  (*symbols)->ready();
  return symbols;
}

// The image that is named is the one that the report is about.
Result<void> check_image(const Options& options, const operate::CrashReport& report) {
  if (options.image.empty()) return {};
  auto image = image::CofferImage::read(options.image);
  if (!image) return std::unexpected(image.error());
  if (to_hex(bytes_of(image->sigstruct().enclave_hash.bytes)) != report.mrenclave) {
    return refused(options.image + " is not the image that crashed: its MRENCLAVE is another");
  }
  return {};
}

std::string line_of(const symbols::Place& place) {
  std::string text = fmt::format("{:#x}", place.address);
  text += place.function.empty() ? " ?" : fmt::format(" {}+{:#x}", place.function, place.offset);
  if (!place.module.empty()) text += " in " + place.module;
  if (!place.file.empty()) text += fmt::format(" at {}:{}", place.file, place.line);
  return text;
}

nlohmann::ordered_json json_of(const symbols::Place& place) {
  return {{"address", fmt::format("{:#x}", place.address)},
          {"module", place.module},
          {"function", place.function},
          {"offset", place.offset},
          {"file", place.file},
          {"line", place.line}};
}

struct Answer {
  std::vector<symbols::Place> places;
  std::vector<std::string> functions;  // of the page, where no more is known
};

Answer explain(symbols::Symbols& symbols, const Question& question) {
  Answer answer;
  for (const std::uint64_t address : question.addresses) answer.places.push_back(symbols.explain(address));
  if (!question.report) return answer;
  const operate::CrashReport& report = *question.report;
  if (report.granularity != 1) {
    answer.functions = symbols.functions_in(report.address, report.address + report.granularity);
    return answer;
  }
  std::vector<std::uint64_t> frames;
  if (report.machine) {
    frames = symbols.unwind(*report.machine);
    auto chain = operate::frame_pointer_chain(*report.machine);
    if (chain.size() > frames.size()) {
      frames = std::move(chain);
      for (std::uint64_t& frame : frames) frame -= report.machine->record.base;
    }
  }
  // A call's stack goes on in the host program (boundary/call_frames.h), of which nothing is known here.
  const auto outside = std::ranges::find_if(frames, [](std::uint64_t at) { return at >= image::kMaxEnclaveSize; });
  frames.erase(outside, frames.end());
  if (frames.empty()) frames.push_back(report.address);
  for (std::size_t i = 0; i < frames.size(); ++i) answer.places.push_back(symbols.explain(frames[i], i != 0));
  return answer;
}

void print_text(const Question& question, const Answer& answer) {
  if (question.report) {
    const operate::CrashReport& report = *question.report;
    const char* signal = ::sigabbrev_np(report.signal);
    fmt::print("{}: SIG{}", report.image, signal != nullptr ? signal : "?");
    if (report.fault_address != 0) fmt::print(", address {:#x}", report.fault_address);
    fmt::print("{}\n", report.debug ? "" : "; a production enclave tells pages alone");
    if (report.granularity != 1) {
      fmt::print("in the page at {:#x}, which has code of:\n", report.address);
      for (const std::string& name : answer.functions) fmt::print("  {}\n", name);
      if (answer.functions.empty()) fmt::print("  (no symbols: give --program)\n");
    }
  }
  for (std::size_t i = 0; i < answer.places.size(); ++i) {
    fmt::print("{}{}\n", question.report ? fmt::format("#{:<3}", i) : "", line_of(answer.places[i]));
  }
}

// The place in a line like "    #2 0x4f21a".
std::optional<std::uint64_t> place_in(std::string_view line) {
  const std::size_t number = line.find_first_not_of(' ');
  if (number == std::string_view::npos || line[number] != '#') return std::nullopt;
  const std::size_t space = line.find(' ', number);
  if (space == std::string_view::npos || space == number + 1 ||
      line.substr(number + 1, space - number - 1).find_first_not_of("0123456789") != std::string_view::npos) {
    return std::nullopt;
  }
  const std::string_view rest = line.substr(space + 1);
  return rest.starts_with("0x") ? parse_address(std::string(rest.substr(0, rest.find(' ')))) : std::nullopt;
}

void print_with_names(std::string_view text, symbols::Symbols& symbols) {
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (const auto place = place_in(line)) {
      fmt::print("{}{}\n", line.substr(0, line.find("0x")), line_of(symbols.explain(*place)));
    } else {
      fmt::print("{}\n", line);
    }
  }
}

int symbolize(const Options& options) {
  auto question = read_question(options.what);
  if (!question) return report(question.error());
  if (question->report) {
    if (auto checked = check_image(options, *question->report); !checked) return report(checked.error());
  }
  if (!question->text.empty() && options.image.empty()) {
    return report(
        fail(ErrorKind::kInput, "--image says where the program stands in the enclave, and is missing").error());
  }
  if (!question->text.empty() && options.json) {
    return report(fail(ErrorKind::kInput, "--json is for crash reports and addresses; leave it out for text").error());
  }
  auto symbols = load_symbols(options, *question);
  if (!symbols) return report(symbols.error());
  if (!question->text.empty()) {
    print_with_names(question->text, **symbols);
    return 0;
  }
  const Answer answer = explain(**symbols, *question);
  if (options.json) {
    nlohmann::ordered_json json = {{"frames", nlohmann::ordered_json::array()}, {"functions", answer.functions}};
    for (const symbols::Place& place : answer.places) json["frames"].push_back(json_of(place));
    std::puts(json.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace).c_str());
  } else {
    print_text(*question, answer);
  }
  return 0;
}

}  // namespace

void add_symbolize(CLI::App& app, int& status) {
  auto options = std::make_shared<Options>();
  CLI::App* verb = app.add_subcommand("symbolize", "Name the functions and lines of a crash");
  verb->footer(
      "Examples:\n"
      "  coffer symbolize ~/.local/share/coffer/crashes/2026-11-22T14.03.11.123Z-3f9c2a11be07.json --program hello\n"
      "  coffer symbolize 0x4f21a --image hello.enclave --program hello\n"
      "  coffer run hello.enclave 2>&1 | coffer symbolize - --image hello.enclave\n\n"
      "Addresses are relative to the enclave's base, as `coffer run` prints them. PROGRAM is the ELF file that was "
      "signed,\n"
      "with its symbols; compile with -g for files and lines. A report of a debug enclave gives the whole chain of "
      "calls,\n"
      "one of a production enclave the functions of one page. Any other text (- for standard input) is printed with "
      "the\n"
      "names of its places, as the reports of programs that were built with SANITIZE have them.");
  verb->add_option("REPORT|ADDRESS", options->what,
                   "A crash report, a text with places in it, or addresses in hexadecimal")
      ->required();
  verb->add_option("--image", options->image, "The signed image; checked to be the one that crashed")
      ->type_name("X.enclave");
  verb->add_option("--program", options->program,
                   "The program that was signed, with symbols; else found beside the image")
      ->type_name("ELF");
  verb->add_flag("--json", options->json, "Print JSON for machines");
  verb->add_option("--kernel", options->kernel, "")->group("");
  verb->callback([options, &status] { status = symbolize(*options); });
}

}  // namespace coffer::cli
