#include "edl/lexer.h"

#include <algorithm>

namespace coffer::edl {
namespace {

// Not those of <cctype>: they depend on the locale.
bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }
bool is_hex_digit(char c) { return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F'); }

constexpr std::string_view kSymbols = "{}()[]*,;=#-<>./";

}  // namespace

// A NUL past the end; NULs inside the file are bytes that the language does not have.
char Lexer::at(std::size_t offset) const { return offset < file_->text.size() ? file_->text[offset] : '\0'; }

bool Lexer::skip_space() {
  const std::string& text = file_->text;
  while (offset_ < text.size()) {
    const char c = text[offset_];
    if (c == '\n') {
      ++line_;
      line_start_ = ++offset_;
    } else if (c == ' ' || c == '\t' || c == '\r' || c == '\v' || c == '\f') {
      ++offset_;
    } else if (c == '/' && at(offset_ + 1) == '/') {
      offset_ = std::min(text.find('\n', offset_), text.size());
    } else if (c == '/' && at(offset_ + 1) == '*') {
      const std::size_t end = text.find("*/", offset_ + 2);
      if (end == std::string::npos) return false;
      for (std::size_t i = offset_; i < end; ++i) {
        if (text[i] != '\n') continue;
        ++line_;
        line_start_ = i + 1;
      }
      offset_ = end + 2;
    } else {
      break;
    }
  }
  return true;
}

Token Lexer::take(TokenKind kind, std::size_t length) {
  const Token token{kind, std::string_view(file_->text).substr(offset_, length), line_,
                    static_cast<std::uint32_t>(offset_ - line_start_ + 1)};
  offset_ += token.text.size();
  return token;
}

Token Lexer::next() {
  if (!skip_space()) {
    // Shown where the comment begins; the rest of the file is in it.
    const Token comment = take(TokenKind::kBroken, 2);
    offset_ = file_->text.size();
    return comment;
  }
  if (offset_ >= file_->text.size()) return take(TokenKind::kEnd, 0);
  const char first = at(offset_);
  std::size_t length = 1;
  if (is_letter(first)) {
    while (is_letter(at(offset_ + length)) || is_digit(at(offset_ + length))) ++length;
    return take(TokenKind::kName, length);
  }
  if (is_digit(first)) {
    const bool hex =
        first == '0' && (at(offset_ + 1) == 'x' || at(offset_ + 1) == 'X') && is_hex_digit(at(offset_ + 2));
    if (hex) length = 2;
    while (hex ? is_hex_digit(at(offset_ + length)) : is_digit(at(offset_ + length))) ++length;
    return take(TokenKind::kNumber, length);
  }
  if (first == '"') {
    const std::size_t end = file_->text.find_first_of("\"\n", offset_ + 1);
    if (end == std::string::npos || file_->text[end] != '"') return take(TokenKind::kBroken, 1);
    return take(TokenKind::kString, end + 1 - offset_);
  }
  return take(kSymbols.find(first) != std::string_view::npos ? TokenKind::kSymbol : TokenKind::kBroken, 1);
}

Place Lexer::place_of(const Token& token) const {
  return {file_, token.line, token.column, static_cast<std::uint32_t>(std::max<std::size_t>(token.text.size(), 1))};
}

}  // namespace coffer::edl
