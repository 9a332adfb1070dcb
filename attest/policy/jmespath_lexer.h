// The tokens of a JMESPath expression.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "attest/policy/jmespath_syntax.h"

namespace coffer::attest::rules::jmespath {

inline constexpr std::size_t kMaxQuery = 64 * 1024;

enum class Kind {
  kEnd,
  kName,
  kQuotedName,
  kLiteral,
  kNumber,
  kDot,
  kStar,
  kFlatten,
  kFilter,
  kOpenBracket,
  kCloseBracket,
  kOpenParen,
  kCloseParen,
  kOpenBrace,
  kCloseBrace,
  kComma,
  kColon,
  kPipe,
  kOr,
  kAnd,
  kNot,
  kCompare,
  kCurrent,
  kAmpersand,
};

struct Token {
  Kind kind = Kind::kEnd;
  std::string text;
  ValueRef literal;
  std::int64_t number = 0;
  Compare compare = Compare::kEqual;
  std::size_t position = 0;
};

// The last is kEnd. The error says at which byte.
[[nodiscard]] Result<std::vector<Token>> read_tokens(std::string_view query);

}  // namespace coffer::attest::rules::jmespath
