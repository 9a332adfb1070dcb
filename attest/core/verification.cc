#include <coffer/attest/verification.h>

#include <algorithm>
#include <array>
#include <utility>

#include "attest/core/json_text.h"

namespace coffer::attest {

namespace {

struct NamedStatus {
  TcbStatus status;
  std::string_view name;
};
constexpr std::array kStatuses{
    NamedStatus{TcbStatus::kUpToDate, "UpToDate"},
    NamedStatus{TcbStatus::kSwHardeningNeeded, "SWHardeningNeeded"},
    NamedStatus{TcbStatus::kConfigurationNeeded, "ConfigurationNeeded"},
    NamedStatus{TcbStatus::kConfigurationAndSwHardeningNeeded, "ConfigurationAndSWHardeningNeeded"},
    NamedStatus{TcbStatus::kOutOfDate, "OutOfDate"},
    NamedStatus{TcbStatus::kOutOfDateConfigurationNeeded, "OutOfDateConfigurationNeeded"},
    NamedStatus{TcbStatus::kRelaunchAdvised, "RelaunchAdvised"},
    NamedStatus{TcbStatus::kRelaunchAdvisedConfigurationNeeded, "RelaunchAdvisedConfigurationNeeded"},
    NamedStatus{TcbStatus::kRevoked, "Revoked"},
    NamedStatus{TcbStatus::kNoMatchingTcbLevel, "NoMatchingTcbLevel"},
};

std::string_view name_of(CheckOutcome outcome) {
  switch (outcome) {
    case CheckOutcome::kPassed:
      return "passed";
    case CheckOutcome::kFailed:
      return "failed";
    case CheckOutcome::kNotDone:
      return "not-done";
  }
  std::unreachable();
}

void write(const Check& check, JsonText& out) {
  out.begin_object();
  out.name("id");
  out.value(check.id);
  out.name("section");
  out.value(check.section);
  out.name("outcome");
  out.value(name_of(check.outcome));
  if (!check.expected.empty()) {
    out.name("expected");
    out.value(check.expected);
  }
  if (!check.actual.empty()) {
    out.name("actual");
    out.value(check.actual);
  }
  out.end_object();
}

}  // namespace

std::string_view name_of(Tee tee) {
  switch (tee) {
    case Tee::kSgx:
      return "sgx";
    case Tee::kTdx:
      return "tdx";
    case Tee::kSevSnp:
      return "sevsnp";
    case Tee::kTpm:
      return "tpm";
  }
  std::unreachable();
}

std::string_view name_of(TcbStatus status) {
  const auto* found = std::ranges::find(kStatuses, status, &NamedStatus::status);
  return found != kStatuses.end() ? found->name : std::string_view{};
}

std::optional<TcbStatus> parse_tcb_status(std::string_view name) {
  const auto* found = std::ranges::find(kStatuses, name, &NamedStatus::name);
  if (found == kStatuses.end()) return std::nullopt;
  return found->status;
}

std::string_view name_of(RootOfTrust root) {
  switch (root) {
    case RootOfTrust::kNone:
      return "none";
    case RootOfTrust::kIntel:
      return "intel";
    case RootOfTrust::kAmd:
      return "amd";
    case RootOfTrust::kSoftware:
      return "software";
    case RootOfTrust::kGiven:
      return "given";
  }
  std::unreachable();
}

bool Checks::note(std::string_view id, std::string_view section, bool passed, std::string expected,
                  std::string actual) {
  list_.push_back({.id = id,
                   .section = section,
                   .outcome = passed ? CheckOutcome::kPassed : CheckOutcome::kFailed,
                   .expected = std::move(expected),
                   .actual = std::move(actual)});
  return passed;
}

void Checks::not_done(std::string_view id, std::string_view section, std::string why) {
  list_.push_back(
      {.id = id, .section = section, .outcome = CheckOutcome::kNotDone, .expected = {}, .actual = std::move(why)});
}

const Check* Checks::first_failure() const {
  const auto found = std::ranges::find(list_, CheckOutcome::kFailed, &Check::outcome);
  return found != list_.end() ? &*found : nullptr;
}

bool Checks::all_passed() const {
  return first_failure() == nullptr &&
         std::ranges::any_of(list_, [](const Check& check) { return check.outcome == CheckOutcome::kPassed; });
}

bool Verification::authentic() const {
  if (tcb_status == TcbStatus::kRevoked || tcb_status == TcbStatus::kNoMatchingTcbLevel) return false;
  return root != RootOfTrust::kNone && checks.all_passed();
}

std::string to_json(const Verification& verification, bool accepted) {
  JsonText out;
  out.begin_object();
  out.name("verdict");
  out.value(accepted ? "accept" : "reject");
  if (const Check* failure = verification.checks.first_failure(); failure != nullptr) {
    out.name("reason");
    out.value(failure->id);
  }
  out.name("tee");
  out.value(name_of(verification.tee));
  out.name("root");
  out.value(name_of(verification.root));
  if (verification.tcb_status) {
    out.name("tcb_status");
    out.value(name_of(*verification.tcb_status));
  }
  out.name("advisory_ids");
  out.begin_array();
  for (const std::string& id : verification.advisory_ids) out.value(id);
  out.end_array();
  out.name("claims");
  out.raw(to_json(verification.claims));
  out.name("checks");
  out.begin_array();
  for (const Check& check : verification.checks.list()) write(check, out);
  out.end_array();
  if (verification.valid_until) {
    out.name("valid_until");
    out.value(to_iso8601(*verification.valid_until));
  }
  out.end_object();
  return out.take();
}

}  // namespace coffer::attest
