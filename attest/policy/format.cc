// The one layout of a policy.
#include <coffer/attest/policy.h>

#include "attest/policy/syntax.h"

namespace coffer::attest {

namespace {

constexpr std::size_t kWidth = 120;

class Formatter {
 public:
  std::string run(const rules::Tree& tree) {
    write(tree.comments, "");
    line("", "version=1." + std::to_string(tree.version - 10) + ";");
    for (const rules::Section& section : tree.sections) write(section);
    if (!tree.closing_comments.empty()) blank();
    write(tree.closing_comments, "");
    return std::move(out_);
  }

 private:
  void line(std::string_view indent, std::string_view text) {
    out_ += indent;
    out_ += text;
    out_ += '\n';
    opened_ = false;
  }
  // One empty line, unless there is one or a block has just begun.
  void blank() {
    if (!out_.empty() && !opened_ && !out_.ends_with("\n\n")) out_ += '\n';
  }

  void write(const std::vector<rules::Comment>& comments, std::string_view indent) {
    for (const rules::Comment& comment : comments) {
      if (comment.blank_before) blank();
      line(indent, comment.text.empty() ? "//" : "// " + comment.text);
    }
  }

  void write(const rules::Section& section) {
    blank();
    write(section.comments, "");
    line("", rules::name_of(section.kind));
    line("", "{");
    opened_ = true;
    for (const rules::Rule& rule : section.rules) write(rule);
    write(section.closing_comments, "  ");
    line("", "};");
  }

  void write(const rules::Rule& rule) {
    write(rule.comments, "  ");
    if (rule.blank_before) blank();
    const std::string trailing = !rule.has_trailing_comment      ? ""
                                 : rule.trailing_comment.empty() ? "  //"
                                                                 : "  // " + rule.trailing_comment;
    const std::string whole = text_of(rule);
    if (2 + whole.size() <= kWidth || rule.conditions.empty()) return line("  ", whole + trailing);
    for (std::size_t i = 0; i < rule.conditions.size(); ++i) {
      line("  ", text_of(rule.conditions[i]) + (i + 1 < rule.conditions.size() ? " &&" : ""));
    }
    line("    ", "=> " + text_of(rule.action) + ";" + trailing);
  }

  std::string out_;
  bool opened_ = false;
};

}  // namespace

std::string format_policy(const Policy& policy) { return Formatter().run(policy.tree()); }

}  // namespace coffer::attest
