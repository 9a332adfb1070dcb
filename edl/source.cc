#include "edl/source.h"

#include <fmt/format.h>

#include <algorithm>

namespace coffer::edl {
namespace {

constexpr std::size_t kMaximumDiagnostics = 200;  // a damaged file is not worth more

std::string_view line_of(const SourceFile& file, std::uint32_t line) {
  std::string_view rest = file.text;
  for (std::uint32_t i = 1; i < line; ++i) {
    const std::size_t end = rest.find('\n');
    if (end == std::string_view::npos) return {};
    rest.remove_prefix(end + 1);
  }
  rest = rest.substr(0, rest.find('\n'));
  if (!rest.empty() && rest.back() == '\r') rest.remove_suffix(1);
  return rest;
}

std::string printable(std::string_view text) {
  std::string result(text);
  for (char& letter : result) {
    const auto code = static_cast<unsigned char>(letter);
    if ((code < 0x20 && letter != '\t') || code == 0x7f) letter = '?';
  }
  return result;
}

std::string excerpt(const Place& place) {
  const std::string_view line = line_of(*place.file, place.line);
  if (line.empty() || place.column == 0 || place.column > line.size() + 1) return {};
  // The caret's line repeats the tabs, so that it stands right at any tab width.
  std::string under;
  for (const char letter : line.substr(0, place.column - 1)) under += letter == '\t' ? '\t' : ' ';
  const std::size_t room = line.size() + 1 - (place.column - 1);
  under += '^';
  under.append(std::min<std::size_t>(std::max<std::uint32_t>(place.length, 1), std::max<std::size_t>(room, 1)) - 1,
               '~');
  return fmt::format("{:>6} | {}\n       | {}\n", place.line, printable(line), under);
}

}  // namespace

std::string render(const Diagnostic& diagnostic, Rendering rendering) {
  const char* const severity = diagnostic.severity == Severity::kError ? "error" : "warning";
  const Place& place = diagnostic.place;
  const std::string where = place.file ? fmt::format("{}:{}:{}", place.file->path, place.line, place.column) : "";
  std::string result;
  if (rendering == Rendering::kCompiler) {
    result = where.empty() ? fmt::format("{}: {}\n", severity, diagnostic.message)
                           : fmt::format("{}: {}: {}\n", where, severity, diagnostic.message);
  } else if (where.empty() || diagnostic.place_last) {
    result = fmt::format("{}: {}\n", severity, diagnostic.message);
    if (!where.empty()) result += fmt::format("   at: {}\n", where);
  } else {
    result = fmt::format("{}: {} {}\n", severity, where, diagnostic.message);
  }
  if (place.file) result += excerpt(place);
  if (!diagnostic.advice.empty()) result += fmt::format("       = {}\n", diagnostic.advice);
  return result;
}

void Diagnostics::add(Diagnostic diagnostic) {
  if (diagnostic.severity == Severity::kError) ++errors_;
  if (all_.size() < kMaximumDiagnostics) all_.push_back(std::move(diagnostic));
}

}  // namespace coffer::edl
