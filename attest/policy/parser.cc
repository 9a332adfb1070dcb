#include "attest/policy/parser.h"

#include <algorithm>
#include <array>

#include "attest/core/json_text.h"
#include "attest/policy/lexer.h"
#include "attest/policy/rule_parser.h"

namespace coffer::attest::rules {

TokenStream::TokenStream(Tokens tokens) : tokens_(std::move(tokens)), findings_(std::move(tokens_.findings)) {
  good_ = findings_.empty() || !findings_.back().error;
  // What the lexer refused lies at the end of the tokens; the parser first reads those before it and may find an
  // earlier error, so the lexer's waits until then.
  if (!good_) {
    lexical_error_ = findings_.back();
    findings_.pop_back();
    good_ = true;
  }
}

Token TokenStream::take() {
  Token token = peek();
  last_end_ = token.end;
  last_line_ = token.end.line;
  if (position_ + 1 < tokens_.list.size()) ++position_;
  return token;
}

bool TokenStream::accept(std::string_view symbol) {
  if (!is_symbol(symbol)) return false;
  take();
  return true;
}

bool TokenStream::is_symbol(std::string_view symbol) const {
  return peek().kind == TokenKind::kSymbol && peek().text == symbol;
}

bool TokenStream::expect(std::string_view symbol, std::string_view advice) {
  if (accept(symbol)) return true;
  fail(peek().place, "'" + std::string(symbol) + "' is missing before " + shown(peek()), std::string(advice));
  return false;
}

void TokenStream::fail(PolicyPlace place, std::string message, std::string advice) {
  if (!good_) return;
  const bool unread = lexical_error_ && peek().kind == TokenKind::kEnd;
  good_ = false;
  if (unread) return findings_.push_back(*lexical_error_);
  findings_.push_back({.error = true, .place = place, .message = std::move(message), .advice = std::move(advice)});
}

void TokenStream::warn(PolicyPlace place, std::string message, std::string advice) {
  if (!good_) return;
  findings_.push_back({.error = false, .place = place, .message = std::move(message), .advice = std::move(advice)});
}

std::string TokenStream::shown(const Token& token) {
  switch (token.kind) {
    case TokenKind::kEnd:
      return "the end of the text";
    case TokenKind::kString:
      return "\"" + token.text.substr(0, 40) + "\"";
    default:
      return "'" + token.text.substr(0, 40) + "'";
  }
}

namespace {

bool same_word(std::string_view a, std::string_view b) {
  const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; };
  return std::ranges::equal(a, b, {}, lower, lower);
}

class Parser {
 public:
  explicit Parser(std::string_view text) : in_(read_tokens(text)) { tree_.text = text; }

  Parsed run() {
    read_version();
    while (in_.good() && in_.peek().kind != TokenKind::kEnd) read_section();
    if (in_.good()) tree_.closing_comments = take_comments();
    in_.fail_where_text_was_not_read();
    check_sections();
    Parsed parsed;
    parsed.findings = in_.findings();
    if (in_.good()) {
      tree_.warnings = parsed.findings;
      parsed.tree = std::make_shared<const Tree>(std::move(tree_));
    }
    return parsed;
  }

 private:
  // The comments that stand before the next token and were not taken yet.
  std::vector<Comment> take_comments() {
    std::vector<Comment> comments;
    const auto& all = in_.comments();
    for (; comments_taken_ < in_.peek().comments_before; ++comments_taken_) {
      const PlacedComment& each = all[comments_taken_];
      comments.push_back({.text = each.text, .blank_before = each.place.line > last_line_ + 1});
      last_line_ = each.place.line;
    }
    return comments;
  }

  bool keyword(std::string_view word) {
    if (in_.peek().kind != TokenKind::kWord || !same_word(in_.peek().text, word)) return false;
    if (in_.peek().text != word) {
      in_.warn(in_.peek().place, "'" + in_.peek().text + "' in other letters than the language's",
               "write " + std::string(word));
    }
    in_.take();
    last_line_ = in_.last_line();
    return true;
  }

  void read_version() {
    tree_.comments = take_comments();
    const PolicyPlace place = in_.peek().place;
    if (!keyword("version")) {
      return in_.fail(place, "a policy begins with its version, not with " + TokenStream::shown(in_.peek()),
                      "write version=1.0; (or 1.1, 1.2) first");
    }
    if (!in_.expect("=", "write version=1.0;")) return;
    const Token major = in_.take();
    if (!in_.expect(".", "write version=1.0;")) return;
    const Token minor = in_.take();
    if (major.kind != TokenKind::kInteger || minor.kind != TokenKind::kInteger || major.text != "1" ||
        minor.text.size() != 1 || minor.integer > 2) {
      return in_.fail(major.place, "there is no version " + major.text + "." + minor.text + " of the language",
                      "the versions are 1.0, 1.1 and 1.2");
    }
    tree_.version = 10 + static_cast<int>(minor.integer);
    end_statement("the version");
  }

