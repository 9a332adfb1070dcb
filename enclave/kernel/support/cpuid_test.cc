// The host's claims, honest and not, and what becomes of them.
#include "enclave/kernel/support/cpuid.h"

#include <gtest/gtest.h>

#include <random>
#include <vector>

namespace coffer::kernel {
namespace {

using boundary::CpuidEntry;
using boundary::kCpuidQuestions;

constexpr std::uint64_t kLegacy = 0x3;
constexpr std::uint64_t kAvx = 0x7;
constexpr std::uint64_t kAvx512 = 0xe7;

CpuState state_of(std::uint64_t xfrm) { return {.xfrm = xfrm, .xcr0 = xfrm}; }

std::vector<CpuidEntry> claims_of(const CpuidRegisters& every_answer) {
  std::vector<CpuidEntry> claims;
  for (const auto& q : kCpuidQuestions) claims.push_back({q.leaf, q.subleaf, every_answer});
  return claims;
}
const std::vector<CpuidEntry>& all_ones() {
  static const auto claims = claims_of({~0U, ~0U, ~0U, ~0U});
  return claims;
}

bool bit(std::uint32_t word, unsigned index) { return (word >> index & 1) != 0; }

// Every leaf that has an answer of its own, and its neighbours.
std::vector<std::uint32_t> leaves() {
  std::vector<std::uint32_t> all;
  for (const std::uint32_t base : {0U, 0x40000000U, 0x7ffffff0U, 0x80000000U, 0xfffffff0U}) {
    for (std::uint32_t i = 0; i < 0x28 && base + i >= base; ++i) all.push_back(base + i);
  }
  return all;
}

TEST(Cpuid, FeaturesNeedTheStateThatAnExitSaves) {
  struct Need {
    const char* name;
    std::uint32_t leaf, subleaf;
    std::uint32_t CpuidRegisters::* word;
    unsigned bit;
    std::uint64_t xfrm;  // the least
  };
  using R = CpuidRegisters;
  const std::vector<Need> needs = {
      {"AES", 1, 0, &R::ecx, 25, kLegacy},
      {"RDRAND", 1, 0, &R::ecx, 30, kLegacy},
      {"SSE4.2", 1, 0, &R::ecx, 20, kLegacy},
      {"AVX", 1, 0, &R::ecx, 28, kAvx},
      {"FMA", 1, 0, &R::ecx, 12, kAvx},
      {"F16C", 1, 0, &R::ecx, 29, kAvx},
      {"RDSEED", 7, 0, &R::ebx, 18, kLegacy},
      {"SHA", 7, 0, &R::ebx, 29, kLegacy},
      {"AVX2", 7, 0, &R::ebx, 5, kAvx},
      {"BMI1", 7, 0, &R::ebx, 3, kAvx},
      {"BMI2", 7, 0, &R::ebx, 8, kAvx},
      {"AVX512F", 7, 0, &R::ebx, 16, kAvx512},
      {"AVX512DQ", 7, 0, &R::ebx, 17, kAvx512},
      {"AVX512IFMA", 7, 0, &R::ebx, 21, kAvx512},
      {"AVX512CD", 7, 0, &R::ebx, 28, kAvx512},
      {"AVX512BW", 7, 0, &R::ebx, 30, kAvx512},
      {"AVX512VL", 7, 0, &R::ebx, 31, kAvx512},
      {"AVX512VBMI", 7, 0, &R::ecx, 1, kAvx512},
      {"AVX512VBMI2", 7, 0, &R::ecx, 6, kAvx512},
      {"AVX512VNNI", 7, 0, &R::ecx, 11, kAvx512},
      {"BITALG", 7, 0, &R::ecx, 12, kAvx512},
      {"VPOPCNTDQ", 7, 0, &R::ecx, 14, kAvx512},
      {"VAES", 7, 0, &R::ecx, 9, kAvx},
      {"VPCLMULQDQ", 7, 0, &R::ecx, 10, kAvx},
      {"VP2INTERSECT", 7, 0, &R::edx, 8, kAvx512},
      {"AVX512FP16", 7, 0, &R::edx, 23, kAvx512},
      {"AVX-VNNI", 7, 1, &R::eax, 4, kAvx},
      {"AVX512BF16", 7, 1, &R::eax, 5, kAvx512},
      {"AVX-IFMA", 7, 1, &R::eax, 23, kAvx},
      {"LZCNT", 0x80000001, 0, &R::ecx, 5, kAvx},
  };
  for (const std::uint64_t xfrm : {kLegacy, kAvx, kAvx512}) {
    const CpuidAnswers answers(all_ones(), state_of(xfrm));
    for (const Need& need : needs) {
      const bool told = bit(answers.answer(need.leaf, need.subleaf).*need.word, need.bit);
      EXPECT_EQ(told, (xfrm & need.xfrm) == need.xfrm) << need.name << " with XFRM " << xfrm;
    }
  }
}

// Protection keys, AMX, APX, CET, user interrupts: nothing here saves their state. Neither is anything told that is the
// operating system's, or a hypervisor's.
TEST(Cpuid, WhatNobodySavesIsNotThere) {
  const CpuidAnswers answers(all_ones(), state_of(kAvx512 | 1U << 9 | 3U << 17 | 1U << 19));
  const CpuidRegisters more = answers.answer(7, 0);
  for (const unsigned index : {3U, 4U, 7U}) EXPECT_FALSE(bit(more.ecx, index)) << "PKU, OSPKE, CET: " << index;
  for (const unsigned index : {5U, 20U, 22U, 24U, 25U})
    EXPECT_FALSE(bit(more.edx, index)) << "UINTR, CET, AMX: " << index;
  for (const unsigned index : {4U, 11U, 14U}) EXPECT_FALSE(bit(more.ebx, index)) << "HLE, RTM, MPX: " << index;
  EXPECT_EQ(more.eax, 1U) << "sub-leaf 1 is the last";
  EXPECT_FALSE(bit(answers.answer(7, 1).edx, 21)) << "APX";
  EXPECT_FALSE(bit(answers.answer(1, 0).ecx, 31)) << "hypervisor";
  EXPECT_FALSE(bit(answers.answer(1, 0).ecx, 3)) << "MONITOR";
  EXPECT_FALSE(bit(answers.answer(0xd, 1).eax, 3)) << "XSAVES";
  for (const std::uint32_t leaf : {3U, 5U, 6U, 9U, 0xaU, 0x12U, 0x14U}) {
    EXPECT_EQ(answers.answer(leaf, 0), CpuidRegisters{}) << leaf;
  }
}

TEST(Cpuid, ALiarCannotDenyWhatEvery64BitCpuHas) {
  for (const auto& claims : {std::vector<CpuidEntry>{}, claims_of({})}) {
    const CpuidAnswers answers(claims, state_of(kLegacy));
    const CpuidRegisters basic = answers.answer(1, 0);
    EXPECT_TRUE(bit(basic.ecx, 26) && bit(basic.ecx, 27)) << "XSAVE, OSXSAVE: the kernel has used them";
    for (const unsigned index : {0U, 4U, 8U, 15U, 23U, 24U, 25U, 26U}) EXPECT_TRUE(bit(basic.edx, index)) << index;
    EXPECT_TRUE(bit(answers.answer(0x80000001, 0).edx, 29)) << "long mode";
  }
}

// The C library computes the loops of memcpy() from the caches and takes the vendor to know which leaves tell of them.
TEST(Cpuid, VendorCachesAndTopologyAreNobodysClaim) {
  std::vector<CpuidEntry> claims = all_ones();
  for (const std::uint32_t leaf : {0U, 2U, 4U, 0xbU, 0x80000000U, 0x80000006U}) {
    for (std::uint32_t subleaf = 0; subleaf < 4; ++subleaf) claims.push_back({leaf, subleaf, {0, 0, 0, 0}});
  }
  const CpuidAnswers honest({}, state_of(kAvx512));
  const CpuidAnswers lied(claims, state_of(kAvx512));
  for (const std::uint32_t leaf : {0U, 2U, 4U, 0xbU, 0x80000000U, 0x80000005U, 0x80000006U, 0x80000008U}) {
    for (std::uint32_t subleaf = 0; subleaf < 6; ++subleaf) {
      EXPECT_EQ(lied.answer(leaf, subleaf), honest.answer(leaf, subleaf)) << leaf << '.' << subleaf;
    }
  }
  EXPECT_EQ(honest.answer(0, 0), (CpuidRegisters{0x16, 0x756e6547, 0x6c65746e, 0x49656e69}));
  // Sizes as the C library works them out of leaf 4; behind the last cache there is none.
  constexpr std::array<std::uint32_t, 4> kKib = {32, 32, 1024, 16384};
  for (std::uint32_t i = 0; i < kKib.size(); ++i) {
    const CpuidRegisters c = honest.answer(4, i);
    const std::uint32_t line = (c.ebx & 0xfff) + 1;
    EXPECT_EQ((c.ebx >> 22) + 1, i < 2 ? 8U : 16U);
    EXPECT_EQ(((c.ebx >> 22) + 1) * line * (c.ecx + 1) / 1024, kKib[i]) << i;
    EXPECT_EQ(c.eax >> 14, 0U) << "of one thread and one core";
  }
  EXPECT_EQ(honest.answer(4, 4).eax & 0x1f, 0U);
  EXPECT_EQ(honest.answer(0x80000006, 0).ecx >> 16, 1024U) << "as leaf 4 says";
  EXPECT_EQ(honest.answer(1, 0).ebx >> 24, 0U) << "the number of the core";
  for (std::uint32_t i = 0; i < 2; ++i) {
    EXPECT_EQ(honest.answer(0xb, i).ebx, 1U);
    EXPECT_EQ(honest.answer(0xb, i).edx, 0U);
    EXPECT_EQ(honest.answer(0xb, i).ecx, i | (i + 1) << 8);
  }
  EXPECT_EQ(honest.answer(0xb, 2), (CpuidRegisters{0, 0, 2, 0}));
}

TEST(Cpuid, SaveAreasAreComputed) {
  // Nothing that the host says of leaf 0xD counts, but which forms of XSAVE there are.
  std::vector<CpuidEntry> claims = all_ones();
  for (std::uint32_t subleaf = 0; subleaf < 20; ++subleaf) claims.push_back({0xd, subleaf, {1, 1, 1, 1}});
  struct Case {
    std::uint64_t xfrm;
    std::uint32_t standard, compacted;
  };
  for (const Case& c : {Case{kLegacy, 576, 576}, Case{kAvx, 832, 832}, Case{kAvx512, 2688, 2432}}) {
    const CpuidAnswers answers(claims, state_of(c.xfrm));
    EXPECT_EQ(answers.answer(0xd, 0), (CpuidRegisters{static_cast<std::uint32_t>(c.xfrm), c.standard, c.standard, 0}));
    EXPECT_EQ(answers.answer(0xd, 1), (CpuidRegisters{7, c.compacted, 0, 0}));
    for (std::uint32_t i = 2; i < 70; ++i) {
      const bool there = i < 64 && (c.xfrm >> i & 1) != 0;
      EXPECT_EQ(answers.answer(0xd, i).eax != 0, there) << i;
      const CpuidRegisters component = answers.answer(0xd, i);
      EXPECT_LE(component.eax + component.ebx, c.standard) << i;
    }
  }
  // What XSAVE writes counts where it is more than what an exit saves (software rungs).
  CpuState wide{.xfrm = kLegacy, .xcr0 = kAvx512 | 1U << 9};
  EXPECT_EQ(CpuidAnswers({}, wide).answer(0xd, 0), (CpuidRegisters{3, 2696, 2696, 0}));
  EXPECT_EQ(CpuidAnswers({}, wide).answer(0xd, 1).ebx, 2440U);
  wide.opmask_offset = 832;
  EXPECT_EQ(CpuidAnswers({}, wide).answer(0xd, 0).ebx, 2440U);
  EXPECT_EQ(CpuidAnswers({}, state_of(kAvx | 3U << 17)).answer(0xd, 0).ebx, 11008U);
  EXPECT_EQ(CpuidAnswers({}, state_of(kAvx | 3U << 17)).answer(0xd, 1).ebx, 832U + 64 + 8192);
}

// The CPU that runs this test knows where its XSAVE writes.
TEST(Cpuid, SaveAreasAreThisCpus) {
  const CpuidRegisters native = cpuid(0xd, 0);
  const std::uint64_t enabled = std::uint64_t{native.edx} << 32 | native.eax;
  constexpr std::uint64_t kKnown = 0xff | 1U << 9 | 3U << 17;
  const std::uint64_t xcr0 = read_xcr0();
  if ((enabled & ~kKnown) != 0) GTEST_SKIP() << "this CPU has state that nobody knows here: " << enabled;
  remember_cpuid_claims({}, xcr0);
  EXPECT_EQ(cpuid_answers().answer(0xd, 0).ebx, native.ebx);
  for (std::uint32_t i = 2; i < 20; ++i) {
    if ((xcr0 >> i & 1) == 0) continue;
    const CpuidRegisters c = cpuid(0xd, i);
    EXPECT_EQ(cpuid_answers().answer(0xd, i).eax, c.eax) << i;
    EXPECT_EQ(cpuid_answers().answer(0xd, i).ebx, c.ebx) << i;
    EXPECT_EQ(cpuid_answers().answer(0xd, i).ecx & 2, c.ecx & 2) << i;
  }
}

TEST(Cpuid, LeavesBeyondTheLastAnswerAsTheHighestBasicOne) {
  std::vector<CpuidEntry> claims = {{0x16, 0, {3000, 4000, 100, 7}}};
  const CpuidAnswers answers(claims, state_of(kAvx));
  const CpuidRegisters last{3000, 4000, 100, 0};
  EXPECT_EQ(answers.answer(0, 0).eax, 0x16U);
  EXPECT_EQ(answers.answer(0x16, 0), last);
  for (const std::uint32_t leaf : {0x17U, 0x1fU, 0x20000000U, 0x40000000U, 0x40000001U, 0x7fffffffU, 0x80000009U,
                                   0x8fffffffU, 0xc0000000U, 0xffffffffU}) {
    EXPECT_EQ(answers.answer(leaf, 0), last) << leaf;
    EXPECT_EQ(answers.answer(leaf, ~0U), last) << leaf;
  }
  for (const std::uint32_t leaf : {0x8U, 0xeU, 0x11U, 0x80000005U})
    EXPECT_EQ(answers.answer(leaf, 0), CpuidRegisters{});
  EXPECT_EQ(answers.answer(7, 2), CpuidRegisters{});
  EXPECT_EQ(answers.answer(7, ~0U), CpuidRegisters{});
  EXPECT_EQ(answers.answer(4, ~0U), CpuidRegisters{});
  EXPECT_EQ(answers.answer(0xd, ~0U), CpuidRegisters{});
}

TEST(Cpuid, TheNameEndsInsideItsLeaves) {
  const CpuidAnswers answers(all_ones(), state_of(kAvx));
  EXPECT_EQ(answers.answer(0x80000002, 0).eax, ~0U);
  EXPECT_EQ(answers.answer(0x80000004, 0).edx >> 24, 0U);
}

TEST(Cpuid, WithoutWhatCofferNeedsTheCpuIsRefused) {
  EXPECT_EQ(CpuidAnswers(all_ones(), state_of(kLegacy)).missing_feature(), nullptr);
  EXPECT_STREQ(CpuidAnswers({}, state_of(kLegacy)).missing_feature(), "AES");
  const auto without = [](std::uint32_t leaf, std::uint32_t CpuidRegisters::* word, unsigned index) {
    std::vector<CpuidEntry> claims = all_ones();
    for (CpuidEntry& entry : claims) {
      if (entry.leaf == leaf) entry.answer.*word &= ~(1U << index);
    }
    const char* missing = CpuidAnswers(claims, state_of(kAvx512)).missing_feature();
    return std::string(missing == nullptr ? "nothing" : missing);
  };
  EXPECT_EQ(without(1, &CpuidRegisters::ecx, 25), "AES");
  EXPECT_EQ(without(1, &CpuidRegisters::ecx, 1), "PCLMULQDQ");
  EXPECT_EQ(without(1, &CpuidRegisters::ecx, 30), "RDRAND");
  EXPECT_EQ(without(7, &CpuidRegisters::ebx, 18), "RDSEED");
}

TEST(Cpuid, OfSeveralClaimsTheFirstCounts) {
  std::vector<CpuidEntry> claims = {{0x16, 0, {1, 2, 3, 0}}, {0x16, 0, {9, 9, 9, 0}}, {0x16, 1, {8, 8, 8, 0}}};
  EXPECT_EQ(CpuidAnswers(claims, state_of(kAvx)).answer(0x16, 0), (CpuidRegisters{1, 2, 3, 0}));
  EXPECT_EQ(CpuidAnswers(claims, state_of(kAvx)).answer(0x16, 1), (CpuidRegisters{1, 2, 3, 0}))
      << "a leaf without sub-leaves";
}

// Claims for anything, in any order: the answers stay within what the tests above say.
TEST(Cpuid, NoTableMakesAnAnswerUnsafe) {
  const std::uint32_t seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  const CpuidAnswers most(all_ones(), state_of(kAvx));
  const CpuidAnswers least({}, state_of(kAvx));
  for (int round = 0; round < 200; ++round) {
    std::vector<CpuidEntry> claims(random() % (boundary::kMaxCpuidEntries + 1));
    for (CpuidEntry& entry : claims) {
      const auto& q = kCpuidQuestions[random() % kCpuidQuestions.size()];
      entry = {random() % 4 == 0 ? std::uint32_t(random()) : q.leaf,
               random() % 4 == 0 ? std::uint32_t(random() % 9) : q.subleaf,
               {std::uint32_t(random()), std::uint32_t(random()), std::uint32_t(random()), std::uint32_t(random())}};
    }
    const CpuidAnswers answers(claims, state_of(kAvx));
    for (const std::uint32_t leaf : leaves()) {
      for (std::uint32_t subleaf = 0; subleaf < 9; ++subleaf) {
        const CpuidRegisters r = answers.answer(leaf, subleaf);
        const CpuidRegisters high = most.answer(leaf, subleaf);
        const CpuidRegisters low = least.answer(leaf, subleaf);
        for (const auto word :
             {&CpuidRegisters::eax, &CpuidRegisters::ebx, &CpuidRegisters::ecx, &CpuidRegisters::edx}) {
          ASSERT_EQ(r.*word & ~(high.*word), 0U) << std::hex << leaf << '.' << subleaf;
          ASSERT_EQ(low.*word & ~(r.*word), 0U) << std::hex << leaf << '.' << subleaf;
        }
        ASSERT_EQ(r, answers.answer(leaf, subleaf));
      }
    }
  }
}

TEST(Cpuid, TheKernelsOwnInstructionHasOnePlace) {
  EXPECT_FALSE(is_kernel_cpuid(0));
  EXPECT_FALSE(is_kernel_cpuid(reinterpret_cast<std::uint64_t>(&cpuid)));
  EXPECT_FALSE(cpuid_traps());
  (void)trapped_cpuid(0, 0);
  EXPECT_TRUE(cpuid_traps());
}

}  // namespace
}  // namespace coffer::kernel
