#include "attest/core/json_text.h"

#include <algorithm>
#include <array>

namespace coffer::attest {

std::size_t utf8_length(std::string_view text) {
  const auto byte = [text](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const auto continues = [&](std::size_t count) {
    return text.size() > count && std::ranges::all_of(text.substr(1, count), [](char c) {
             return (static_cast<unsigned char>(c) & 0xc0) == 0x80;
           });
  };
  const unsigned char first = byte(0);
  if (first < 0x80) return 1;
  if (first >= 0xc2 && first <= 0xdf) return continues(1) ? 2 : 0;
  if ((first & 0xf0) == 0xe0 && continues(2)) {
    const bool overlong = first == 0xe0 && byte(1) < 0xa0;
    const bool surrogate = first == 0xed && byte(1) >= 0xa0;
    return overlong || surrogate ? 0 : 3;
  }
  if (first >= 0xf0 && first <= 0xf4 && continues(3)) {
    const bool overlong = first == 0xf0 && byte(1) < 0x90;
    const bool too_large = first == 0xf4 && byte(1) >= 0x90;
    return overlong || too_large ? 0 : 4;
  }
  return 0;
}

void JsonText::comma() {
  if (comma_) text_ += ',';
  comma_ = true;
}

void JsonText::open(char bracket) {
  comma();
  text_ += bracket;
  comma_ = false;
}

void JsonText::close(char bracket) {
  text_ += bracket;
  comma_ = true;
}

void JsonText::word(std::string_view word) {
  comma();
  text_ += word;
}

void JsonText::name(std::string_view name) {
  comma();
  quoted(name);
  text_ += ':';
  comma_ = false;
}

void JsonText::value(std::string_view text) {
  comma();
  quoted(text);
}

void JsonText::quoted(std::string_view text) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  text_ += '"';
  while (!text.empty()) {
    const auto c = static_cast<unsigned char>(text.front());
    const std::size_t length = utf8_length(text);
    if (length == 0) {
      text_ += "\xef\xbf\xbd";
    } else if (c == '"' || c == '\\') {
      text_ += '\\';
      text_ += text.front();
    } else if (c < 0x20) {
      text_ += "\\u00";
      text_ += kDigits[c >> 4];
      text_ += kDigits[c & 15];
    } else {
      text_ += text.substr(0, length);
    }
    text.remove_prefix(std::max<std::size_t>(length, 1));
  }
  text_ += '"';
}

}  // namespace coffer::attest
