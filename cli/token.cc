// coffer token: looking at attestation tokens, and verifying them.
#include <coffer/attest/token.h>
#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <ctime>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include "base/text.h"
#include "cli/input.h"
#include "cli/verbs.h"

namespace coffer::cli {
namespace {

struct Options {
  std::string token, certificates, issuer, audience, at;
  std::int64_t leeway = 0;
  bool json = false, accept_unsigned = false, legacy_rsa = false;
};

// A token is given itself, or where it stands: in a file, on standard input, alone or in an answer {"token":...}.
Result<std::string> read_token(const std::string& given) {
  std::string text = given;
  const bool is_token = given.size() > 100 && std::ranges::count(given, '.') == 2 && given.starts_with("ey");
  if (!is_token) {
    auto content = read_text(given, attest::kMaxTokenSize + 1024);
    if (!content) return content;
    text = std::move(*content);
  }
  const std::size_t first = text.find_first_not_of(" \t\r\n");
  if (first == std::string::npos) return input_error(given + " is empty: it should hold a token");
  text = text.substr(first, text.find_last_not_of(" \t\r\n") - first + 1);
  if (text.starts_with('{')) {
    const auto answer = nlohmann::json::parse(text, nullptr, false);
    if (answer.is_discarded() || !answer.is_object() || !answer.contains("token") || !answer["token"].is_string()) {
      return input_error(given +
                         " is JSON without a member \"token\": give a token, or the answer of an attestation service");
    }
    text = answer["token"].get<std::string>();
  }
  return text;
}

nlohmann::ordered_json parsed(const std::string& json) {
  return json.empty() ? nlohmann::ordered_json(nullptr) : nlohmann::ordered_json::parse(json);
}

std::string pretty(const std::string& json) {
  return json.empty() ? "(empty)" : parsed(json).dump(2, ' ', true, nlohmann::ordered_json::error_handler_t::replace);
}

int show(const Options& options) {
  const auto text = read_token(options.token);
  if (!text) return report(text.error());
  const auto token = attest::decode_token(*text);
  if (!token) return report(token.error());
  if (options.json) {
    const nlohmann::ordered_json json{
        {"verified", false}, {"header", parsed(token->header_json)}, {"payload", parsed(token->payload_json)}};
    std::puts(json.dump(2, ' ', true, nlohmann::ordered_json::error_handler_t::replace).c_str());
    return 0;
  }
  std::fputs("NOT VERIFIED: anybody can have written this; `coffer token verify` says who did.\n", stderr);
  std::puts(("header " + pretty(token->header_json)).c_str());
  std::puts(("payload " + pretty(token->payload_json)).c_str());
  std::puts(token->signature.empty()
                ? "no signature"
                : fmt::format("a signature of {} bytes, not looked at", token->signature.size()).c_str());
  return 0;
}

void print_checks(const attest::TokenVerification& verification) {
  for (const attest::Check& check : verification.checks.list()) {
    const char* mark = check.outcome == attest::CheckOutcome::kPassed   ? "ok   "
                       : check.outcome == attest::CheckOutcome::kFailed ? "WRONG"
                                                                        : "-    ";
    std::string line = fmt::format("  {} {}", mark, check.id);
    if (!check.actual.empty()) line += ": " + one_line(check.actual, 300);
    if (check.outcome == attest::CheckOutcome::kFailed && !check.expected.empty()) {
      line += fmt::format(" (expected: {})", one_line(check.expected, 300));
    }
    std::puts(line.c_str());
  }
}

nlohmann::ordered_json to_json(const attest::TokenVerification& verification) {
  nlohmann::ordered_json json;
  json["verdict"] = verification.accepted() ? "accept" : "reject";
  if (const attest::Check* failure = verification.checks.first_failure()) json["reason"] = failure->id;
  json["header"] = parsed(verification.token.header_json);
  json["payload"] = parsed(verification.token.payload_json);
  json["checks"] = nlohmann::ordered_json::array();
  for (const attest::Check& check : verification.checks.list()) {
    json["checks"].push_back({{"id", check.id},
                              {"section", check.section},
                              {"outcome", check.outcome == attest::CheckOutcome::kPassed   ? "passed"
                                          : check.outcome == attest::CheckOutcome::kFailed ? "failed"
                                                                                           : "not-done"},
                              {"expected", check.expected},
                              {"actual", check.actual}});
  }
  return json;
}

Result<attest::UnixTime> moment_of(const std::string& at) {
  if (at.empty()) return attest::UnixTime{static_cast<std::int64_t>(std::time(nullptr))};
  const auto moment = attest::parse_iso8601(at);
  if (!moment) return input_error("--at " + one_line(at, 60) + " is no time: write it as 2025-06-11T19:18:17Z");
  return *moment;
}

int verify(const Options& options) {
  if (options.certificates.empty() && !options.accept_unsigned) {
    return report({ErrorKind::kInput, "--certs is missing: the keys to verify with, a JWKS or PEM file"});
  }
  const auto at = moment_of(options.at);
  if (!at) return report(at.error());
  const auto text = read_token(options.token);
  if (!text) return report(text.error());
  attest::TokenKeys keys;
  if (!options.certificates.empty()) {
    constexpr std::size_t kLimit = std::size_t{4} * 1024 * 1024;
    const auto content = read_text(options.certificates, kLimit);
    if (!content) return report(content.error());
    auto read = attest::TokenKeys::from_text(*content, options.legacy_rsa);
    if (!read) return report({read.error().kind, options.certificates + ": " + read.error().message});
    keys = std::move(*read);
  }
  attest::TokenExpectations expected{.at = *at, .leeway_seconds = options.leeway};
  expected.accept_unsigned = options.accept_unsigned;
  if (!options.issuer.empty()) expected.issuer = options.issuer;
  if (!options.audience.empty()) expected.audience = options.audience;
  const auto verification = attest::verify_token(*text, keys, expected);
  if (!verification) return report(verification.error());
  if (options.json) {
    std::puts(to_json(*verification).dump(2, ' ', true, nlohmann::ordered_json::error_handler_t::replace).c_str());
    return verification->accepted() ? 0 : 1;
  }
  std::puts(("payload " + pretty(verification->token.payload_json)).c_str());
  print_checks(*verification);
  if (verification->accepted()) {
    std::puts(verification->token.signature.empty() ? "accepted, UNSIGNED: anybody can have written it" : "accepted");
    return 0;
  }
  const attest::Check* failure = verification->checks.first_failure();
  return report({ErrorKind::kRefused,
                 failure == nullptr ? std::string("the token is refused")
                                    : fmt::format("the token is refused: {}: expected {}, and there is {}", failure->id,
                                                  one_line(failure->expected, 300), one_line(failure->actual, 300))});
}

void add_show(CLI::App& token, const std::shared_ptr<Options>& options, int& status) {
  CLI::App* verb = token.add_subcommand("show", "Decode a token; nothing is verified");
  verb->footer(
      "Examples:\n"
      "  coffer token show token.jwt\n"
      "  curl ... | coffer token show --json -\n\n"
      "TOKEN is the token, a file that holds it, or - for standard input; an answer {\"token\": ...} will do too.\n\n"
      "Exit status: 0 shown, 2 it is no token.");
  verb->add_option("TOKEN", options->token, "The token, a file, or -")->required();
  verb->add_flag("--json", options->json, "Print JSON for machines");
  verb->callback([options, &status] { status = show(*options); });
}

void add_verify(CLI::App& token, const std::shared_ptr<Options>& options, int& status) {
  CLI::App* verb = token.add_subcommand("verify", "Verify a token with keys that you name");
  verb->footer(
      "Examples:\n"
      "  coffer token verify token.jwt --certs certs.json --issuer https://attest.example\n"
      "  coffer token verify --certs signer.pem --at 2025-06-11T19:18:17Z - <token.jwt\n\n"
      "The keys are those of FILE alone, the JWKS that a service has at /certs or PEM: nothing that the token names, "
      "be it\n"
      "a key, a certificate or an address, is used. RS, PS and ES with 256, 384 and 512 bits.\n\n"
      "Exit status: 0 accepted, 1 refused, 2 TOKEN is no token, or the keys cannot be read.");
  verb->add_option("TOKEN", options->token, "The token, a file, or -")->required();
  verb->add_option("--certs", options->certificates, "The keys: a JWKS, or certificates and public keys in PEM")
      ->type_name("FILE");
  verb->add_option("--issuer", options->issuer, "Refuse tokens of another issuer")->type_name("URL");
  verb->add_option("--audience", options->audience, "Refuse tokens for another audience")->type_name("NAME");
  verb->add_option("--at", options->at, "The moment, like 2025-06-11T19:18:17Z; else now")->type_name("TIME");
  verb->add_option("--leeway", options->leeway, "By how many seconds clocks may differ")
      ->type_name("SECONDS")
      ->check(CLI::Range(0, 86'400));
  verb->add_flag("--accept-unsigned", options->accept_unsigned,
                 "Accept alg none, which answers to draft policies have: proves nothing");
  verb->add_flag("--legacy-rsa", options->legacy_rsa, "Take RSA keys of 1024 bits too, for tokens of old");
  verb->add_flag("--json", options->json, "Print JSON for machines");
  verb->callback([options, &status] { status = verify(*options); });
}

}  // namespace

void add_token(CLI::App& app, int& status) {
  CLI::App* token = app.add_subcommand("token", "Show and verify attestation tokens");
  token->require_subcommand(1);
  token->footer(
      "Examples:\n"
      "  coffer token show token.jwt\n"
      "  coffer token verify token.jwt --certs certs.json --issuer https://attest.example");
  auto options = std::make_shared<Options>();
  add_show(*token, options, status);
  add_verify(*token, options, status);
}

}  // namespace coffer::cli