  // A semicolon. Published samples leave it out in places.
  void end_statement(std::string_view what) {
    const PolicyPlace end = in_.last_end();
    if (!in_.accept(";")) in_.warn(end, "no ';' after " + std::string(what), "write ;");
    last_line_ = in_.last_line();
  }

  void read_section() {
    Section section;
    section.comments = take_comments();
    const Token word = in_.peek();
    constexpr std::array kKinds{SectionKind::kConfiguration, SectionKind::kAuthorization, SectionKind::kIssuance};
    const auto* kind = std::ranges::find_if(kKinds, [this](SectionKind each) { return keyword(name_of(each)); });
    if (kind == kKinds.end()) {
      return in_.fail(word.place, TokenStream::shown(word) + " begins no section",
                      "the sections are configurationrules, authorizationrules and issuancerules");
    }
    section.kind = *kind;
    check_order(section.kind, word.place);
    if (!in_.expect("{", "the rules of a section stand between { and }")) return;
    last_line_ = in_.last_line();
    while (in_.good() && !in_.is_symbol("}") && in_.peek().kind != TokenKind::kEnd) read_rule(section);
    section.closing_comments = take_comments();
    if (!in_.expect("}", "close the section with };")) return;
    end_statement("a section");
    tree_.sections.push_back(std::move(section));
  }

  void check_order(SectionKind kind, PolicyPlace place) {
    const std::string name(name_of(kind));
    if (kind == SectionKind::kConfiguration && tree_.version < 11) {
      return in_.fail(place, "configurationrules came with version 1.1, and this policy is of version 1.0",
                      "write version=1.1;");
    }
    for (const Section& before : tree_.sections) {
      if (before.kind == kind)
        return in_.fail(place, name + " stands here a second time", "put all its rules into one");
      if (before.kind > kind) {
        return in_.fail(place, name + " stands after " + std::string(name_of(before.kind)),
                        "the order is configurationrules, authorizationrules, issuancerules");
      }
    }
  }

  void read_rule(Section& section) {
    if (++rules_ > kMaxPolicyRules) {
      return in_.fail(in_.peek().place, "more than " + std::to_string(kMaxPolicyRules) + " rules", "use fewer");
    }
    Rule rule;
    rule.comments = take_comments();
    rule.place = in_.peek().place;
    rule.blank_before = rule.place.line > last_line_ + 1;
    RuleParser(in_, section.kind, tree_.version).read(rule);
    if (!in_.good()) return;
    end_statement("a rule");
    // What stood inside the rule goes before it; what stands after it on its last line stays there.
    const auto& all = in_.comments();
    while (comments_taken_ < all.size() && before(all[comments_taken_].place, in_.last_end())) {
      rule.comments.push_back({.text = all[comments_taken_++].text, .blank_before = false});
    }
    if (comments_taken_ < in_.peek().comments_before && all[comments_taken_].place.line == in_.last_line()) {
      rule.has_trailing_comment = true;
      rule.trailing_comment = all[comments_taken_++].text;
    }
    section.rules.push_back(std::move(rule));
  }

  static bool before(PolicyPlace a, PolicyPlace b) {
    return a.line < b.line || (a.line == b.line && a.column < b.column);
  }

  void check_sections() {
    const bool authorizes = std::ranges::any_of(
        tree_.sections, [](const Section& each) { return each.kind == SectionKind::kAuthorization; });
    if (!authorizes) {
      in_.warn({}, "there are no authorizationrules, so nothing is ever permitted",
               "write authorizationrules { => permit(); };");
    }
  }

  TokenStream in_;
  Tree tree_;
  std::size_t comments_taken_ = 0;
  std::size_t last_line_ = 1;
  std::size_t rules_ = 0;
};

std::optional<PolicyFinding> check_encoding(std::string_view text) {
  PolicyPlace place;
  for (std::string_view rest = text; !rest.empty();) {
    const std::size_t length = utf8_length(rest);
    if (length == 0) {
      return PolicyFinding{
          .error = true, .place = place, .message = "a byte that is not UTF-8", .advice = "save it as UTF-8"};
    }
    place = rest.front() == '\n' ? PolicyPlace{place.line + 1, 1} : PolicyPlace{place.line, place.column + length};
    rest.remove_prefix(length);
  }
  return std::nullopt;
}

}  // namespace

Parsed parse(std::string_view text) {
  if (text.size() > kMaxPolicySize) {
    return {.tree = nullptr,
            .findings = {{.error = true,
                          .place = {},
                          .message = "the text is larger than " + std::to_string(kMaxPolicySize) + " bytes",
                          .advice = "use fewer rules"}}};
  }
  if (auto finding = check_encoding(text)) return {.tree = nullptr, .findings = {*finding}};
  return Parser(text).run();
}

}  // namespace coffer::attest::rules
