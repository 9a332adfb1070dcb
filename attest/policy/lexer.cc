#include "attest/policy/lexer.h"

#include <array>
#include <charconv>

namespace coffer::attest::rules {

namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_word_start(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }
bool is_word(char c) { return is_word_start(c) || is_digit(c); }
bool is_space(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; }

class Lexer {
 public:
  explicit Lexer(std::string_view text) : text_(text) {}

  Tokens run() {
    if (text_.starts_with("\xef\xbb\xbf")) {
      out_.findings.push_back({.error = false,
                               .place = place_,
                               .message = "the text begins with a byte order mark",
                               .advice = "save it as UTF-8 without one"});
      text_.remove_prefix(3);
    }
    while (good_) {
      skip_space();
      if (!good_) break;
      begin();
      if (text_.empty()) break;
      read_one();
    }
    begin();
    token_.kind = TokenKind::kEnd;
    out_.list.push_back(token_);
    return std::move(out_);
  }

 private:
  void fail(PolicyPlace place, std::string message, std::string advice) {
    good_ = false;
    out_.findings.push_back(
        {.error = true, .place = place, .message = std::move(message), .advice = std::move(advice)});
  }

  char take() {
    const char c = text_.front();
    text_.remove_prefix(1);
    if (c == '\n') {
      ++place_.line;
      place_.column = 1;
    } else {
      ++place_.column;
    }
    return c;
  }

  void begin() {
    token_ = {};
    token_.place = place_;
    token_.end = place_;
    token_.comments_before = out_.comments.size();
  }
  void finish(TokenKind kind) {
    token_.kind = kind;
    token_.end = place_;
    out_.list.push_back(token_);
  }

  void skip_space() {
    while (!text_.empty()) {
      if (is_space(text_.front())) {
        take();
      } else if (text_.starts_with("//")) {
        read_comment();
      } else {
        return;
      }
    }
  }

  void read_comment() {
    const PolicyPlace place = place_;
    std::string comment;
    while (!text_.empty() && text_.front() != '\n') {
      const auto c = static_cast<unsigned char>(text_.front());
      if (c < 0x20 && c != '\t' && c != '\r') {
        return fail(place_, "a control character in a comment", "take it out");
      }
      comment += take();
    }
    comment.erase(0, 2);
    const std::size_t last = comment.find_last_not_of(" \t\r");
    comment.erase(last == std::string::npos ? 0 : last + 1);
    comment.erase(0, std::min(comment.find_first_not_of(" \t"), comment.size()));
    out_.comments.push_back({.text = std::move(comment), .place = place});
  }

  void read_one() {
    const char c = text_.front();
    if (is_word_start(c)) {
      while (!text_.empty() && is_word(text_.front())) token_.text += take();
      return finish(TokenKind::kWord);
    }
    if (is_digit(c) || (c == '-' && text_.size() > 1 && is_digit(text_[1]))) return read_number();
    if (c == '"') return read_string();
    for (const std::string_view symbol : {"=>", "==", "!=", "<=", ">=", "&&"}) {
      if (text_.starts_with(symbol)) return read_symbol(symbol.size());
    }
    if (std::string_view("={}[](),;:.!<>").contains(c)) return read_symbol(1);
    refuse_character();
  }

  void read_symbol(std::size_t length) {
    for (std::size_t i = 0; i < length; ++i) token_.text += take();
    finish(TokenKind::kSymbol);
  }

  void read_number() {
    do {
      token_.text += take();
    } while (!text_.empty() && is_word(text_.front()));
    const char* end = token_.text.data() + token_.text.size();
    const auto [read, error] = std::from_chars(token_.text.data(), end, token_.integer);
    if (error == std::errc() && read == end) return finish(TokenKind::kInteger);
    std::string advice = "write a decimal number between -9223372036854775808 and 9223372036854775807";
    std::uint64_t value = 0;
    if (token_.text.starts_with("0x") || token_.text.starts_with("0X")) {
      const auto hexadecimal = std::from_chars(token_.text.data() + 2, end, value, 16);
      if (hexadecimal.ec == std::errc() && hexadecimal.ptr == end) {
        advice = "the language has decimal numbers alone; write " + std::to_string(value);
      }
    }
    fail(token_.place, "'" + token_.text.substr(0, 40) + "' is no integer", advice);
  }

  void read_string() {
    take();
    while (!text_.empty() && text_.front() != '"') {
      if (static_cast<unsigned char>(text_.front()) < 0x20 && text_.front() != '\t') {
        return fail(place_,
                    text_.front() == '\n' || text_.front() == '\r' ? "a string does not end on its line"
                                                                   : "a control character in a string",
                    "close it with \" on the line that it began on");
      }
      if (text_.front() == '\\') {
        take();
        if (text_.empty()) break;
      }
      token_.text += take();
    }
    if (text_.empty()) return fail(token_.place, "a string does not end", "close it with \"");
    take();
    finish(TokenKind::kString);
  }

  void refuse_character() {
    struct Known {
      std::string_view bytes, message, advice;
    };
    constexpr std::array kKnown{
        Known{"\xe2\x80\x9c", "a typographic quotation mark", "write \""},
        Known{"\xe2\x80\x9d", "a typographic quotation mark", "write \""},
        Known{"\xe2\x80\x98", "a typographic quotation mark", "write \""},
        Known{"\xe2\x80\x99", "a typographic quotation mark", "write \""},
        Known{"\xc2\xa0", "a no-break space", "write an ordinary space"},
        Known{"'", "an apostrophe outside a string", "strings stand between \" and \""},
        Known{"||", "there is no || here", "write two rules"},
        Known{"&", "a single &", "write &&"},
        Known{"/", "a single /", "a comment begins with //"},
    };
    for (const Known& known : kKnown) {
      if (text_.starts_with(known.bytes)) {
        return fail(place_, std::string(known.message), std::string(known.advice));
      }
    }
    constexpr std::string_view kDigits = "0123456789abcdef";
    const auto byte = static_cast<unsigned char>(text_.front());
    std::string shown = "'" + std::string(1, text_.front()) + "'";
    if (byte < 0x20 || byte >= 0x7f) shown = std::string("the byte 0x") + kDigits[byte >> 4] + kDigits[byte & 15];
    fail(place_, shown + " has no meaning here", "take it out");
  }

  std::string_view text_;
  PolicyPlace place_;
  Token token_;
  Tokens out_;
  bool good_ = true;
};

}  // namespace

Tokens read_tokens(std::string_view text) { return Lexer(text).run(); }

}  // namespace coffer::attest::rules
