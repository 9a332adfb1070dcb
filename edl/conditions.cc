#include "edl/conditions.h"

#include <fmt/format.h>

#include <algorithm>

namespace coffer::edl {

bool ConditionalLexer::included() const {
  return std::all_of(branches_.begin(), branches_.end(), [](const Branch& branch) { return branch.taken; });
}

void ConditionalLexer::fail(const Token& at, std::string message, std::string advice) {
  diagnostics_.error(lexer_.place_of(at), std::move(message), std::move(advice));
  failed_ = true;
}

void ConditionalLexer::directive(const Token& hash) {
  const Token word = lexer_.next();
  const bool conditional = word.is("ifdef") || word.is("ifndef");
  if (conditional || word.is("define") || word.is("undef")) {
    const Token name = lexer_.next();
    if (!name.is_name()) {
      return fail(name, fmt::format("#{} needs a name", word.text), "write #" + std::string(word.text) + " NAME");
    }
    if (conditional) {
      branches_.push_back({defined_.contains(name.text) == word.is("ifdef"), false, hash});
    } else if (included()) {
      if (word.is("define")) {
        defined_.emplace(name.text);
      } else {
        defined_.erase(std::string(name.text));
      }
    }
    return;
  }
  if (word.is("else") || word.is("endif")) {
    if (branches_.empty()) {
      return fail(word, fmt::format("#{} without #ifdef or #ifndef before it", word.text),
                  "remove it, or add the #ifdef");
    }
    if (word.is("endif")) {
      branches_.pop_back();
    } else if (branches_.back().else_seen) {
      fail(word, "a second #else of the same condition", "remove one of the two");
    } else {
      branches_.back().else_seen = true;
      branches_.back().taken = !branches_.back().taken;
    }
    return;
  }
  if (!included()) return;  // in text that is left out, anything may follow a #
  fail(word, fmt::format("unsupported directive #{}", word.text),
       "EDL files know #ifdef, #ifndef, #else, #endif, #define NAME and #undef NAME");
}

Token ConditionalLexer::next() {
  while (!failed_) {
    const Token token = lexer_.next();
    if (token.is("#")) {
      directive(token);
      continue;
    }
    if (token.kind == TokenKind::kEnd) {
      if (!branches_.empty()) {
        fail(branches_.back().start, "unterminated #ifdef or #ifndef", "add the #endif");
        branches_.clear();
      }
      return token;
    }
    if (included()) return token;
  }
  return {};
}

}  // namespace coffer::edl
