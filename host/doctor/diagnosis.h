// What a machine's facts mean for enclaves: a pure function of MachineFacts, so that every machine can be tested.
#pragma once

#include <string>
#include <vector>

#include "host/doctor/machine.h"

namespace coffer::doctor {

enum class Verdict {
  kYes,      // in force
  kPartial,  // in force within limits that `meaning` names
  kNo,       // missing
};

struct Finding {
  std::string name;
  Verdict verdict = Verdict::kNo;
  std::string detail;   // what was found, short
  std::string meaning;  // what the lack or limit means; empty for kYes
  std::string remedy;   // what to do about it; empty where nothing is needed or can be done
};

struct Diagnosis {
  bool enclaves_can_run = false;
  std::vector<Finding> rungs, protections, cpu, devices;
};

[[nodiscard]] Diagnosis diagnose(const MachineFacts& facts);

// "yes", "partial" or "no".
[[nodiscard]] const char* name_of(Verdict verdict);

}  // namespace coffer::doctor
