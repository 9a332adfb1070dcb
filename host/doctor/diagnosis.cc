#include "host/doctor/diagnosis.h"

#include <cerrno>
#include <cstring>

namespace coffer::doctor {
namespace {

std::string error_text(const Trial& trial) { return std::strerror(trial.error); }

std::string joined(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& word : words) text += (text.empty() ? "" : ", ") + word;
  return text;
}

Finding yes(std::string name, std::string detail) {
  return {std::move(name), Verdict::kYes, std::move(detail), {}, {}};
}

// What the enclave kernel cannot do without on any software rung.
std::vector<std::string> missing_cpu_features(const MachineFacts& facts) {
  std::vector<std::string> missing;
  if (!facts.xsave) missing.emplace_back("XSAVE");
  if (!facts.aes) missing.emplace_back("AES-NI");
  if (!facts.pclmul) missing.emplace_back("PCLMULQDQ");
  if (!facts.rdrand) missing.emplace_back("RDRAND");
  if (!facts.fsgsbase) missing.emplace_back("FSGSBASE");
  return missing;
}

Finding software_rung(std::string name, const MachineFacts& facts, const Trial& trap, const std::string& trap_name,
                      std::string detail) {
  if (!facts.is_x86_64) return {std::move(name), Verdict::kNo, "not an x86-64 machine", "enclaves are x86-64 code", {}};
  const std::vector<std::string> missing = missing_cpu_features(facts);
  if (!missing.empty()) {
    return {std::move(name), Verdict::kNo, "the CPU or the kernel lacks " + joined(missing),
            "the enclave kernel cannot do without",
            "use a newer machine, or a virtual machine that passes the host's CPU features through"};
  }
  if (!trap.works) {
    return {std::move(name), Verdict::kNo, trap_name + ": " + error_text(trap),
            "a system-call instruction inside the enclave could not be caught",
            "use Linux 5.11 or later, and a container profile that permits it"};
  }
  return yes(std::move(name), std::move(detail));
}

Finding sgx_rung(const MachineFacts& facts) {
  Finding sgx{"sgx", Verdict::kNo, {}, "enclaves run on the process rung", {}};
  if (!facts.sgx_enclave.works) {
    sgx.detail = "/dev/sgx_enclave: " + error_text(facts.sgx_enclave);
    sgx.remedy =
        facts.cpu_has_sgx ? "see SGX below" : "use a machine with SGX2; `coffer emulate` shows the rung without";
  } else if (facts.sgx_is_emulated) {
    sgx.verdict = Verdict::kPartial;
    sgx.detail = "the device is emulated (coffer emulate)";
    sgx.meaning = "for tests: enclaves are protected from nobody";
  } else if (!facts.sgx_enter_exists) {
    sgx.detail = "the kernel's vDSO does not enter enclaves";
    sgx.remedy = "use Linux 6.0 or later";
  } else if (!facts.cpu_has_sgx2) {
    sgx.detail = "the CPU has no SGX2, or the firmware hides it";
    sgx.remedy = "use a CPU with SGX2: memory inside is added while an enclave runs";
  } else {
    sgx.verdict = Verdict::kPartial;
    sgx.detail = "Intel SGX through /dev/sgx_enclave";
    sgx.meaning = "never run on silicon, where CPUID inside stops a program's start (docs/design/sgx-rung.md)";
    sgx.remedy = "use --rung process";
  }
  return sgx;
}

std::vector<Finding> diagnose_rungs(const MachineFacts& facts) {
  std::vector<Finding> rungs;
  rungs.push_back(software_rung("inline", facts, facts.syscall_user_dispatch, "Syscall User Dispatch",
                                "for development: debug images only, protects nothing"));
  rungs.push_back(software_rung("process", facts, facts.seccomp_trap, "seccomp filters",
                                "the software processor in a process of its own, the cell"));
  rungs.push_back({"microvm", Verdict::kNo, "not part of this version", "enclaves run on the process rung", {}});
  rungs.push_back(sgx_rung(facts));
  return rungs;
}

Finding diagnose_secret_memory(const MachineFacts& facts) {
  Finding finding{"secret memory", Verdict::kNo, {}, {}, {}};
  const bool limited = !facts.may_lock_any_amount && facts.locked_memory_limit != ~std::uint64_t{0};
  if (facts.secret_memory.works && !limited) return yes(finding.name, "memfd_secret, as much as there is memory");
  finding.meaning =
      "enclave pages in ordinary memory are still refused to other users and to debuggers, but root reads them "
      "through /proc/PID/mem";
  if (facts.secret_memory.works) {
    finding.verdict = Verdict::kPartial;
    finding.detail = "memfd_secret up to the locked-memory limit of " +
                     std::to_string(facts.locked_memory_limit / 1024) + " KiB, ordinary memory beyond it";
    finding.remedy =
        "raise the hard limit: memlock in /etc/security/limits.conf, LimitMEMLOCK= of a systemd unit, --ulimit memlock "
        "of a container";
    return finding;
  }
  finding.detail = "memfd_secret: " + error_text(facts.secret_memory);
  if (facts.secret_memory.error == ENOSYS) {
    finding.remedy = "use Linux 5.14 or later; before 6.5 boot it with secretmem.enable=1";
  } else if (facts.secret_memory.error == EPERM) {
    finding.remedy = "permit memfd_secret in the container's seccomp profile";
  } else {
    finding.remedy = "raise the locked-memory limit: memlock in /etc/security/limits.conf";
  }
  return finding;
}

Finding diagnose_seccomp(const MachineFacts& facts) {
  if (facts.seccomp_trap.works) return yes("system-call filter", "seccomp");
  return {"system-call filter", Verdict::kNo, "seccomp: " + error_text(facts.seccomp_trap),
          "the cell cannot be confined and the process rung does not start",
          "use a kernel with CONFIG_SECCOMP_FILTER, and a container profile that permits seccomp()"};
}

Finding diagnose_namespaces(const MachineFacts& facts) {
  if (facts.user_namespaces.works) return yes("namespaces", "user namespaces");
  return {"namespaces", Verdict::kNo, "user namespaces: " + error_text(facts.user_namespaces),
          "the cell sees the host's network and processes by name; its system-call filter still keeps it from both",
          "sysctl kernel.unprivileged_userns_clone=1, user.max_user_namespaces above 0, or a container profile that "
          "permits unshare()"};
}

Finding diagnose_tracing(const MachineFacts& facts) {
  const std::string name = "debuggers kept out";
  // The cell itself is not dumpable, which refuses everybody without CAP_SYS_PTRACE, whatever Yama says.
  if (facts.may_trace) {
    return {name, Verdict::kPartial, "every user without CAP_SYS_PTRACE is refused; you hold it",
            "root's attach succeeds on this rung: it cannot read secret memory, but it can inject code (see "
            "docs/threat-model.md)",
            facts.ptrace_scope == 3 ? ""
                                    : "sysctl kernel.yama.ptrace_scope=3, where the kernel has Yama, refuses root too"};
  }
  return yes(name, "the cell is not dumpable: attach is refused to every user without CAP_SYS_PTRACE");
}

Finding diagnose_daemon(const MachineFacts& facts) {
  const std::string name = "daemon";
  if (facts.daemon.works)
    return yes(name, "cofferd at " + facts.daemon_socket + " owns the cells and the platform's keys");
  if (facts.daemon_socket.empty()) {
    return {
        name, Verdict::kPartial, "cofferd is not set up; cells are started without it",
        "cells and the platform's keys belong to the user who starts the program, and protected memory is not shared "
        "out between users",
        "start cofferd where users must be kept from their own enclaves (docs/daemon.md)"};
  }
  return {name, Verdict::kNo, facts.daemon_socket + ": " + error_text(facts.daemon),
          "enclaves do not start as long as this socket is named and nobody answers there",
          "start cofferd, or set COFFER_DAEMON=none"};
}

std::vector<Finding> diagnose_protections(const MachineFacts& facts) {
  std::vector<Finding> findings;
  findings.push_back(diagnose_secret_memory(facts));
  findings.push_back(diagnose_seccomp(facts));
  findings.push_back(diagnose_namespaces(facts));
  findings.push_back(diagnose_tracing(facts));
  findings.push_back(diagnose_daemon(facts));
  findings.push_back(yes("core dumps kept out", "the cell is not dumpable and its core limit is zero"));
  if (facts.syscall_user_dispatch.works) {
    findings.push_back(yes("Syscall User Dispatch", "offered"));
  } else {
    findings.push_back({"Syscall User Dispatch", Verdict::kNo, error_text(facts.syscall_user_dispatch),
                        "only the inline rung needs it", "use Linux 5.11 or later"});
  }
  return findings;
}

struct CpuNeed {
  const char* name;
  bool present;
  const char* meaning;
};

std::vector<Finding> diagnose_cpu(const MachineFacts& facts) {
  const CpuNeed needs[] = {
      {"AES-NI", facts.aes && facts.pclmul, "with PCLMULQDQ needed for encrypted files: enclaves do not start"},
      {"SHA", facts.sha, "measuring at launch and hashing inside take two to four times as long"},
      {"AVX2", facts.avx2, "numerical code is slower, inside as outside"},
      {"AVX-512", facts.avx512, "numerical code is slower, inside as outside"},
      {"RDRAND", facts.rdrand,
       "the enclave's only source of randomness that the host cannot choose: enclaves do not start"},
      {"RDSEED", facts.rdseed, "random numbers are seeded from RDRAND alone"},
      {"XSAVE", facts.xsave, "vector state cannot be saved on an exit: enclaves do not start"},
      {"FSGSBASE", facts.fsgsbase, "threads inside have no thread-local storage: enclaves do not start"},
  };
  std::vector<Finding> findings;
  for (const CpuNeed& need : needs) {
    if (need.present) {
      findings.push_back(yes(need.name, "present"));
      continue;
    }
    Finding finding{need.name, Verdict::kNo, "missing", need.meaning, {}};
    if (finding.name == "FSGSBASE") finding.remedy = "use Linux 5.9 or later without the boot option nofsgsbase";
    findings.push_back(finding);
  }
  return findings;
}

std::string device_detail(const Trial& device, const char* path) {
  return device.works ? std::string(path) : std::string(path) + ": " + error_text(device);
}

std::vector<Finding> diagnose_devices(const MachineFacts& facts) {
  std::vector<Finding> findings;
  Finding kvm{"KVM", facts.kvm.works ? Verdict::kYes : Verdict::kNo, device_detail(facts.kvm, "/dev/kvm"), {}, {}};
  if (!facts.kvm.works) {
    kvm.meaning = "nothing in this version needs it";
    if (facts.kvm.error == EACCES) kvm.remedy = "join the group kvm";
  }
  const bool emulated = facts.sgx_is_emulated;
  Finding sgx{"SGX",
              emulated                  ? Verdict::kPartial
              : facts.sgx_enclave.works ? Verdict::kYes
                                        : Verdict::kNo,
              device_detail(facts.sgx_enclave, "/dev/sgx_enclave") + (emulated ? ", emulated" : ""),
              {},
              {}};
  if (emulated) sgx.meaning = "coffer emulate stands behind it, which protects nothing";
  if (!facts.sgx_enclave.works) {
    sgx.meaning = "enclaves run on the software processor";
    if (facts.cpu_has_sgx) sgx.remedy = "this CPU has SGX: enable it in the firmware and use Linux 5.11 or later";
    if (facts.sgx_enclave.error == EACCES) sgx.remedy = "join the group sgx";
  }
  findings.push_back(kvm);
  findings.push_back(sgx);
  return findings;
}

}  // namespace

Diagnosis diagnose(const MachineFacts& facts) {
  Diagnosis diagnosis;
  diagnosis.rungs = diagnose_rungs(facts);
  diagnosis.protections = diagnose_protections(facts);
  diagnosis.cpu = diagnose_cpu(facts);
  diagnosis.devices = diagnose_devices(facts);
  for (const Finding& rung : diagnosis.rungs) diagnosis.enclaves_can_run |= rung.verdict == Verdict::kYes;
  return diagnosis;
}

const char* name_of(Verdict verdict) {
  switch (verdict) {
    case Verdict::kYes:
      return "yes";
    case Verdict::kPartial:
      return "partial";
    case Verdict::kNo:
      return "no";
  }
  return "no";
}

}  // namespace coffer::doctor
