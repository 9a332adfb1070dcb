#include <coffer/attest/policy.h>

#include <openssl/sha.h>

#include <algorithm>
#include <array>

#include "attest/core/base64.h"
#include "attest/policy/parser.h"
#include "base/text.h"

namespace coffer::attest {

struct PolicyReader {
  static Policy of(std::shared_ptr<const rules::Tree> tree) { return Policy(std::move(tree)); }
};

namespace {

std::string place_of(const PolicyFinding& finding, std::string_view name) {
  return std::string(name) + ":" + std::to_string(finding.place.line) + ":" + std::to_string(finding.place.column) +
         ": ";
}

std::string words_of(const PolicyFinding& finding) {
  return one_line(finding.message) + (finding.advice.empty() ? "" : "; " + one_line(finding.advice));
}

}  // namespace

Result<Policy> Policy::parse(std::string_view text, std::string_view name) {
  rules::Parsed parsed = rules::parse(text);
  if (!parsed.tree) {
    const PolicyFinding& last = parsed.findings.back();
    return input_error(place_of(last, name) + words_of(last));
  }
  return PolicyReader::of(std::move(parsed.tree));
}

const std::string& Policy::text() const { return tree_->text; }
int Policy::version() const { return tree_->version; }
const std::vector<PolicyFinding>& Policy::warnings() const { return tree_->warnings; }
bool Policy::same_rules(const Policy& other) const { return tree_->same_rules(*other.tree_); }

std::size_t Policy::rule_count() const {
  std::size_t count = 0;
  for (const rules::Section& section : tree_->sections) count += section.rules.size();
  return count;
}

PolicyCheck check_policy(std::string_view text) {
  rules::Parsed parsed = rules::parse(text);
  PolicyCheck check;
  check.findings = std::move(parsed.findings);
  if (parsed.tree) check.policy = PolicyReader::of(std::move(parsed.tree));
  return check;
}

std::string render(const PolicyFinding& finding, std::string_view text, std::string_view name) {
  constexpr std::size_t kShown = 160;
  std::string result = place_of(finding, name) + (finding.error ? "error: " : "warning: ") + words_of(finding) + "\n";
  for (std::size_t line = 1; line < finding.place.line; ++line) {
    const std::size_t end = text.find('\n');
    if (end == std::string_view::npos) return result;
    text.remove_prefix(end + 1);
  }
  text = text.substr(0, text.find('\n'));
  // Of a long line, what stands around the place.
  std::size_t column = std::min(finding.place.column - 1, text.size());
  if (column > kShown / 2 && text.size() > kShown) {
    std::size_t cut = column - kShown / 2;
    while (cut < column && (static_cast<unsigned char>(text[cut]) & 0xc0) == 0x80) ++cut;
    text.remove_prefix(cut);
    column -= cut;
  }
  std::string shown(text);
  std::ranges::replace(shown, '\t', ' ');
  shown = one_line(shown, kShown);
  // What is not ASCII takes fewer columns than bytes.
  std::string indent;
  for (const char c : text.substr(0, column)) {
    if ((static_cast<unsigned char>(c) & 0xc0) != 0x80) indent += ' ';
  }
  return result + "  " + shown + "\n  " + indent + "^\n";
}

std::string_view value_type_of(const PolicyValue& value) {
  constexpr std::array<std::string_view, 3> kNames{"Boolean", "Integer", "String"};
  return kNames.at(value.index());
}

std::string policy_hash(std::string_view text) {
  const std::string encoded = to_base64url(bytes_of_text(text));
  std::array<unsigned char, SHA256_DIGEST_LENGTH> digest{};
  ::SHA256(reinterpret_cast<const unsigned char*>(encoded.data()), encoded.size(), digest.data());
  return to_base64url(std::as_bytes(std::span(digest)));
}

}  // namespace coffer::attest
