// Generated text, line by line, with indentation that follows its braces.
#pragma once

#include <fmt/format.h>

#include <string>
#include <string_view>

namespace coffer::edl {

class Text {
 public:
  template <class... Arguments>
  void line(fmt::format_string<Arguments...> format, Arguments&&... arguments) {
    add(fmt::format(format, std::forward<Arguments>(arguments)...));
  }
  // A line that is taken as it is; several, where it has line ends; a blank one at last, where it ends with one.
  void add(std::string_view text);
  void blank() { text_ += '\n'; }
  // A line that ends with an opening brace.
  template <class... Arguments>
  void open(fmt::format_string<Arguments...> format, Arguments&&... arguments) {
    add(fmt::format(format, std::forward<Arguments>(arguments)...) + " {");
    ++depth_;
  }
  void close(std::string_view with = "}") {
    --depth_;
    add(with);
  }
  [[nodiscard]] const std::string& str() const { return text_; }

 private:
  std::string text_;
  std::size_t depth_ = 0;
};

}  // namespace coffer::edl
