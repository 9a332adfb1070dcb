// coffer verify: evidence of any TEE, whether it is authentic and what it says.
#include <cstdio>
#include <memory>
#include <optional>
#include <string>

#include <coffer/attest/appraisal.h>

#include "cli/verbs.h"
#include "cli/verify_files.h"

namespace coffer::cli {
namespace {

Result<attest::Policy> read_policy(const std::string& path) {
  const auto bytes = read_evidence_file(path);
  if (!bytes) return std::unexpected(bytes.error());
  return attest::Policy::parse({reinterpret_cast<const char*>(bytes->data()), bytes->size()}, path);
}

// Why the policy refuses; empty where it permits. The claims are those of a token of Azure Attestation.
Result<std::string> ask_policy(const attest::Policy& policy, const attest::EvidenceAnswer& answer,
                               std::span<const std::byte> evidence) {
  attest::AppraisalInputs inputs;
  inputs.type = answer.kind == attest::EvidenceKind::kOpenEnclave ? attest::AttestationType::kOpenEnclave
                                                                  : attest::type_for(answer.verification.tee);
  inputs.evidence = evidence;
  // What boot measured is known to policies under these names.
  for (const std::string_view name : {"secureBootEnabled", "aikValidated", "tpmVersion", "aikPubHash"}) {
    if (const attest::ClaimValue* claim = answer.verification.claims.find(name)) inputs.more.set(name, *claim);
  }
  if (const attest::ClaimValue* events = answer.verification.claims.find("events"))
    inputs.events_json = to_json(*events);
  if (const attest::ClaimValue* pcrs = answer.verification.claims.find("pcrs")) inputs.pcrs_json = to_json(*pcrs);
  const auto appraisal = appraise(policy, answer.verification, inputs);
  if (!appraisal) {
    // A policy that could not be evaluated to its end permitted nothing.
    if (appraisal.error().kind == ErrorKind::kRefused) return appraisal.error().message;
    return std::unexpected(appraisal.error());
  }
  if (appraisal->outcome.permitted) return std::string{};
  return appraisal->outcome.reason.empty() ? std::string("it does not permit") : appraisal->outcome.reason;
}

int verify(const VerifyOptions& options) {
  const auto roots = roots_of(options);
  if (!roots) return report(roots.error());
  const auto at = time_of(options);
  if (!at) return report(at.error());
  if (!options.cases.empty()) return run_cases(options.cases, *roots, *at, options.json);
  if (options.evidence.empty()) {
    return report({ErrorKind::kInput, "evidence is missing: `coffer verify FILE`; see `coffer verify --help`"});
  }
  std::optional<attest::Policy> policy;
  if (!options.policy.empty()) {
    auto read = read_policy(options.policy);
    if (!read) return report(read.error());
    policy = std::move(*read);
  }
  const auto files = VerifyFiles::read(options, *roots);
  if (!files) return report(files.error());
  auto answer = verify_evidence((*files)->parts(), *roots, *at);
  if (!answer) return report({answer.error().kind, options.evidence + ": " + answer.error().message});
  bool accepted = answer->accepted;
  std::string refusal;
  if (policy) {
    const auto permitted = ask_policy(*policy, *answer, (*files)->parts().evidence);
    if (!permitted) return report(permitted.error());
    refusal = *permitted;
    accepted = accepted && refusal.empty();
  }
  if (options.json) {
    if (policy) {
      answer->verification.checks.note("policy.permit", "docs/attestation/policy-language.md", refusal.empty(),
                                       "the policy permits", refusal.empty() ? "it does" : refusal);
    }
    std::puts(to_json(answer->verification, accepted).c_str());
  } else {
    std::fputs(page_of(*answer, accepted, refusal).c_str(), stdout);
  }
  return accepted ? 0 : 1;
}

constexpr const char* kFooter =
    "Examples:\n"
    "  coffer verify quote.bin --collateral collateral.json\n"
    "  coffer quote app.enclave --report-data c0ffee -o quote.bin && coffer verify quote.bin\n"
    "  coffer verify report.bin --vek vcek.der --chain cert_chain.pem\n"
    "  coffer verify quote.msg --signature quote.sig --ak ak.pem --nonce c0ffee --event-log binary_bios_measurements\n"
    "  coffer verify quote.msg --signature quote.sig --hcl hcl_report.bin --vek vcek.der --chain cert_chain.pem\n"
    "  coffer verify td_quote.bin --collateral answers/ --event-log ccel.bin --json\n"
    "  coffer verify report.bin --vek vcek.der --chain cert_chain.pem --policy no-debugging.txt\n"
    "  coffer verify --cases tests/vectors/attestation\n\n"
    "Which kind of evidence it is, is seen from it: SGX and TDX quotes, Open Enclave evidence, SEV-SNP reports and "
    "the\n"
    "certificates of their keys, TPM quotes, event logs, Azure's HCL report; hexadecimal, Base64 and JSON around them "
    "too.\n"
    "Trusted are the keys of Intel and AMD that are built in, the root of this machine's software platform (`coffer\n"
    "platform`), and those of --root. Without --collateral, what `coffer collateral fetch` has kept is used.\n"
    "Authentic evidence is accepted whatever it says; what else you ask for is a policy. An event log by itself is "
    "accepted\n"
    "where it reads and replays: nobody signed it, and its root is `none`.\n\n"
    "Exit status: 0 accepted, 1 refused, 2 unreadable.";

struct Named {
  const char* option;
  std::string VerifyOptions::* value;
  const char* help;
  const char* type;
};
constexpr Named kOptions[] = {
    {"--collateral", &VerifyOptions::collateral, "Of SGX and TDX quotes: a JSON file, or a folder of a PCCS's answers",
     "FILE|DIR"},
    {"--vek", &VerifyOptions::vek, "Of SEV-SNP reports: the VCEK or VLEK certificate", "FILE"},
    {"--chain", &VerifyOptions::chain, "Of SEV-SNP reports: ASK or ASVK, and ARK", "FILE"},
    {"--crl", &VerifyOptions::crl, "Of SEV-SNP reports: AMD's revocation list", "FILE"},
    {"--signature", &VerifyOptions::signature, "Of TPM quotes: the signature", "FILE"},
    {"--ak", &VerifyOptions::attestation_key, "Of TPM quotes: the attestation key, trusted, or its certificates",
     "FILE"},
    {"--hcl", &VerifyOptions::hcl_report, "Of TPM quotes on Azure: the HCL report that vouches for the key", "FILE"},
    {"--pcrs", &VerifyOptions::pcrs, "Of TPM quotes: PCR values, as JSON or one after the other", "FILE"},
    {"--event-log", &VerifyOptions::event_log, "The log that leads to the quote's PCRs or RTMRs", "FILE"},
    {"--nonce", &VerifyOptions::nonce, "What the evidence must have been asked with", "HEX"},
    {"--policy", &VerifyOptions::policy, "Accept only what this policy permits (docs/attestation/policy-language.md)",
     "FILE"},
    {"--at", &VerifyOptions::at, "Verify as of this moment, like 2025-06-15T00:00:00Z; without, now", "TIME"},
    {"--cases", &VerifyOptions::cases, "Verify every case below a folder and compare with its expect.json", "DIR"},
};

}  // namespace

void add_verify(CLI::App& app, int& status) {
  CLI::App* verb = app.add_subcommand("verify", "Say whether evidence of a TEE or TPM is authentic, and what it says");
  verb->footer(kFooter);
  auto options = std::make_shared<VerifyOptions>();
  verb->add_option("EVIDENCE", options->evidence, "A quote, report or log; - for standard input")->type_name("FILE");
  for (const Named& each : kOptions) {
    verb->add_option(each.option, (*options).*each.value, each.help)->type_name(each.type);
  }
  verb->add_option("--root", options->roots, "Trust this root certificate or key too; several times")
      ->type_name("FILE")
      ->allow_extra_args(false)
      ->take_all();
  verb->add_flag("--json", options->json, "Print the answer as JSON");
  verb->callback([options, &status] { status = verify(*options); });
}

}  // namespace coffer::cli
