# CPUID inside where it traps, as on hardware: without fast paths on the software rungs, and over the emulated device. The
# answers are the enclave kernel's, the same on every rung, and nothing but four registers changes.
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
CXX_FLAGS=(-pthread -I"$COFFER_ROOT/include")

compile program "${CXX_FLAGS[@]}" <<'SOURCE'
#include <cpuid.h>
#include <immintrin.h>
#include <sys/time.h>
#include <unistd.h>
#include <array>
#include <atomic>
#include <csetjmp>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <thread>
#include <vector>
#include <coffer/enclave.h>
struct Answer {
  unsigned a = 0, b = 0, c = 0, d = 0;
  bool operator==(const Answer&) const = default;
};
static Answer ask(unsigned leaf, unsigned subleaf = 0) {
  Answer r;
  asm volatile("cpuid" : "=a"(r.a), "=b"(r.b), "=c"(r.c), "=d"(r.d) : "a"(leaf), "c"(subleaf));
  return r;
}
static const unsigned kLeaves[] = {0, 1, 2, 4, 5, 7, 0xb, 0xd, 0x12, 0x16, 0x17, 0x1f, 0x40000000, 0x7fffffff,
                                   0x80000000, 0x80000001, 0x80000004, 0x80000006, 0x80000008, 0x80000009, ~0u};
