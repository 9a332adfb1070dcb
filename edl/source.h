// Source text with places in it, and what there is to say about them.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace coffer::edl {

struct SourceFile {
  std::string path;  // as it was found
  std::string text;
};

// A place in a file. Lines and columns count from 1, columns in bytes.
struct Place {
  std::shared_ptr<const SourceFile> file;  // null: nowhere in particular
  std::uint32_t line = 0, column = 0, length = 1;
};

enum class Severity : std::uint8_t { kWarning, kError };

struct Diagnostic {
  Severity severity = Severity::kError;
  Place place;
  std::string message;
  std::string advice;  // what to do; may be empty
  // The names of the Open Enclave compiler print the place first in most messages and not at all in some, which users'
  // tests look for; in its rendering the place of these comes on a line of its own.
  bool place_last = false;
};

// How a diagnostic is printed: as compilers do ("file:1:2: error: ..."), or as oeedger8r does ("error: file:1:2 ...").
enum class Rendering : std::uint8_t { kCompiler, kSeverityFirst };

// The message, the source line with a caret under the place, the advice; each line ends with a newline.
[[nodiscard]] std::string render(const Diagnostic& diagnostic, Rendering rendering);

// What a compilation has to say, in the order in which it was found. Not thread-safe.
class Diagnostics {
 public:
  void error(Place place, std::string message, std::string advice = {}) {
    add({Severity::kError, std::move(place), std::move(message), std::move(advice), false});
  }
  void add(Diagnostic diagnostic);
  [[nodiscard]] bool has_errors() const { return errors_ != 0; }
  [[nodiscard]] const std::vector<Diagnostic>& all() const { return all_; }

 private:
  std::vector<Diagnostic> all_;
  std::size_t errors_ = 0;
};

}  // namespace coffer::edl
