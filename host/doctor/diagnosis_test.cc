#include "host/doctor/diagnosis.h"

#include <gtest/gtest.h>

#include <cerrno>

namespace coffer::doctor {
namespace {

MachineFacts complete_machine() {
  MachineFacts facts;
  facts.is_x86_64 = true;
  facts.aes = facts.pclmul = facts.sha = facts.avx2 = facts.avx512 = true;
  facts.rdrand = facts.rdseed = facts.xsave = facts.fsgsbase = true;
  facts.secret_memory = facts.seccomp_trap = facts.syscall_user_dispatch = facts.user_namespaces = {true, 0};
  facts.locked_memory_limit = ~std::uint64_t{0};
  facts.daemon_socket = "/run/coffer/cofferd.sock";
  facts.daemon = {true, 0};
  facts.kvm = {true, 0};
  facts.sgx_enclave = {false, ENOENT};
  return facts;
}

Finding named(const std::vector<Finding>& findings, const std::string& name) {
  for (const Finding& finding : findings) {
    if (finding.name == name) return finding;
  }
  ADD_FAILURE() << "no finding " << name;
  return {};
}

TEST(Diagnosis, ACompleteMachineHasEveryProtection) {
  const Diagnosis diagnosis = diagnose(complete_machine());
  EXPECT_TRUE(diagnosis.enclaves_can_run);
  EXPECT_EQ(named(diagnosis.rungs, "inline").verdict, Verdict::kYes);
  EXPECT_EQ(named(diagnosis.rungs, "process").verdict, Verdict::kYes);
  for (const Finding& finding : diagnosis.protections) EXPECT_EQ(finding.verdict, Verdict::kYes) << finding.name;
  for (const Finding& finding : diagnosis.cpu) EXPECT_EQ(finding.verdict, Verdict::kYes) << finding.name;
}

TEST(Diagnosis, WhatIsMissingHasAMeaning) {
  const Diagnosis diagnosis = diagnose(MachineFacts{});
  EXPECT_FALSE(diagnosis.enclaves_can_run);
  for (const auto* findings : {&diagnosis.rungs, &diagnosis.protections, &diagnosis.cpu, &diagnosis.devices}) {
    for (const Finding& finding : *findings) {
      EXPECT_EQ(finding.verdict == Verdict::kYes, finding.meaning.empty()) << finding.name;
    }
  }
}

TEST(Diagnosis, ANeededCpuFeatureStopsEveryRung) {
  for (bool MachineFacts::* feature : {&MachineFacts::aes, &MachineFacts::pclmul, &MachineFacts::rdrand,
                                       &MachineFacts::xsave, &MachineFacts::fsgsbase, &MachineFacts::is_x86_64}) {
    MachineFacts facts = complete_machine();
    facts.*feature = false;
    EXPECT_FALSE(diagnose(facts).enclaves_can_run);
  }
  MachineFacts facts = complete_machine();
  facts.sha = facts.avx2 = facts.avx512 = facts.rdseed = false;
  EXPECT_TRUE(diagnose(facts).enclaves_can_run);
}

TEST(Diagnosis, EachRungNeedsItsOwnTrap) {
  MachineFacts facts = complete_machine();
  facts.syscall_user_dispatch = {false, EINVAL};
  EXPECT_EQ(named(diagnose(facts).rungs, "inline").verdict, Verdict::kNo);
  EXPECT_TRUE(diagnose(facts).enclaves_can_run);
  facts.seccomp_trap = {false, ENOSYS};
  EXPECT_FALSE(diagnose(facts).enclaves_can_run);
}

TEST(Diagnosis, SecretMemoryIsBoundedByTheLimitThatTheCellCannotLift) {
  MachineFacts facts = complete_machine();
  facts.locked_memory_limit = 8192 * 1024;
  Finding finding = named(diagnose(facts).protections, "secret memory");
  EXPECT_EQ(finding.verdict, Verdict::kPartial);
  EXPECT_NE(finding.detail.find("8192 KiB"), std::string::npos);
  EXPECT_NE(finding.remedy.find("hard limit"), std::string::npos);

  facts.may_lock_any_amount = true;
  EXPECT_EQ(named(diagnose(facts).protections, "secret memory").verdict, Verdict::kYes);

  facts.secret_memory = {false, ENOSYS};
  finding = named(diagnose(facts).protections, "secret memory");
  EXPECT_EQ(finding.verdict, Verdict::kNo);
  EXPECT_NE(finding.remedy.find("secretmem.enable=1"), std::string::npos);
}

TEST(Diagnosis, WhoMayTraceIsTold) {
  MachineFacts facts = complete_machine();
  facts.may_trace = true;
  const Finding finding = named(diagnose(facts).protections, "debuggers kept out");
  EXPECT_EQ(finding.verdict, Verdict::kPartial);
  EXPECT_NE(finding.meaning.find("inject code"), std::string::npos);
}

TEST(Diagnosis, WhatTheDaemonWouldAddIsTold) {
  MachineFacts facts = complete_machine();
  EXPECT_NE(named(diagnose(facts).protections, "daemon").detail.find("/run/coffer/cofferd.sock"), std::string::npos);
  facts.daemon = {false, ECONNREFUSED};
  EXPECT_EQ(named(diagnose(facts).protections, "daemon").verdict, Verdict::kNo);
  EXPECT_NE(named(diagnose(facts).protections, "daemon").remedy.find("COFFER_DAEMON=none"), std::string::npos);
  facts.daemon = {};
  facts.daemon_socket.clear();
  EXPECT_EQ(named(diagnose(facts).protections, "daemon").verdict, Verdict::kPartial);
  EXPECT_NE(named(diagnose(facts).protections, "daemon").remedy.find("docs/daemon.md"), std::string::npos);
}

TEST(Diagnosis, TheSgxRungNeedsTheDeviceTheVdsoAndSgx2) {
  MachineFacts facts = complete_machine();
  EXPECT_EQ(named(diagnose(facts).rungs, "sgx").verdict, Verdict::kNo);
  EXPECT_NE(named(diagnose(facts).rungs, "sgx").detail.find("/dev/sgx_enclave"), std::string::npos);
  facts.sgx_enclave = {true, 0};
  facts.cpu_has_sgx = facts.cpu_has_sgx2 = facts.sgx_enter_exists = true;
  EXPECT_EQ(named(diagnose(facts).rungs, "sgx").verdict, Verdict::kPartial);
  EXPECT_EQ(named(diagnose(facts).devices, "SGX").verdict, Verdict::kYes);
  facts.cpu_has_sgx2 = false;
  EXPECT_NE(named(diagnose(facts).rungs, "sgx").remedy.find("SGX2"), std::string::npos);
  facts.sgx_enter_exists = false;
  EXPECT_NE(named(diagnose(facts).rungs, "sgx").remedy.find("Linux 6.0"), std::string::npos);
  facts.sgx_is_emulated = true;
  EXPECT_EQ(named(diagnose(facts).rungs, "sgx").verdict, Verdict::kPartial);
  EXPECT_EQ(named(diagnose(facts).devices, "SGX").verdict, Verdict::kPartial);
}

TEST(Machine, ProbingAgreesWithTheKernelsOwnWords) {
  const MachineFacts facts = probe_machine();
  EXPECT_TRUE(facts.is_x86_64);
  EXPECT_FALSE(facts.kernel_release.empty());
  EXPECT_EQ(facts.aes, __builtin_cpu_supports("aes") != 0);
  EXPECT_EQ(facts.avx2, __builtin_cpu_supports("avx2") != 0);
  EXPECT_EQ(facts.avx512, __builtin_cpu_supports("avx512f") != 0);
  EXPECT_EQ(facts.secret_memory.works, facts.secret_memory.error == 0);
}

}  // namespace
}  // namespace coffer::doctor
