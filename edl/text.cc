#include "edl/text.h"

namespace coffer::edl {

void Text::add(std::string_view text) {
  while (true) {
    const std::size_t end = text.find('\n');
    const std::string_view first = text.substr(0, end);
    if (!first.empty()) {
      // What the C preprocessor reads begins its line.
      if (first.front() != '#') text_.append(2 * depth_, ' ');
      text_ += first;
    }
    text_ += '\n';
    if (end == std::string_view::npos) return;
    text.remove_prefix(end + 1);
  }
}

}  // namespace coffer::edl
