# The rung `sgx` through the emulated device and vDSO: the same images as on the other rungs, with their measurement,
# streams, exit status, threads, signals, faults and memory. What silicon alone can show is in docs/design/sgx-rung.md.
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
[[ -e $COFFER_BUILD/libexec/coffer/libcoffer-emulate.so ]] || skip "this build has no coffer emulate (sanitizers)"
emulated() { timeout 120 "$COFFER" emulate --epc 512M -- "$@"; }
sgx() { emulated "$COFFER" run --rung sgx "$@"; }

compile program -pthread -I"$COFFER_ROOT/include" <<'SOURCE'
#include <sys/mman.h>
#include <algorithm>
#include <array>
#include <atomic>
#include <csetjmp>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <iostream>
#include <memory>
#include <string>
#include <thread>
#include <vector>
#include <coffer/enclave.h>
static sigjmp_buf back;
static void jump_back(int signal) { siglongjmp(back, signal); }
static volatile sig_atomic_t terminated = 0;
static int sort_lines() {
  std::vector<std::string> lines;
  for (std::string line; std::getline(std::cin, line);) lines.push_back(line);
  std::sort(lines.begin(), lines.end());
  for (const auto& line : lines) std::cout << line << '\n';
  std::cerr << lines.size() << " lines" << std::endl;
  return 7;
}
// Touches `size` bytes in its own pattern and gives them back; the sum of what stood there.
static unsigned long grow(std::size_t size) {
  std::unique_ptr<unsigned char[]> memory(new unsigned char[size]);
  for (std::size_t i = 0; i < size; i += 512) memory[i] = static_cast<unsigned char>(i >> 9);
  unsigned long sum = 0;
  for (std::size_t i = 0; i < size; i += 512) sum += memory[i];
  return sum;
}
static int catch_faults() {
  for (const int signal : {SIGSEGV, SIGILL, SIGFPE, SIGTRAP}) std::signal(signal, jump_back);
  int caught = sigsetjmp(back, 1);
  if (caught == 0) *reinterpret_cast<volatile int*>(8) = 1;
  std::printf("%d ", caught);
  if ((caught = sigsetjmp(back, 1)) == 0) __builtin_trap();
  std::printf("%d ", caught);
  volatile int zero = 0;
  if ((caught = sigsetjmp(back, 1)) == 0) zero = 1 / zero;
  std::printf("%d ", caught);
  if ((caught = sigsetjmp(back, 1)) == 0) asm volatile("int3");
  std::printf("%d ", caught);
  auto* page = static_cast<volatile char*>(
      mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
  page[0] = 'x';
  mprotect(const_cast<char*>(page), 4096, PROT_READ);
  if ((caught = sigsetjmp(back, 1)) == 0) page[0] = 'y';
  std::printf("%d %c\n", caught, page[0]);
  return 0;
}
int main(int argc, char** argv) {
  const std::string what = argc > 1 ? argv[1] : "";
  if (what == "sort") return sort_lines();
  if (what == "grow") return std::printf("%lu\n", grow(std::size_t{200} << 20)) > 0 ? 0 : 1;
  if (what == "faults") return catch_faults();
  if (what == "measurement") {  // as EREPORT has it
    const auto report = coffer::report(std::array<std::byte, 64>{});
    for (std::size_t i = 64; report && i < 96; ++i) std::printf("%02x", static_cast<unsigned>((*report)[i]));
    return report ? 0 : 1;
  }
  if (what == "segfault") *reinterpret_cast<volatile int*>(8) = 1;
  if (what == "trap") asm volatile("int3");
  if (what == "abort") std::abort();
  if (what == "threads") {
    std::atomic<long> total{0};
    std::vector<std::thread> threads;
    // Others change page rights and memory meanwhile, which makes every thread that is inside leave.
    for (int id = 0; id < 6; ++id) {
      threads.emplace_back([&total] {
        for (int i = 0; i < 20; ++i) {
          void* pages = mmap(nullptr, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
          std::memset(pages, 1, 8192);
          mprotect(pages, 4096, PROT_READ);
          for (int spin = 0; spin < 20000; ++spin) asm volatile("");
          total += static_cast<char*>(pages)[0];
          munmap(pages, 8192);
        }
      });
    }
    for (auto& thread : threads) thread.join();
    std::printf("%ld\n", total.load());
    return 0;
  }
  if (what == "compute") {  // a signal has to interrupt it
    std::signal(SIGTERM, [](int) { terminated = 1; });
    std::puts("ready");
    std::fflush(stdout);
    while (terminated == 0) {
    }
    return 40;
  }
  if (what == "forever") {
    std::puts("ready");
    std::fflush(stdout);
    std::thread other([] { while (true) asm volatile(""); });
    while (true) asm volatile("");
  }
  return 9;
}
SOURCE
sign program --heap-max 512M --threads 9
cp program.enclave production.enclave
sign program --heap-max 512M --threads 9 --debug

# One line where there is no device, and where a software rung's setting makes no sense.
if [[ ! -e /dev/sgx_enclave ]]; then
  expect_status 2 "$COFFER" run --rung sgx production.enclave
  expect_error_line '/dev/sgx_enclave: not on this machine .*coffer emulate'
fi
expect_status 2 sgx --epc 64M production.enclave
expect_error_line 'leave --epc out'
flip_bit production.enclave flipped.enclave $(($(stat -c %s production.enclave) / 2))
expect_status 1 sgx flipped.enclave
expect_error_line 'EINIT'
emulated "$COFFER" run --rung sgx production.enclave -- measurement 2>notes.txt >/dev/null
grep -q 'note: rung sgx: the device is emulated' notes.txt || fail "an emulated device is not told of: $(cat notes.txt)"

expect_status 0 emulated "$COFFER" doctor
grep -Eq '^ *partial +sgx +the device is emulated' out.txt || fail "$(cat out.txt)"

# The enclave is the one of the other rungs.
"$COFFER" inspect --json production.enclave >inspected.json
expect_status 0 "$COFFER" run production.enclave -- measurement
mrenclave=$(cat out.txt)
grep -q "$mrenclave" inspected.json || fail "EREPORT says $mrenclave: $(cat inspected.json)"
expect_status 0 sgx production.enclave -- measurement
expect_output "$mrenclave"

# Streams and exit status.
seq 3000 | shuf >numbers.txt
expect_status 7 sgx production.enclave -- sort <numbers.txt
cmp -s out.txt <(sort numbers.txt) || fail "the program's output is another: $(head -c 300 out.txt)"
grep -qx '3000 lines' err.txt || fail "$(cat err.txt)"

# Memory that is committed on demand, threads, and faults that the program's own handlers take.
expect_status 0 sgx production.enclave -- grow
expect_output "$(./program grow)"
expect_status 0 sgx production.enclave -- threads
expect_output 120
for image in production program; do
  expect_status 0 sgx $image.enclave -- faults
  expect_output "$(./program faults)"
done
# Those that nobody takes end the command as they end the program outside.
for what in segfault trap abort; do
  expected=0
  ./program "$what" >/dev/null 2>&1 || expected=$?
  expect_status "$expected" sgx production.enclave -- "$what"
done

# Signals reach a thread that is inside, and an enclave ends however busy its threads are.
start() {
  rm -f run.txt
  "$COFFER" emulate --epc 512M -- "$COFFER" run --quiet --rung sgx production.enclave -- "$1" >run.txt 2>run.err &
  pid=$!
  wait_for 20 grep -q ready run.txt || fail "did not start: $(cat run.err)"
}
ends_with() {
  wait_for 20 gone "$pid" || fail "does not end: $(cat run.err)"
  status=0
  wait "$pid" || status=$?
  ((status == $1)) || fail "exit status $status instead of $1: $(cat run.txt run.err)"
}
start compute
kill -TERM "$pid"
ends_with 40
start forever
grep -q '"sgx"' <("$COFFER" ps --json) || fail "$("$COFFER" ps --json)"
kill -TERM "$pid"
ends_with 143

# A program with a library of its own, SQLite, over an encrypted mount: the same analysis as outside.
sample=$COFFER_BUILD/samples/registry-analysis
mkdir lists encrypted out
cp /usr/share/ieee-data/iab.csv lists/
"$sample" import lists plain.db >/dev/null
"$sample" analyse plain.db >outside.txt
"$COFFER" sign "$sample" --key signer.pem --config "$COFFER_ROOT/samples/registry-analysis/coffer.toml" -o a.enclave >/dev/null
mounts=(--mount "$PWD/lists:/input" --mount "$PWD/encrypted:/data" --mount "$PWD/out:/out")
expect_status 0 sgx a.enclave "${mounts[@]}" -- import /input /data/registry.db
expect_status 0 sgx a.enclave "${mounts[@]}" -- analyse /data/registry.db
cmp -s out.txt outside.txt || fail "the analysis differs: $(diff out.txt outside.txt | head -5)"
# The emulated processor's keys are its own: no other rung opens what this one has sealed.
status_of "$COFFER" run a.enclave "${mounts[@]}" -- analyse /data/registry.db
((status != 0)) || fail 'the rung process opens what the emulated processor sealed'
