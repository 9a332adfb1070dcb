#include "enclave/kernel/support/cpuid.h"

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstring>

extern "C" const char coffer_cpuid_site[];

namespace coffer::kernel {

using boundary::CpuidEntry;
using boundary::kCpuidQuestions;

namespace {

constexpr std::uint32_t kHighestBasic = 0x16;
constexpr std::uint32_t kHighestExtended = 0x80000008;
constexpr std::uint32_t kExtended = 0x80000000;

// --- features

constexpr std::uint32_t bits(std::initializer_list<unsigned> indices) {
  std::uint32_t word = 0;
  for (unsigned index : indices) word |= 1U << index;
  return word;
}

constexpr std::uint64_t kAvxState = 0x6;
constexpr std::uint64_t kAvx512State = 0xe6;

// The bits of one leaf that are believed where all of `state` is saved. Every other bit is answered as 0: features that
// an enclave cannot use, those that are the operating system's, and those that nobody has looked at.
struct Believed {
  std::uint32_t leaf, subleaf;
  std::uint64_t state;
  CpuidRegisters mask;
};

// Most features that the CPU does not have are #UD where they are used. LZCNT and TZCNT (BMI1) are not: older CPUs take
// them for BSR and BSF, which compute something else. CPUs with SGX have both if they have AVX.
constexpr std::uint32_t kSse1Ecx = bits({0, 1, 9, 13, 19, 20, 22, 23, 25, 30});  // SSE3 .. POPCNT, AES, RDRAND
constexpr std::uint32_t kAvx1Ecx = bits({12, 28, 29});                           // FMA, AVX, F16C
constexpr std::uint32_t kPlain7Ebx = bits({0, 9, 18, 19, 23, 24, 29});           // FSGSBASE, ERMS, RDSEED .. SHA
constexpr std::uint32_t kAvx7Ebx = bits({3, 5, 8});                              // BMI1, AVX2, BMI2
constexpr std::uint32_t kAvx512In7Ebx = bits({16, 17, 21, 28, 30, 31});          // F, DQ, IFMA, CD, BW, VL
constexpr std::uint32_t kPlain7Ecx = bits({5, 8, 25, 27, 28});                   // WAITPKG, GFNI, CLDEMOTE, MOVDIR
constexpr std::uint32_t kAvx7Ecx = bits({9, 10});                                // VAES, VPCLMULQDQ
constexpr std::uint32_t kAvx512In7Ecx = bits({1, 6, 11, 12, 14});                // VBMI, VBMI2, VNNI, BITALG, VPOPCNT
constexpr std::uint32_t kPlain7Edx = bits({4, 14});                              // FSRM, SERIALIZE
constexpr std::uint32_t kAvx512In7Edx = bits({8, 23});                           // VP2INTERSECT, FP16

constexpr std::array kBelieved = std::to_array<Believed>({
    {0x1, 0, 0, {.eax = ~0U, .ecx = kSse1Ecx}},
    {0x1, 0, kAvxState, {.ecx = kAvx1Ecx}},
    {0x7, 0, 0, {.ebx = kPlain7Ebx, .ecx = kPlain7Ecx, .edx = kPlain7Edx}},
    {0x7, 0, kAvxState, {.ebx = kAvx7Ebx, .ecx = kAvx7Ecx}},
    {0x7, 0, kAvx512State, {.ebx = kAvx512In7Ebx, .ecx = kAvx512In7Ecx, .edx = kAvx512In7Edx}},
    {0x7, 1, 0, {.eax = bits({10, 11, 12})}},                              // fast short REP MOVSB, STOSB, CMPSB
    {0x7, 1, kAvxState, {.eax = bits({4, 23}), .edx = bits({4, 5, 10})}},  // VNNI, IFMA; VNNI-INT, NE-CONVERT
    {0x7, 1, kAvx512State, {.eax = bits({5})}},                            // BF16
    {0xd, 1, 0, {.eax = bits({0, 1, 2})}},                                 // XSAVEOPT, XSAVEC, XGETBV with ECX = 1
    {0x15, 0, 0, {~0U, ~0U, ~0U, 0}},
    {0x16, 0, 0, {0xffff, 0xffff, 0xffff, 0}},
    {0x80000001, 0, 0, {.ecx = bits({0, 8}), .edx = bits({26, 27})}},  // LAHF, PREFETCHW; large pages, RDTSCP
    {0x80000001, 0, kAvxState, {.ecx = bits({5})}},                    // LZCNT
    {0x80000002, 0, 0, {~0U, ~0U, ~0U, ~0U}},
    {0x80000003, 0, 0, {~0U, ~0U, ~0U, ~0U}},
    {0x80000004, 0, 0, {~0U, ~0U, ~0U, 0x00ffffff}},  // the name ends with a NUL
    {0x80000007, 0, 0, {.edx = bits({8})}},
});

// What every 64-bit CPU has, and what the kernel itself uses before it asks.
constexpr std::uint32_t kXsaveInUse = bits({26, 27});                            // XSAVE, OSXSAVE
constexpr std::uint32_t kBaseline = bits({0, 4, 6, 8, 15, 19, 23, 24, 25, 26});  // FPU, TSC, .. MMX, FXSR, SSE, SSE2
constexpr std::uint32_t kLongMode = bits({11, 20, 29});                          // SYSCALL, NX, LM

void believe(CpuidRegisters& into, const CpuidRegisters& claim, const CpuidRegisters& mask) {
  into.eax |= claim.eax & mask.eax;
  into.ebx |= claim.ebx & mask.ebx;
  into.ecx |= claim.ecx & mask.ecx;
  into.edx |= claim.edx & mask.edx;
}

// --- caches: always the same, since the C library's copying loops count with them

struct Cache {
  std::uint32_t kind, level, ways, sets;  // lines of 64 bytes
};
constexpr std::array kCaches = std::to_array<Cache>({
    {1, 1, 8, 64},      // data, 32 KiB
    {2, 1, 8, 64},      // instructions, 32 KiB
    {3, 2, 16, 1024},   // 1 MiB
    {3, 3, 16, 16384},  // 16 MiB
});

CpuidRegisters cache(std::uint32_t subleaf) {
  if (subleaf >= kCaches.size()) return {};
  const Cache& c = kCaches[subleaf];
  constexpr std::uint32_t kSelfInitialising = 1U << 8;
  return {c.kind | c.level << 5 | kSelfInitialising, 63 | (c.ways - 1) << 22, c.sets - 1, 0};
}

// --- topology: one core of one thread, whose number is 0

CpuidRegisters topology(std::uint32_t subleaf) {
  constexpr std::uint32_t kThreads = 1;
  constexpr std::uint32_t kCores = 2;
  if (subleaf > 1) return {0, 0, subleaf & 0xff, 0};
  return {0, 1, subleaf | (subleaf == 0 ? kThreads : kCores) << 8, 0};
}

// --- save areas

struct Component {
  unsigned number;
  std::uint32_t size;
  bool aligned;  // to 64 bytes, in a compacted area
};
constexpr std::uint32_t kLegacyEnd = 576;  // with the header
constexpr std::uint32_t kMpxOffset = 960;
constexpr std::uint32_t kMpxSize = 128;
constexpr std::uint32_t kAmxOffset = 2752;
constexpr std::array kComponents = std::to_array<Component>({
    {2, 256, false},   // AVX
    {3, 64, false},    // MPX
    {4, 64, false},    // MPX
    {5, 64, false},    // AVX-512: opmask
    {6, 512, false},   // the upper halves of ZMM0 to 15
    {7, 1024, false},  // ZMM16 to 31
    {9, 8, false},     // PKRU
    {17, 64, true},    // AMX
    {18, 8192, true},
    {19, 128, false},  // APX: where MPX was
});

constexpr bool bit(std::uint64_t word, unsigned index) { return ((word >> index) & 1) != 0; }

// The same on every CPU, but for those from AVX-512 to PKRU, which stand together.
std::uint32_t standard_offset(const Component& c, std::uint32_t opmask_offset) {
  switch (c.number) {
    case 2:
      return kLegacyEnd;
    case 3:
    case 19:
      return kMpxOffset;
    case 4:
      return kMpxOffset + kMpxSize / 2;
    case 5:
      return opmask_offset;
    case 6:
      return opmask_offset + 64;
    case 7:
      return opmask_offset + 64 + 512;
    case 9:
      return opmask_offset + 64 + 512 + 1024;
    case 17:
      return kAmxOffset;
    default:
      return kAmxOffset + 64;
  }
}

std::uint32_t standard_size(std::uint64_t components, std::uint32_t opmask_offset) {
  std::uint32_t size = kLegacyEnd;
  for (const Component& c : kComponents) {
    if (bit(components, c.number)) size = std::max(size, standard_offset(c, opmask_offset) + c.size);
  }
  return size;
}

std::uint32_t compacted_size(std::uint64_t components) {
  std::uint32_t size = kLegacyEnd;
  for (const Component& c : kComponents) {
    if (!bit(components, c.number)) continue;
    if (c.aligned) size = (size + 63) & ~63U;
    size += c.size;
  }
  return size;
}

// Saves an opmask register that holds something and looks where it went. The registers are the caller's to lose.
std::uint32_t find_opmask() {
  constexpr std::uint32_t kInMpxsPlace = kLegacyEnd + 256;
  alignas(64) std::byte area[4096];
  std::memset(area, 0, sizeof(area));
  asm volatile(
      "kmovw %%ecx, %%k1\n\t"
      "xsave64 %0\n\t"
      "kxorw %%k1, %%k1, %%k1"
      : "+m"(area)
      : "a"(1U << 5), "d"(0), "c"(0x5a5a));
  std::uint64_t there = 0;
  std::memcpy(&there, area + kInMpxsPlace + sizeof(there), sizeof(there));
  return there == 0x5a5a ? kInMpxsPlace : CpuState{}.opmask_offset;
}

constinit CpuidAnswers answers{};
constinit std::atomic<bool> trapped{false};

}  // namespace

CpuidAnswers::CpuidAnswers(std::span<const CpuidEntry> claims, const CpuState& state) : state_(state) {
  for (std::size_t i = 0; i < kCpuidQuestions.size(); ++i) {
    const auto& question = kCpuidQuestions[i];
    const auto claimed = std::ranges::find_if(claims, [&](const CpuidEntry& entry) {
      return entry.leaf == question.leaf && entry.subleaf == question.subleaf;
    });
    if (claimed == claims.end()) continue;
    for (const Believed& b : kBelieved) {
      const bool saved = (state.xfrm & b.state) == b.state;
      if (saved && b.leaf == question.leaf && b.subleaf == question.subleaf) {
        believe(claims_[i], claimed->answer, b.mask);
      }
    }
  }
}

const CpuidRegisters& CpuidAnswers::claim(std::uint32_t leaf, std::uint32_t subleaf) const {
  static constexpr CpuidRegisters kNothing{};
  for (std::size_t i = 0; i < kCpuidQuestions.size(); ++i) {
    if (kCpuidQuestions[i].leaf == leaf && kCpuidQuestions[i].subleaf == subleaf) return claims_[i];
  }
  return kNothing;
}

CpuidRegisters CpuidAnswers::save_area(std::uint32_t subleaf) const {
  // Never less than what XSAVE writes, whatever an exit saves.
  const std::uint64_t written = state_.xfrm | state_.xcr0;
  if (subleaf == 0) {
    const std::uint32_t size = standard_size(written, state_.opmask_offset);
    return {static_cast<std::uint32_t>(state_.xfrm), size, size, static_cast<std::uint32_t>(state_.xfrm >> 32)};
  }
  if (subleaf == 1) return {claim(0xd, 1).eax, compacted_size(written), 0, 0};
  for (const Component& c : kComponents) {
    if (c.number != subleaf || !bit(state_.xfrm, c.number)) continue;
    return {c.size, standard_offset(c, state_.opmask_offset), c.aligned ? 2U : 0U, 0};
  }
  return {};
}

CpuidRegisters CpuidAnswers::answer(std::uint32_t leaf, std::uint32_t subleaf) const {
  if (leaf > kHighestBasic && (leaf < kExtended || leaf > kHighestExtended)) leaf = kHighestBasic;
  switch (leaf) {
    case 0x0:
      return {kHighestBasic, 0x756e6547, 0x6c65746e, 0x49656e69};  // GenuineIntel
    case 0x1: {
      constexpr std::uint32_t kOneThread = 1U << 16;
      constexpr std::uint32_t kLinesOf64 = 8U << 8;  // CLFLUSH
      const CpuidRegisters& c = claim(1, 0);
      return {c.eax, kOneThread | kLinesOf64, c.ecx | kXsaveInUse, kBaseline};
    }
    case 0x2:
      return {0x00feff01, 0, 0, 0};  // "see leaf 4"
    case 0x4:
      return cache(subleaf);
    case 0x7: {
      CpuidRegisters c = claim(7, subleaf);
      if (subleaf == 0) c.eax = 1;  // the last sub-leaf
      return c;
    }
    case 0xb:
      return topology(subleaf);
    case 0xd:
      return save_area(subleaf);
    case 0x80000000:
      return {kHighestExtended, 0, 0, 0};
    case 0x80000001: {
      const CpuidRegisters& c = claim(leaf, 0);
      return {0, 0, c.ecx, c.edx | kLongMode};
    }
    case 0x80000006:
      return {0, 0, 64 | 6U << 12 | 1024U << 16, 0};  // the second-level cache of leaf 4: line, 8 ways or more, KiB
    case 0x80000008:
      return {48U << 8 | 46, 0, 0, 0};  // bits of linear and physical addresses
    default:
      return claim(leaf, 0);
  }
}

const char* CpuidAnswers::missing_feature() const {
  const std::uint32_t basic = claim(1, 0).ecx;
  if (!bit(basic, 25)) return "AES";
  if (!bit(basic, 1)) return "PCLMULQDQ";
  if (!bit(basic, 30)) return "RDRAND";
  if (!bit(claim(7, 0).ebx, 18)) return "RDSEED";
  return nullptr;
}

// Once in the kernel, so that one address is known for the instruction's exception.
[[gnu::noinline, gnu::noclone]] CpuidRegisters cpuid(std::uint32_t leaf, std::uint32_t subleaf) {
  CpuidRegisters r;
  asm volatile(
      ".globl coffer_cpuid_site\n"
      ".hidden coffer_cpuid_site\n"
      "coffer_cpuid_site:\n\t"
      "cpuid"
      : "=a"(r.eax), "=b"(r.ebx), "=c"(r.ecx), "=d"(r.edx)
      : "a"(leaf), "c"(subleaf));
  return r;
}

bool is_kernel_cpuid(std::uint64_t rip) { return rip == reinterpret_cast<std::uint64_t>(coffer_cpuid_site); }

void remember_cpuid_claims(std::span<const CpuidEntry> claims, std::uint64_t xfrm) {
  CpuState state{.xfrm = xfrm, .xcr0 = read_xcr0()};
  if (bit(state.xcr0, 5)) state.opmask_offset = find_opmask();
  answers = CpuidAnswers(claims, state);
}

CpuidRegisters trapped_cpuid(std::uint32_t leaf, std::uint32_t subleaf) {
  trapped.store(true, std::memory_order_relaxed);
  return answers.answer(leaf, subleaf);
}

bool cpuid_traps() { return trapped.load(std::memory_order_relaxed); }
const CpuidAnswers& cpuid_answers() { return answers; }

}  // namespace coffer::kernel
