// coffer doctor: what this machine offers to enclaves, what is missing, what to do about it.
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "cli/verbs.h"
#include "host/doctor/diagnosis.h"
#include "host/doctor/machine.h"

namespace coffer::cli {
namespace {

void print_findings(const char* title, const std::vector<doctor::Finding>& findings) {
  std::printf("\n%s\n", title);
  for (const doctor::Finding& finding : findings) {
    std::printf("  %-8s%-23s%s\n", doctor::name_of(finding.verdict), finding.name.c_str(), finding.detail.c_str());
    if (!finding.meaning.empty()) std::printf("  %-8s  means: %s\n", "", finding.meaning.c_str());
    if (!finding.remedy.empty()) std::printf("  %-8s  to do: %s\n", "", finding.remedy.c_str());
  }
}

void print_text(const doctor::MachineFacts& facts, const doctor::Diagnosis& diagnosis) {
  std::string rungs;
  for (const doctor::Finding& rung : diagnosis.rungs) {
    if (rung.verdict == doctor::Verdict::kYes) rungs += (rungs.empty() ? "" : ", ") + rung.name;
  }
  if (diagnosis.enclaves_can_run) {
    std::printf("Enclaves run on this machine: %s\n", rungs.c_str());
  } else {
    std::printf("Enclaves cannot run on this machine\n");
  }
  std::printf("  %s, Linux %s\n", facts.cpu_model.c_str(), facts.kernel_release.c_str());
  print_findings("Rungs", diagnosis.rungs);
  print_findings("Protections of the process rung", diagnosis.protections);
  print_findings("CPU", diagnosis.cpu);
  print_findings("Devices", diagnosis.devices);
}

nlohmann::json to_json(const std::vector<doctor::Finding>& findings) {
  auto list = nlohmann::json::array();
  for (const doctor::Finding& finding : findings) {
    list.push_back({{"name", finding.name},
                    {"verdict", doctor::name_of(finding.verdict)},
                    {"detail", finding.detail},
                    {"meaning", finding.meaning},
                    {"remedy", finding.remedy}});
  }
  return list;
}

void print_json(const doctor::MachineFacts& facts, const doctor::Diagnosis& diagnosis) {
  const nlohmann::json document = {{"enclaves_can_run", diagnosis.enclaves_can_run},
                                   {"cpu_model", facts.cpu_model},
                                   {"kernel", facts.kernel_release},
                                   {"rungs", to_json(diagnosis.rungs)},
                                   {"protections", to_json(diagnosis.protections)},
                                   {"cpu", to_json(diagnosis.cpu)},
                                   {"devices", to_json(diagnosis.devices)}};
  std::printf("%s\n", document.dump(2).c_str());
}

}  // namespace

void add_doctor(CLI::App& app, int& status) {
  CLI::App* verb = app.add_subcommand("doctor", "What this machine offers to enclaves, and what to do for the rest");
  verb->footer(
      "Exit status: 0 where enclaves can run on some rung, 1 where they cannot.\n"
      "Example: coffer doctor --json");
  auto json = std::make_shared<bool>(false);
  verb->add_flag("--json", *json, "Print one JSON object");
  verb->callback([json, &status] {
    const doctor::MachineFacts facts = doctor::probe_machine();
    const doctor::Diagnosis diagnosis = doctor::diagnose(facts);
    if (*json) {
      print_json(facts, diagnosis);
    } else {
      print_text(facts, diagnosis);
    }
    status = diagnosis.enclaves_can_run ? 0 : 1;
  });
}

}  // namespace coffer::cli
