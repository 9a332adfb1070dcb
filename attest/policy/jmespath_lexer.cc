#include "attest/policy/jmespath_lexer.h"

#include <charconv>

namespace coffer::attest::rules::jmespath {

namespace {

bool is_name_start(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }
bool is_digit(char c) { return c >= '0' && c <= '9'; }

class Lexer {
 public:
  explicit Lexer(std::string_view text) : text_(text) {}

  Result<std::vector<Token>> run() {
    std::vector<Token> tokens;
    while (true) {
      while (at_ < text_.size() && std::string_view(" \t\r\n").contains(text_[at_])) ++at_;
      Token token;
      token.position = at_;
      if (at_ < text_.size() && !read(token)) return input_error(error_ + " at byte " + std::to_string(token.position));
      tokens.push_back(token);
      if (token.kind == Kind::kEnd) return tokens;
    }
  }

 private:
  bool read(Token& token) {
    const char c = text_[at_];
    if (is_name_start(c)) return read_name(token);
    if (is_digit(c) || c == '-') return read_number(token);
    if (c == '"') return read_quoted_name(token);
    if (c == '\'') return read_raw_string(token);
    if (c == '`') return read_literal(token);
    struct Symbol {
      std::string_view text;
      Kind kind;
      Compare compare = Compare::kEqual;
    };
    static constexpr Symbol kSymbols[] = {
        {"[]", Kind::kFlatten},
        {"[?", Kind::kFilter},
        {"||", Kind::kOr},
        {"&&", Kind::kAnd},
        {"==", Kind::kCompare},
        {"!=", Kind::kCompare, Compare::kNotEqual},
        {"<=", Kind::kCompare, Compare::kLessOrEqual},
        {">=", Kind::kCompare, Compare::kGreaterOrEqual},
        {"<", Kind::kCompare, Compare::kLess},
        {">", Kind::kCompare, Compare::kGreater},
        {".", Kind::kDot},
        {"*", Kind::kStar},
        {"[", Kind::kOpenBracket},
        {"]", Kind::kCloseBracket},
        {"(", Kind::kOpenParen},
        {")", Kind::kCloseParen},
        {"{", Kind::kOpenBrace},
        {"}", Kind::kCloseBrace},
        {",", Kind::kComma},
        {":", Kind::kColon},
        {"|", Kind::kPipe},
        {"!", Kind::kNot},
        {"@", Kind::kCurrent},
        {"&", Kind::kAmpersand},
    };
    for (const Symbol& symbol : kSymbols) {
      if (!text_.substr(at_).starts_with(symbol.text)) continue;
      token.kind = symbol.kind;
      token.compare = symbol.compare;
      at_ += symbol.text.size();
      return true;
    }
    error_ = "a character that means nothing";
    return false;
  }

  bool read_name(Token& token) {
    const std::size_t start = at_;
    while (at_ < text_.size() && (is_name_start(text_[at_]) || is_digit(text_[at_]))) ++at_;
    token.kind = Kind::kName;
    token.text = text_.substr(start, at_ - start);
    return true;
  }

  bool read_number(Token& token) {
    const auto [end, error] = std::from_chars(text_.data() + at_, text_.data() + text_.size(), token.number);
    if (error != std::errc()) {
      error_ = "a number that is none";
      return false;
    }
    at_ = static_cast<std::size_t>(end - text_.data());
    token.kind = Kind::kNumber;
    return true;
  }

  // The text up to `quote`, in which a backslash keeps the quote from ending it.
  bool read_until(char quote, std::string& content) {
    const std::size_t start = ++at_;
    while (at_ < text_.size() && text_[at_] != quote) at_ += text_[at_] == '\\' ? 2 : 1;
    if (at_ >= text_.size()) {
      error_ = std::string("a text that does not end with ") + quote;
      return false;
    }
    content = text_.substr(start, at_++ - start);
    return true;
  }
  static void unescape(std::string& content, char quote) {
    std::string result;
    for (std::size_t i = 0; i < content.size(); ++i) {
      if (content[i] == '\\' && i + 1 < content.size() && content[i + 1] == quote) ++i;
      result += content[i];
    }
    content = std::move(result);
  }
  bool json(const std::string& content, ValueRef& value) {
    Budget budget({.steps = kMaxQuery * 4, .bytes = kMaxQuery * 64});
    auto read = read_value(content, budget);
    if (!read) {
      error_ = "a literal that is not JSON (a text in it stands between quotation marks)";
      return false;
    }
    value = std::move(*read);
    return true;
  }

  bool read_quoted_name(Token& token) {
    std::string content;
    ValueRef value;
    if (!read_until('"', content) || !json("\"" + content + "\"", value)) return false;
    const auto* name = value->as<std::string>();
    if (name == nullptr) return false;
    token.text = *name;
    token.kind = Kind::kQuotedName;
    return true;
  }

  bool read_raw_string(Token& token) {
    std::string content;
    if (!read_until('\'', content)) return false;
    unescape(content, '\'');
    token.literal = std::make_shared<const Value>(Value::Storage(std::move(content)));
    token.kind = Kind::kLiteral;
    return true;
  }

  bool read_literal(Token& token) {
    std::string content;
    if (!read_until('`', content)) return false;
    unescape(content, '`');
    token.kind = Kind::kLiteral;
    return json(content, token.literal);
  }

  std::string_view text_;
  std::size_t at_ = 0;
  std::string error_;
};

}  // namespace

Result<std::vector<Token>> read_tokens(std::string_view query) { return Lexer(query).run(); }

}  // namespace coffer::attest::rules::jmespath
