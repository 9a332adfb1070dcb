// coffer policy: checking, trying out and formatting attestation policies.
#include <coffer/attest/policy.h>
#include <fmt/format.h>

#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include "base/file.h"
#include "base/text.h"
#include "cli/input.h"
#include "cli/verbs.h"

namespace coffer::cli {
namespace {

constexpr std::size_t kClaimsLimit = std::size_t{4} * 1024 * 1024;

struct Options {
  std::string file, claims;
  bool json = false, strict = false, check = false, write = false;
};

std::string name_of_input(const std::string& file) { return file == "-" ? "standard input" : file; }

int check_one(const Options& options) {
  const auto text = read_text(options.file, attest::kMaxPolicySize + 1);
  if (!text) return report(text.error());
  const std::string name = name_of_input(options.file);
  const attest::PolicyCheck check = attest::check_policy(*text);
  const bool good = check.policy && (!options.strict || check.findings.empty());
  if (options.json) {
    nlohmann::ordered_json json;
    json["good"] = good;
    if (check.policy) {
      json["version"] = fmt::format("1.{}", check.policy->version() - 10);
      json["rules"] = check.policy->rule_count();
      json["hash"] = attest::policy_hash(*text);
    }
    json["findings"] = nlohmann::ordered_json::array();
    for (const attest::PolicyFinding& finding : check.findings) {
      json["findings"].push_back({{"severity", finding.error ? "error" : "warning"},
                                  {"line", finding.place.line},
                                  {"column", finding.place.column},
                                  {"message", finding.message},
                                  {"advice", finding.advice}});
    }
    std::fputs((json.dump(2) + "\n").c_str(), stdout);
    return good ? 0 : 2;
  }
  for (const attest::PolicyFinding& finding : check.findings) {
    std::fputs(render(finding, *text, name).c_str(), stderr);
  }
  if (check.policy) {
    std::fputs(fmt::format("{}: version 1.{}, {} rule{}{}, hash {}\n", name, check.policy->version() - 10,
                           check.policy->rule_count(), check.policy->rule_count() == 1 ? "" : "s",
                           check.findings.empty() ? "" : fmt::format(", {} warning(s)", check.findings.size()),
                           attest::policy_hash(*text))
                   .c_str(),
               stdout);
  }
  return good ? 0 : 2;
}

std::string text_of(const attest::PolicyClaim& claim) {
  constexpr std::size_t kShown = 200;
  std::string value;
  if (const bool* boolean = std::get_if<bool>(&claim.value)) {
    value = *boolean ? "true" : "false";
  } else if (const auto* integer = std::get_if<std::int64_t>(&claim.value)) {
    value = std::to_string(*integer);
  } else {
    const auto& text = std::get<std::string>(claim.value);
    value = "\"" + one_line(text, kShown) + (text.size() > kShown ? "..." : "") + "\"";
  }
  return one_line(claim.type) + " = " + value;
}

void print_rule(const attest::RuleTrace& rule, const attest::PolicyOutcome& outcome) {
  constexpr std::size_t kShownMatches = 20;
  std::string out = fmt::format("  {}:{}  {}\n", rule.place.line, rule.place.column, one_line(rule.text, 1000));
  std::size_t number = 0;
  for (const attest::ConditionTrace& condition : rule.conditions) {
    ++number;
    const std::string label = condition.identifier.empty() ? fmt::format("condition {}", number) : condition.identifier;
    if (!condition.looked_at) {
      out += fmt::format("      {}: not looked at\n", label);
      continue;
    }
    out += fmt::format("      {}: {}{}\n", label, condition.held ? "holds" : "does not hold",
                       condition.matches.empty() ? ", no claim matches" : "");
    for (std::size_t i = 0; i < condition.matches.size() && i < kShownMatches; ++i) {
      const attest::PolicyClaim& claim = outcome.claims[condition.matches[i]];
      out += fmt::format("        {} ({})\n", text_of(claim), claim.issuer);
    }
    if (condition.matches.size() > kShownMatches) {
      out += fmt::format("        and {} more\n", condition.matches.size() - kShownMatches);
    }
  }
  if (!rule.fired) {
    out += "      does nothing\n";
  } else if (rule.action == "permit" || rule.action == "deny") {
    out += fmt::format("      {}\n", rule.action);
  } else {
    if (rule.gave.empty()) out += fmt::format("      {}: no value, so no claim\n", rule.action);
    for (const attest::PolicyClaim& claim : rule.gave)
      out += fmt::format("      {}: {}\n", rule.action, text_of(claim));
  }
  std::fputs(out.c_str(), stdout);
}

void print_outcome(const attest::PolicyOutcome& outcome) {
  std::string section;
  for (const attest::RuleTrace& rule : outcome.trace) {
    if (rule.section != section) std::puts(rule.section.c_str());
    section = rule.section;
    print_rule(rule, outcome);
  }
  std::puts(outcome.permitted ? "permitted" : "denied");
  for (const attest::PolicyClaim& claim : outcome.issued) std::puts(("  issued " + text_of(claim)).c_str());
  for (const attest::PolicyClaim& claim : outcome.properties) std::puts(("  property " + text_of(claim)).c_str());
}

Result<std::vector<attest::PolicyClaim>> read_claims(const std::string& given) {
  const std::size_t first = given.find_first_not_of(" \t\r\n");
  const bool inline_json = first != std::string::npos && (given[first] == '{' || given[first] == '[');
  std::string json = given;
  if (!inline_json) {
    auto text = read_text(given, kClaimsLimit);
    if (!text) return std::unexpected(text.error());
    json = std::move(*text);
  }
  auto claims = attest::policy_claims_from_json(json);
  if (!claims) {
    return input_error((inline_json ? std::string("--claims") : name_of_input(given)) + ": " + claims.error().message);
  }
  return claims;
}

int evaluate_one(const Options& options) {
  if (options.file == "-" && options.claims == "-") {
    return report({ErrorKind::kInput, "the policy and the claims cannot both be standard input; name a file for one"});
  }
  const auto text = read_text(options.file, attest::kMaxPolicySize + 1);
  if (!text) return report(text.error());
  const auto policy = attest::Policy::parse(*text, name_of_input(options.file));
  if (!policy) return report(policy.error());
  const auto claims = read_claims(options.claims);
  if (!claims) return report(claims.error());
  const auto outcome = attest::evaluate(*policy, *claims);
  if (!outcome) return report({outcome.error().kind, name_of_input(options.file) + ": " + outcome.error().message});
  if (options.json) {
    std::puts(attest::to_json(*outcome).c_str());
  } else {
    print_outcome(*outcome);
  }
  if (!outcome->permitted) return options.json ? 1 : report({ErrorKind::kRefused, outcome->reason});
  return 0;
}

int format_one(const Options& options) {
  const auto text = read_text(options.file, attest::kMaxPolicySize + 1);
  if (!text) return report(text.error());
  const std::string name = name_of_input(options.file);
  const auto policy = attest::Policy::parse(*text, name);
  if (!policy) return report(policy.error());
  const std::string formatted = attest::format_policy(*policy);
  if (options.check) {
    if (formatted == *text) return 0;
    return report({ErrorKind::kRefused, name + " is not formatted: `coffer policy format --write` does it"});
  }
  if (!options.write) {
    std::fputs(formatted.c_str(), stdout);
    return 0;
  }
  if (options.file == "-") {
    return report({ErrorKind::kInput, "standard input cannot be written: leave out --write, or name a file"});
  }
  if (formatted == *text) return 0;
  const auto written = write_file_atomically(options.file, std::as_bytes(std::span(formatted)));
  return written ? 0 : report(written.error());
}

void add_check(CLI::App& policy, const std::shared_ptr<Options>& options, int& status) {
  CLI::App* verb = policy.add_subcommand("check", "Say whether a policy can be read, and what is doubtful in it");
  verb->footer(
      "Examples:\n"
      "  coffer policy check sgx.policy\n"
      "  coffer policy check --strict --json sgx.policy\n\n"
      "A warning is about what Coffer reads and other implementations may not, like a single = in a condition.\n\n"
      "Exit status: 0 it can be read, 2 it cannot, or with --strict there are warnings.");
  verb->add_option("FILE", options->file, "The policy, or - for standard input")->required();
  verb->add_flag("--strict", options->strict, "Take warnings for errors");
  verb->add_flag("--json", options->json, "Print JSON for machines");
  verb->callback([options, &status] { status = check_one(*options); });
}

void add_eval(CLI::App& policy, const std::shared_ptr<Options>& options, int& status) {
  CLI::App* verb = policy.add_subcommand("eval", "Evaluate a policy over claims, and show what each rule did");
  verb->footer(
      "Examples:\n"
      "  coffer policy eval sgx.policy --claims '{\"x-ms-sgx-is-debuggable\": false, \"x-ms-sgx-svn\": 3}'\n"
      "  coffer policy eval --json tpm.policy --claims claims.json\n\n"
      "CLAIMS is JSON, or the name of a file that holds it: an object of names with values, all of them issued by\n"
      "AttestationService (an array is several claims, an object is a string that holds its JSON), or a list of\n"
      "{\"type\": NAME, \"value\": VALUE, \"issuer\": WHO}, where the issuer is CustomClaim if it is left out.\n\n"
      "Exit status: 0 permitted, 1 denied, or it could not be evaluated to its end, 2 the policy or the claims cannot\n"
      "be read.");
  verb->add_option("FILE", options->file, "The policy, or - for standard input")->required();
  verb->add_option("--claims", options->claims, "The claims: JSON, a file, or - for standard input")
      ->type_name("CLAIMS")
      ->required();
  verb->add_flag("--json", options->json, "Print JSON for machines");
  verb->callback([options, &status] { status = evaluate_one(*options); });
}

void add_format(CLI::App& policy, const std::shared_ptr<Options>& options, int& status) {
  CLI::App* verb = policy.add_subcommand("format", "Print a policy in the one layout, its comments kept");
  verb->footer(
      "Examples:\n"
      "  coffer policy format sgx.policy\n"
      "  coffer policy format --check sgx.policy\n\n"
      "A comment inside a rule moves before it. The hash of a policy is over its text: after --write it is another.\n\n"
      "Exit status: 0 done, 1 with --check it is not formatted, 2 it cannot be read.");
  verb->add_option("FILE", options->file, "The policy, or - for standard input")->required();
  CLI::Option* check = verb->add_flag("--check", options->check, "Print nothing: say whether it is formatted");
  verb->add_flag("--write", options->write, "Write the file anew")->excludes(check);
  verb->callback([options, &status] { status = format_one(*options); });
}

}  // namespace

void add_policy(CLI::App& app, int& status) {
  CLI::App* policy = app.add_subcommand("policy", "Check, try out and format attestation policies");
  policy->require_subcommand(1);
  policy->footer(
      "Examples:\n"
      "  coffer policy check sgx.policy\n"
      "  coffer policy eval sgx.policy --claims '{\"x-ms-sgx-is-debuggable\": false}'\n"
      "  coffer policy format --write sgx.policy\n\n"
      "The language is that of Azure Attestation, versions 1.0 to 1.2.");
  auto options = std::make_shared<Options>();
  add_check(*policy, options, status);
  add_eval(*policy, options, status);
  add_format(*policy, options, status);
}

}  // namespace coffer::cli