static int print_leaves() {
  for (const unsigned leaf : kLeaves) {
    for (unsigned subleaf = 0; subleaf < 10; ++subleaf) {
      const Answer r = ask(leaf, subleaf);
      std::printf("%x.%x %08x %08x %08x %08x\n", leaf, subleaf, r.a, r.b, r.c, r.d);
    }
  }
  return 0;
}
// Every other general register, the flags and SSE's registers, through CPUIDs one after another.
extern "C" {
unsigned long given[11], found[11], flags_found, stack_found[2];
alignas(16) unsigned long vector_given[2], vector_found[2];
}
static int registers() {
  constexpr unsigned long kFlags = 0x8d5;  // OF SF ZF AF PF CF
  for (unsigned i = 0; i < 300; ++i) {
    for (unsigned k = 0; k < 11; ++k) given[k] = 0x1111111111111111ul * (k + 1) + i, found[k] = 0;
    vector_given[0] = 0x123456789abcdef0 + i, vector_given[1] = ~0ul - i;
    asm volatile(
        "push %%rbp\n\t"
        "movdqa vector_given(%%rip), %%xmm7\n\t"
        "lea given(%%rip), %%rax\n\t"
        "mov 0(%%rax), %%rsi\n\tmov 8(%%rax), %%rdi\n\tmov 16(%%rax), %%rbp\n\tmov 24(%%rax), %%r8\n\t"
        "mov 32(%%rax), %%r9\n\tmov 40(%%rax), %%r10\n\tmov 48(%%rax), %%r11\n\tmov 56(%%rax), %%r12\n\t"
        "mov 64(%%rax), %%r13\n\tmov 72(%%rax), %%r14\n\tmov 80(%%rax), %%r15\n\t"
        "mov %%rsp, stack_found(%%rip)\n\t"
        "xor %%ecx, %%ecx\n\tpush $0x8d5\n\tpopfq\n\tmov $4, %%eax\n\t"
        "cpuid\n\t"
        "mov %%rsp, 8+stack_found(%%rip)\n\t"
        "pushfq\n\tpop flags_found(%%rip)\n\t"
        "lea found(%%rip), %%rcx\n\t"
        "mov %%rsi, 0(%%rcx)\n\tmov %%rdi, 8(%%rcx)\n\tmov %%rbp, 16(%%rcx)\n\tmov %%r8, 24(%%rcx)\n\t"
        "mov %%r9, 32(%%rcx)\n\tmov %%r10, 40(%%rcx)\n\tmov %%r11, 48(%%rcx)\n\tmov %%r12, 56(%%rcx)\n\t"
        "mov %%r13, 64(%%rcx)\n\tmov %%r14, 72(%%rcx)\n\tmov %%r15, 80(%%rcx)\n\t"
        "movdqa %%xmm7, vector_found(%%rip)\n\tpop %%rbp"
        :
        :
        : "rax", "rbx", "rcx", "rdx", "rsi", "rdi", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15", "xmm7",
          "memory", "cc");
    if (std::memcmp(given, found, sizeof(given)) != 0) return std::printf("a register of round %u changed\n", i), 1;
    if (stack_found[0] != stack_found[1]) return std::printf("RSP of round %u changed\n", i), 1;
    if (std::memcmp(vector_given, vector_found, 16) != 0) return std::printf("XMM7 of round %u changed\n", i), 1;
    if ((flags_found & kFlags) != kFlags) return std::printf("flags of round %u are %lx\n", i, flags_found), 1;
  }
  return std::puts("kept"), 0;
}
static int loop() {
  const Answer first = ask(7), topology = ask(0xb);
  for (int i = 0; i < 20000; ++i) {
    if (ask(7) != first) return std::printf("another answer at %d\n", i), 1;
  }
  unsigned long high = ~0ul;  // the answer is 32 bits wide, and clears the rest
  asm volatile("mov $-1, %%rbx\n\tmov $0xb, %%eax\n\txor %%ecx, %%ecx\n\tcpuid\n\tmov %%rbx, %0" : "=r"(high)::"rax", "rbx", "rcx", "rdx");
  return std::puts(high == topology.b ? "stable" : "high bits stay"), 0;
}
static int threads() {
  std::vector<Answer> expected;
  for (const unsigned leaf : kLeaves) expected.push_back(ask(leaf));
  std::atomic<long> wrong{0}, asked{0};
  std::vector<std::thread> all;
  for (int id = 0; id < 6; ++id) {
    all.emplace_back([&] {
      for (int round = 0; round < 100; ++round) {
        for (std::size_t i = 0; i < expected.size(); ++i) {
          wrong += ask(kLeaves[i]) == expected[i] ? 0 : 1;
          ++asked;
        }
      }
    });
  }
  for (auto& thread : all) thread.join();
  std::printf("%ld asked, %ld wrong\n", asked.load(), wrong.load());
  return 0;
}
static Answer wanted;
static volatile sig_atomic_t handled = 0, differed = 0;
static void in_handler(int) {
  if (ask(4, 2) != wanted) differed = 1;
  handled = handled + 1;
}
// A handler that asks, over code that asks: none takes the other's answer.
static int in_signals() {
  wanted = ask(4, 2);
  const Answer outer = ask(1);
  std::signal(SIGALRM, in_handler);
  const itimerval every{{0, 2000}, {0, 2000}};
  setitimer(ITIMER_REAL, &every, nullptr);
  while (handled < 50) {
    if (ask(1) != outer) return std::puts("the handler's answer"), 1;
  }
  const itimerval never{};
  setitimer(ITIMER_REAL, &never, nullptr);
  std::raise(SIGALRM);
  return std::puts(differed ? "wrong in the handler" : "handled"), 0;
}
static sigjmp_buf back;
static int own_ud2() {  // the program's own stays the program's, with a CPUID on both sides
  std::signal(SIGILL, [](int signal) { siglongjmp(back, signal); });
  const int caught = sigsetjmp(back, 1);
  if (caught == 0) {
    asm volatile("xor %%eax, %%eax\n\tcpuid\n\tud2\n\tcpuid" ::: "rax", "rbx", "rcx", "rdx", "memory");
    return std::puts("went on behind a UD2"), 1;
  }
  std::printf("SIGILL %s\n", caught == SIGILL ? "caught" : "?");
  std::fflush(stdout);
  std::signal(SIGILL, SIG_DFL);
  asm volatile("ud2");
  return 1;
}
// XSAVE and XSAVEC stay inside what leaf 0xD says of their sizes.
__attribute__((target("xsave,xsavec"))) static int save_areas() {
  const std::size_t sizes[] = {ask(0xd, 0).b, ask(0xd, 1).b};
  constexpr std::size_t kRoom = 16384;
  auto* area = static_cast<unsigned char*>(std::aligned_alloc(64, kRoom));
  for (int form = 0; form < 2; ++form) {
    if (form == 1 && (ask(0xd, 1).a & 2) == 0) break;
    std::memset(area, 0xee, kRoom);
    std::memset(area + 512, 0, 64);
    if (form == 0) _xsave64(area, ~0ull);
    if (form == 1) _xsavec64(area, ~0ull);
    for (std::size_t i = sizes[form]; i < kRoom; ++i) {
      if (area[i] != 0xee) return std::printf("XSAVE%s writes at %zu of %zu\n", form == 1 ? "C" : "", i, sizes[form]), 1;
    }
  }
  const unsigned long enabled = _xgetbv(0);
  const bool avx = (enabled & 6) == 6, avx512 = (enabled & 0xe6) == 0xe6;
  const Answer features = ask(1), more = ask(7);
  if ((features.c >> 27 & 1) == 0) return std::puts("no OSXSAVE"), 1;
  if (!avx && ((features.c & (1u << 28 | 1u << 12)) | (more.b & 1u << 5)) != 0) return std::puts("AVX without state"), 1;
  if (!avx512 && (more.b & 1u << 16) != 0) return std::puts("AVX-512 without state"), 1;
  return std::puts("inside"), 0;
}
int main(int argc, char** argv) {
  const std::string what = argc > 1 ? argv[1] : "";
  if (what == "leaves") return print_leaves();
  if (what == "registers") return registers();
  if (what == "loop") return loop();
  if (what == "threads") return threads();
  if (what == "signals") return in_signals();
  if (what == "ud2") return own_ud2();
  if (what == "areas") return save_areas();
  if (what == "measurement") {
    const auto report = coffer::report(std::array<std::byte, 64>{});
    for (std::size_t i = 64; report && i < 96; ++i) std::printf("%02x", static_cast<unsigned>((*report)[i]));
    return report ? 0 : 1;
  }
  return 9;
}
SOURCE
sign program --threads 9
cp program.enclave production.enclave
strip -o bare program
sign bare --threads 9
sign program --threads 9 --debug
"$COFFER" sign program --key signer.pem -o again.enclave >signed.txt
grep -Eq '^ +cpuid +[1-9][0-9]* places' signed.txt || fail "coffer sign does not tell of CPUID: $(cat signed.txt)"

