#include <fmt/format.h>

#include <array>
#include <nlohmann/json.hpp>

#include "base/text.h"
#include "cli/verify_files.h"

namespace coffer::cli {

namespace {

using Json = nlohmann::ordered_json;

constexpr std::size_t kMostListed = 12;  // elements of a list; --json has all

std::string_view meaning_of(attest::TcbStatus status) {
  switch (status) {
    case attest::TcbStatus::kUpToDate:
      return "the platform has every update that its maker asks for";
    case attest::TcbStatus::kSwHardeningNeeded:
      return "up to date; software inside has to be hardened against the advisories";
    case attest::TcbStatus::kConfigurationNeeded:
      return "up to date; the platform's configuration needs a change (often: hyper-threading off)";
    case attest::TcbStatus::kConfigurationAndSwHardeningNeeded:
      return "up to date; the platform's configuration and the software inside need a change";
    case attest::TcbStatus::kOutOfDate:
      return "the platform misses updates";
    case attest::TcbStatus::kOutOfDateConfigurationNeeded:
      return "the platform misses updates and needs a change of its configuration";
    case attest::TcbStatus::kRelaunchAdvised:
      return "the platform was updated after this domain started; start it again";
    case attest::TcbStatus::kRelaunchAdvisedConfigurationNeeded:
      return "the platform was updated after this domain started and needs a change of its configuration; start it "
             "again";
    case attest::TcbStatus::kRevoked:
      return "the platform's keys are not trusted any more";
    case attest::TcbStatus::kNoMatchingTcbLevel:
      return "the platform is older than anything that its maker still speaks of";
  }
  return {};
}

std::string_view words_of(attest::RootOfTrust root) {
  switch (root) {
    case attest::RootOfTrust::kNone:
      return "nobody's root key";
    case attest::RootOfTrust::kIntel:
      return "Intel's root key";
    case attest::RootOfTrust::kAmd:
      return "AMD's root key";
    case attest::RootOfTrust::kSoftware:
      return "a software platform's root key: as strong as that machine's owner";
    case attest::RootOfTrust::kGiven:
      return "a key that you gave";
  }
  return {};
}

// One line for a plain value; what is nested is indented below its name.
void print_value(const std::string& name, const Json& value, int depth, std::string& page) {
  const std::string indent(2 * static_cast<std::size_t>(depth), ' ');
  if (value.is_object()) {
    page += fmt::format("{}{}:\n", indent, one_line(name));
    for (const auto& [member, inner] : value.items()) print_value(member, inner, depth + 1, page);
    return;
  }
  if (value.is_array() && !value.empty() && value[0].is_object()) {
    page += fmt::format("{}{}: {} of them\n", indent, one_line(name), value.size());
    std::size_t listed = 0;
    for (const Json& element : value) {
      if (++listed > kMostListed) break;
      page += fmt::format("{}  {}\n", indent, one_line(element.dump(), 240));
    }
    if (value.size() > kMostListed) page += fmt::format("{}  ... (--json has all)\n", indent);
    return;
  }
  const std::string text = value.is_string() ? value.get<std::string>() : value.dump();
  page += fmt::format("{}{:<24} {}\n", indent, one_line(name), one_line(text));
}

std::string_view mark_of(attest::CheckOutcome outcome) {
  switch (outcome) {
    case attest::CheckOutcome::kPassed:
      return "passed";
    case attest::CheckOutcome::kFailed:
      return "FAILED";
    case attest::CheckOutcome::kNotDone:
      return "-";
  }
  return {};
}

void print_failures(const attest::Verification& verification, std::string& page) {
  for (const attest::Check& check : verification.checks.list()) {
    if (check.outcome != attest::CheckOutcome::kFailed) continue;
    page += fmt::format("  because {} ({})\n", check.id, check.section);
    if (!check.expected.empty()) page += fmt::format("    expected  {}\n", one_line(check.expected));
    if (!check.actual.empty()) page += fmt::format("    actual    {}\n", one_line(check.actual));
  }
}

void print_checks(const attest::Verification& verification, std::string& page) {
  page += "\nChecks\n";
  for (const attest::Check& check : verification.checks.list()) {
    const std::string& what = check.outcome == attest::CheckOutcome::kFailed ? check.expected : check.actual;
    page += fmt::format("  {:<6} {:<28} {}\n", mark_of(check.outcome), check.id, one_line(what, 160));
  }
}

}  // namespace

std::string page_of(const attest::EvidenceAnswer& answer, bool accepted, const std::string& refusal) {
  const attest::Verification& verification = answer.verification;
  std::string page = fmt::format("{}: {}, under {}\n", accepted ? "ACCEPTED" : "REFUSED", name_of(answer.kind),
                                 words_of(verification.root));
  print_failures(verification, page);
  if (!refusal.empty()) page += fmt::format("  because of the policy: {}\n", one_line(refusal));
  if (answer.kind == attest::EvidenceKind::kEventLog) {
    page += "  It reads and replays; nobody signed it. A quote over the registers says whether it is true.\n";
  }
  if (verification.tcb_status) {
    page +=
        fmt::format("TCB status: {}: {}\n", name_of(*verification.tcb_status), meaning_of(*verification.tcb_status));
  }
  if (!verification.advisory_ids.empty()) {
    page += fmt::format("Advisories: {}\n", fmt::join(verification.advisory_ids, ", "));
  }
  if (verification.valid_until) page += fmt::format("Valid until: {}\n", to_iso8601(*verification.valid_until));
  page += verification.authentic() ? "\nClaims\n" : "\nClaims, which nothing proves\n";
  const Json claims = Json::parse(to_json(verification.claims));
  for (const auto& [name, value] : claims.items()) print_value(name, value, 1, page);
  print_checks(verification, page);
  return page;
}

}  // namespace coffer::cli
