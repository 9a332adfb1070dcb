# A real GDB on a program inside a debug enclave: breakpoints, steps, variables; EDBGRD and EDBGWR with the processor's own
# refusals. A production image is refused.
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
cat >program.cc <<'SOURCE'
#include <cstdio>
#include <thread>
volatile long number = 42;
__attribute__((noinline)) long twice(long x) {
  return x * 2 + number;
}
int main(int argc, char** argv) {
  long sum = twice(20);
  std::thread([&sum] { sum += twice(argc_of_thread); }).join();
  std::printf("%s %ld\n", argc > 1 ? argv[1] : "", sum);
  return sum == 2044 ? 0 : 3;
}
SOURCE
sed -i 's/argc_of_thread/30/' program.cc
g++ -std=c++20 -g -O1 -static-pie -o program program.cc
sign program --debug
status=0
timeout 120 "$COFFER" debug program.enclave --program program --ex 'break twice' --ex 'continue' --ex 'bt' \
  --ex 'finish' --ex 'edbgrd &number' --ex 'edbgwr &number 951' --ex 'print number' --ex 'continue' --ex 'print x' \
  --ex 'edbgrd (char*)&number+1' --ex 'edbgrd 16' --ex 'delete' --ex 'continue' --ex 'quit' \
  -- word </dev/null >gdb.txt 2>&1 || status=$?
((status == 0)) || fail "gdb ended with $status: $(cat gdb.txt)"
saw() { grep -Eq -- "$1" gdb.txt || fail "no '$1' in: $(cat gdb.txt)"; }
saw '^#0 +main \(argc=2'                                  # stopped there, with its arguments
saw 'Breakpoint 1, twice \(x=.*20\) at program.cc:5'
saw '^#1 .* main \(argc=2'                                # the callers
saw 'Value returned is \$1 = 82'                           # 20 * 2 + 42
saw '^0x[0-9a-f]+: 0x000000000000002a'                    # EDBGRD
saw '\$2 = 951'                                           # what EDBGWR wrote, as GDB itself reads it
saw '^\$3 = 30'                                           # the second thread, in the same breakpoint
saw 'EDBGRD of 0x[0-9a-f]+: #GP'                          # misaligned
saw 'EDBGRD of 0x10: #GP'                                 # not the enclave's
saw '^word 1093'                                          # 82 + 30 * 2 + 951: the program saw the new value
saw 'exited with code 03'

sign program
expect_status 1 "$COFFER" debug program.enclave --program program
expect_error_line 'production image'
sign program --debug
expect_status 2 "$COFFER" debug program.enclave --program nothing
expect_error_line 'nothing: No such file'
g++ -std=c++20 -O1 -s -static-pie -o bare program.cc
sign bare --debug
timeout 120 "$COFFER" debug bare.enclave --program bare --ex 'continue' --ex 'quit' </dev/null >gdb.txt 2>&1
saw 'no debugging symbols'
saw '^ 184$'

# A fault that nothing in the program handles: GDB stops at its instruction, with the callers and the registers; going on
# is the program's end, with its crash report.
cat >faults.cc <<'SOURCE'
#include <csetjmp>
#include <csignal>
int counts[3] = {1, 2, 3};
static sigjmp_buf back;
__attribute__((noinline)) void store(int* where, int value) {
  *where = value;
}
int main(int argc, char**) {
  std::signal(SIGSEGV, [](int) { siglongjmp(back, 1); });  // a fault of this one's own business first
  if (sigsetjmp(back, 1) == 0) store(nullptr, 1);
  std::signal(SIGSEGV, SIG_DFL);
  store(argc > 1 ? nullptr : counts, 951);
  return counts[0] == 951 ? 0 : 3;
}
SOURCE
g++ -std=c++20 -g -O1 -static-pie -o faults faults.cc
sign faults --debug
timeout 120 "$COFFER" debug faults.enclave --program faults --ex 'continue' --ex 'bt' --ex 'print value' --ex 'continue' \
  --ex 'quit' -- now </dev/null >gdb.txt 2>&1
saw 'Thread .* received signal SIGSEGV'
saw 'store \(where=.*, value=.*951\) at faults.cc:6'
saw '^#1 .* main \(argc=2'
saw '^\$1 = 951'
saw '^coffer: the program died of signal 11'
saw 'Program terminated with signal SIGSEGV'
[[ $(grep -c 'received signal' gdb.txt) == 1 ]] || fail "GDB stopped more than once: $(cat gdb.txt)"
timeout 120 "$COFFER" debug faults.enclave --program faults --ex 'continue' --ex 'quit' </dev/null >gdb.txt 2>&1
saw 'exited normally'
! grep -q 'received signal' gdb.txt || fail "GDB stopped where it should not: $(cat gdb.txt)"