trapping() { timeout 120 "$COFFER" run --quiet --no-fast-paths production.enclave -- "$@"; }
stripped() { timeout 120 "$COFFER" run --quiet --no-fast-paths bare.enclave -- "$@"; }
in_this_process() { timeout 120 "$COFFER" run --quiet --rung inline --no-fast-paths program.enclave -- "$@"; }
emulated() { timeout 120 "$COFFER" emulate --epc 256M -- "$COFFER" run --quiet --rung sgx production.enclave -- "$@"; }
rungs='trapping stripped in_this_process'
[[ -e $COFFER_BUILD/libexec/coffer/libcoffer-emulate.so ]] && rungs+=' emulated'

# Where it does not trap, the CPU answers.
expect_status 0 timeout 60 "$COFFER" run --quiet production.enclave -- leaves
grep '^0\.0 ' out.txt >native.txt
cmp -s native.txt <(./program leaves | grep '^0\.0 ') || fail "CPUID with fast paths is not the CPU's: $(cat native.txt)"

expect_status 0 trapping leaves
cp out.txt answers.txt
grep -qx '0\.0 00000016 756e6547 6c65746e 49656e69' answers.txt || fail "$(head -1 answers.txt)"
# One core of one thread; a leaf beyond the last answers as the last; leaf 5 (MONITOR) is nobody's business inside.
grep -qx 'b\.0 00000000 00000001 00000100 00000000' answers.txt || fail "$(grep '^b\.' answers.txt)"
last=$(grep '^16\.0 ' answers.txt)
for leaf in 17 1f 40000000 7fffffff 80000009 ffffffff; do
  [[ $(grep "^$leaf\.3 " answers.txt) == "$leaf.3 ${last#* }" ]] || fail "leaf $leaf: $(grep "^$leaf\." answers.txt)"
done
grep -qx '5\.0 00000000 00000000 00000000 00000000' answers.txt || fail "$(grep '^5\.' answers.txt)"

"$COFFER" inspect --json production.enclave >inspected.json
for rung in $rungs; do
  expect_status 0 "$rung" leaves
  cmp -s out.txt answers.txt || fail "$rung answers otherwise: $(diff answers.txt out.txt | head -5)"
  for question in registers:kept loop:stable threads:'12600 asked, 0 wrong' signals:handled areas:inside; do
    expect_status 0 "$rung" "${question%%:*}"
    expect_output "${question#*:}"
  done
  expect_status 132 "$rung" ud2
  expect_output 'SIGILL caught'
done
# What traps is not what was measured, and the measurement is the image's all the same.
for rung in trapping emulated; do
  [[ $rungs == *$rung* ]] || continue
  expect_status 0 "$rung" measurement
  grep -q "$(cat out.txt)" inspected.json || fail "$rung: EREPORT says $(cat out.txt)"
done
