// Words of an EDL file. Comments and white space are gone; what is no word of the language is a token too, so that text
// that a condition leaves out may be anything.
#pragma once

#include <memory>
#include <string_view>

#include "edl/source.h"

namespace coffer::edl {

enum class TokenKind : std::uint8_t {
  kEnd,
  kName,    // identifiers and keywords alike
  kNumber,  // decimal or 0x...
  kString,  // with its quotes
  kSymbol,  // one of { } ( ) [ ] * , ; = # - < > . /
  kBroken,  // an unterminated string or comment, or a byte that the language does not have
};

struct Token {
  TokenKind kind = TokenKind::kEnd;
  std::string_view text;  // of the file's text
  std::uint32_t line = 1, column = 1;

  [[nodiscard]] bool is(std::string_view word) const {
    return (kind == TokenKind::kName || kind == TokenKind::kSymbol) && text == word;
  }
  [[nodiscard]] bool is_name() const { return kind == TokenKind::kName; }
  [[nodiscard]] bool is_number() const { return kind == TokenKind::kNumber; }
};

class Lexer {
 public:
  explicit Lexer(std::shared_ptr<const SourceFile> file) : file_(std::move(file)) {}
  // kEnd for ever at the end. After kBroken it goes on behind what is broken.
  [[nodiscard]] Token next();
  [[nodiscard]] Place place_of(const Token& token) const;

 private:
  [[nodiscard]] char at(std::size_t offset) const;
  // False: a comment that does not end.
  bool skip_space();
  Token take(TokenKind kind, std::size_t length);

  std::shared_ptr<const SourceFile> file_;
  std::size_t offset_ = 0;
  std::uint32_t line_ = 1;
  std::size_t line_start_ = 0;
};

}  // namespace coffer::edl
