// #ifdef, #ifndef, #else, #endif, #define NAME and #undef NAME, anywhere between two words: a token stream with what is
// left out gone.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "edl/lexer.h"

namespace coffer::edl {

class ConditionalLexer {
 public:
  ConditionalLexer(std::shared_ptr<const SourceFile> file, std::set<std::string, std::less<>> defined,
                   Diagnostics& diagnostics)
      : lexer_(std::move(file)), defined_(std::move(defined)), diagnostics_(diagnostics) {}

  // kEnd at the end, and for ever after an error in a directive.
  [[nodiscard]] Token next();
  [[nodiscard]] Place place_of(const Token& token) const { return lexer_.place_of(token); }

 private:
  struct Branch {
    bool taken;      // what stands here now is in, as far as this condition goes
    bool else_seen;  // there is one #else at most
    Token start;
  };

  [[nodiscard]] bool included() const;
  void directive(const Token& hash);
  void fail(const Token& at, std::string message, std::string advice);

  Lexer lexer_;
  std::set<std::string, std::less<>> defined_;
  Diagnostics& diagnostics_;
  std::vector<Branch> branches_;
  bool failed_ = false;
};

}  // namespace coffer::edl
