// Text of a policy to tokens with places. Comments are kept apart, for the formatter.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "attest/policy/syntax.h"

namespace coffer::attest::rules {

enum class TokenKind { kWord, kString, kInteger, kSymbol, kEnd };

struct Token {
  TokenKind kind = TokenKind::kEnd;
  std::string text;  // of a string: what it says, without quotation marks and escapes
  std::int64_t integer = 0;
  PolicyPlace place;
  PolicyPlace end;                  // just after it
  std::size_t comments_before = 0;  // how many comments stand before it in the text
};

struct PlacedComment {
  std::string text;
  PolicyPlace place;
};

struct Tokens {
  std::vector<Token> list;  // the last is kEnd
  std::vector<PlacedComment> comments;
  std::vector<PolicyFinding> findings;  // at most one error, the last
};

[[nodiscard]] Tokens read_tokens(std::string_view text);

}  // namespace coffer::attest::rules
