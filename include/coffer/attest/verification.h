// What a verifier answers, the same for every kind of evidence.
//
// Two questions are asked apart. *Authentic?* is a pure function of the evidence, its collateral and the time: signed
// by genuine hardware (or by a software platform, which the answer says), unaltered, and of which TCB status.
// *Acceptable?* is a policy's answer over the claims (<coffer/attest/policy.h>). A failed check never hides the claims
// that were authentic: `claims` holds all that the evidence says, `authentic` whether it may be believed.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <coffer/attest/claims.h>
#include <coffer/attest/time.h>

namespace coffer::attest {

enum class Tee { kSgx, kTdx, kSevSnp, kTpm };
// "sgx", "tdx", "sevsnp", "tpm": the member `tee` of the JSON.
[[nodiscard]] std::string_view name_of(Tee tee);

// Intel's TCB statuses (PCS API v4, "TCB Info", tcbStatus), with what Intel's verification library adds to them. The
// names are Intel's spelling.
enum class TcbStatus {
  kUpToDate,
  kSwHardeningNeeded,
  kConfigurationNeeded,
  kConfigurationAndSwHardeningNeeded,
  kOutOfDate,
  kOutOfDateConfigurationNeeded,
  kRelaunchAdvised,
  kRelaunchAdvisedConfigurationNeeded,
  kRevoked,
  kNoMatchingTcbLevel,
};
[[nodiscard]] std::string_view name_of(TcbStatus status);
[[nodiscard]] std::optional<TcbStatus> parse_tcb_status(std::string_view name);

enum class CheckOutcome {
  kPassed,
  kFailed,
  kNotDone,  // a check before it failed, or it is not needed for this evidence; `actual` says which. What is needed
             // and was not given is a failure.
};

// One thing that was looked at.
struct Check {
  std::string_view id;       // stable, lower-case, dots: "quote.signature", "tcb_info.signature", "vek.chain"
  std::string_view section;  // where the rule is written: "Intel SGX DCAP ECDSA Quote Library API, A.4"
  CheckOutcome outcome = CheckOutcome::kNotDone;
  std::string expected;  // in words or hexadecimal; empty where there is nothing to compare
  std::string actual;
};

// In the order in which they were done. Not thread-safe.
class Checks {
 public:
  // Notes a check, and answers whether it passed, so that it can stand in a condition.
  bool note(std::string_view id, std::string_view section, bool passed, std::string expected = {},
            std::string actual = {});
  void not_done(std::string_view id, std::string_view section, std::string why);

  [[nodiscard]] bool all_passed() const;  // no check failed, and at least one was done
  // Null where none failed.
  [[nodiscard]] const Check* first_failure() const;
  [[nodiscard]] const std::vector<Check>& list() const { return list_; }

 private:
  std::vector<Check> list_;
};

// Whose root key the evidence hangs on.
enum class RootOfTrust { kNone, kIntel, kAmd, kSoftware, kGiven };
// "none", "intel", "amd", "software", "given" (a key or certificate that the caller named).
[[nodiscard]] std::string_view name_of(RootOfTrust root);

struct Verification {
  Tee tee = Tee::kSgx;
  RootOfTrust root = RootOfTrust::kNone;
  std::optional<TcbStatus> tcb_status;    // of SGX and TDX evidence
  std::vector<std::string> advisory_ids;  // sorted, each once
  Claims claims;
  Checks checks;
  // Where the collateral had an end: the last moment at which the same answer can be given again.
  std::optional<UnixTime> valid_until;

  // Every check that was needed was done and passed, whatever the TCB status, but for kRevoked and
  // kNoMatchingTcbLevel, which no policy can accept.
  [[nodiscard]] bool authentic() const;
};

// {"verdict":"accept"|"reject","tee":...,"root":...,"tcb_status":...,"advisory_ids":[...],"claims":{...},"checks":[...],
//  "reason":...}; `verdict` is that of authentic() and, where one was asked, of the policy.
[[nodiscard]] std::string to_json(const Verification& verification, bool accepted);

}  // namespace coffer::attest
