# A plain GDB on a host program of an application in two parts, without an option, a script or an init file: breakpoints
# and variables of the enclave, the stack from the enclave's functions through the host's to main(), and from an OCALL's
# handler through the enclave's to the same main().
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
[[ -n $(command -v gdb) ]] || skip 'no gdb'
unset COFFER_SYMBOLS

cat >inside.cc <<'SOURCE'
#include <coffer/calls.h>
#include <execinfo.h>
#include <cstring>
#include <stdexcept>
#include <vector>
int global_counter = 7;
__attribute__((noinline)) long compute(long first, long second) {
  long local_sum = first + second;
  global_counter += 1;
  return local_sum * global_counter;  // the line of a breakpoint
}
__attribute__((noinline)) long ask_host(long value) {
  coffer::calls::SharedBlock block(sizeof(value));
  std::memcpy(block.bytes().data(), &value, sizeof(value));
  const auto answer = coffer::calls::call_host(1, block.bytes(), {});
  return answer ? answer->status : -1;
}
__attribute__((noinline)) void store(volatile int* where) { *where = 951; }
static std::int64_t handle(void*, coffer::calls::IncomingCall& call) {
  switch (call.index) {
    case 0: return compute(20, static_cast<long>(std::vector<char>(3000000, 'x').size() / 3000000) + 21);
    case 1: return ask_host(5) + 1;
    case 2: store(nullptr); return 0;
    case 3: throw std::runtime_error("nobody catches this");
    case 4: {
      void* frames[64];
      return backtrace(frames, 64);
    }
    default: return -38;
  }
}
int main() { coffer::calls::serve(handle, nullptr, 2); }
SOURCE
cat >outside.cc <<'SOURCE'
#include <coffer/host.h>
#include <unistd.h>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
static coffer::Enclave* running;
static bool waits;
__attribute__((noinline)) long answer_enclave(long value) {
  if (waits) {
    char go;
    std::puts("in the handler");
    std::fflush(stdout);
    if (read(0, &go, 1) < 0) return -1;
  }
  const auto nested = running->call(0, {}, {});
  return value * 2 + (nested ? nested->status : -1);
}
static int call(std::uint64_t index) {
  const auto result = running->call(index, {}, {});
  if (!result) {
    std::printf("%s\n", result.error().message.c_str());
    if (const auto ended = running->wait()) std::printf("%s\n", ended->report.c_str());
    return 1;
  }
  std::printf("%ld\n", static_cast<long>(result->status));
  std::fflush(stdout);
  return 0;
}
int main(int argc, char** argv) {
  coffer::LoadOptions options;
  options.rung = coffer::RungKind::kInline;
  auto enclave = coffer::Enclave::load(argv[1], options);
  if (!enclave) return std::fprintf(stderr, "%s\n", enclave.error().message.c_str()), 2;
  running = &*enclave;
  enclave->serve_host_calls([](const coffer::HostCall& host_call) {
    long value = 0;
    std::memcpy(&value, host_call.input.data(), sizeof(value));
    return coffer::CallResult{answer_enclave(value), 0};
  });
  if (auto started = enclave->start({}); !started) return 3;
  waits = argc > 3;
  int status = 0;
  for (const char* at = argc > 2 ? argv[2] : "01"; *at != 0 && status == 0; ++at) status = call(*at - '0');
  return status;
}
SOURCE
g++ -std=c++20 -g -O1 -static-pie -I"$COFFER_ROOT/include" -o inside inside.cc "$COFFER_BUILD/enclave/sdk/libcoffer_enclave.a"
sign inside --debug --heap-max 64M --threads 4
host() { g++ -std=c++23 -g -O1 -I"$COFFER_ROOT/include" -o "$@" outside.cc "$COFFER_BUILD/lib/libcoffer_host.a" -lssl -lcrypto -lfmt; }
host outside
export COFFER_LIBEXEC=$COFFER_BUILD/libexec/coffer
expect_status 0 ./outside inside.enclave 014
[[ $(sed -n 1,2p out.txt | xargs) == '336 389' ]] || fail "printed $(cat out.txt)"

# A call that the enclave does not survive says in which function it ended; the report has the lines, and the callers up to
# where the host begins.
expect_status 1 ./outside inside.enclave 2
grep -Eq '^the enclave ended during the call: signal 11 at enclave offset 0x[0-9a-f]+ in store\(int volatile\*\)\+0x' out.txt ||
  fail "said: $(cat out.txt)"
report=$(tail -n 1 out.txt)
expect_status 0 "$COFFER" symbolize "$report"
grep -Eq '^#0 .* store\(int volatile\*\)\+0x[0-9a-f]+ in program at .*inside.cc:18' out.txt || fail "explained: $(cat out.txt)"
grep -Eq '^#1 .* handle\(.* in program at .*inside.cc:23' out.txt || fail "explained: $(cat out.txt)"
! grep -Eq ' \?' out.txt || fail "frames of nobody's: $(cat out.txt)"

debug() {  # HOST ARGUMENTS: with the commands of the file `commands`, fed as a person would
  timeout 120 gdb -q -nh --args "$@" <commands >gdb.txt 2>&1 || fail "gdb ended with $?: $(cat gdb.txt)"
  sed -E -i 's/^(\(gdb\) )+//' gdb.txt
}
saw() { grep -Eq -- "$1" gdb.txt || fail "no '$1' in: $(cat gdb.txt)"; }
# The functions of the innermost stack that was printed after the line that matches the first argument come in this order.
stack_after() {
  local from=$1 stack at=1 name line
  shift
  stack=$(sed -n "/$from/,\$p" gdb.txt | awk '/^#0 / { n++ } n == 1 && !/^#/ { n = 2 } n == 1 { print }')
  for name in "$@"; do
    line=$(tail -n "+$at" <<<"$stack" | grep -nEm1 "(^| )$name ?\(" | cut -d: -f1) || true
    [[ -n $line ]] || fail "no $name from frame $at on in the stack after '$from': $stack"
    at=$((at + line))
  done
}

cat >commands <<'COMMANDS'
set breakpoint pending on
set confirm off
set width 0
break compute
run
backtrace
print global_counter
print first
info breakpoints
delete
break inside.cc:10
continue
info locals
finish
delete
break answer_enclave
continue
backtrace
break compute
continue
backtrace
delete
continue
quit
COMMANDS
host outside-fixed -no-pie
for program in outside outside-fixed; do
  debug "./$program" inside.enclave 01
  ! grep -q 'received signal' gdb.txt || fail "$program: GDB stopped at a signal: $(cat gdb.txt)"
  saw 'hit Breakpoint 1, compute \(first=.*20, second=.*22\) at inside.cc:[89]'
  stack_after 'hit Breakpoint 1, ' compute handle coffer_ecall_inside coffer_ecall coffer::Enclave::call call main
  saw '\$1 = 7$'
  saw '\$2 = 20$'
  saw 'hit Breakpoint 2, compute .* at inside.cc:10'
  saw '^local_sum = 42$'
  saw 'Value returned is \$3 = 336'
  saw 'hit Breakpoint 3, answer_enclave \(value=5\) at outside.cc'
  stack_after 'hit Breakpoint 3, ' answer_enclave coffer_ocall_handler coffer_ocall ask_host handle coffer_ecall_inside \
    coffer_ecall coffer::Enclave::call call main
  # A call from inside the handler: the enclave's frames twice.
  stack_after 'hit Breakpoint 4, ' compute coffer_ecall_inside coffer_ecall coffer::Enclave::call answer_enclave \
    coffer_ocall_handler coffer_ocall ask_host handle coffer_ecall_inside coffer_ecall coffer::Enclave::call call main
  saw '^389$'
  saw 'exited normally'
done

# The session that docs/sdk/debugging.md shows: its commands print what it says, but for numbers of frames, which addresses
# and inlining decide, and for the lines of the host.
snippet docs/sdk/debugging.md session.txt >session.txt
[[ $(head -n 1 session.txt) == 'gdb --args ./host app.enclave' ]] || fail 'the session begins otherwise'
{
  printf 'set confirm off\nset width 0\n'
  sed -n 's/^(gdb) //p' session.txt
  printf 'kill\nquit\n'
} >commands
cp outside host
cp inside app
cp inside.enclave app.enclave
debug ./host app.enclave
for function in $(sed -n 's/^#[0-9]* *\([A-Za-z_:]*\) .*/\1/p' session.txt); do shown+=("$function"); done
((${#shown[@]} >= 7)) || fail 'the session has no stack'
stack_after 'hit Breakpoint 1, ' "${shown[@]}"
while read -r line; do
  line=$(sed -E 's/[][$().*+^]/\\&/g; s/first=/first=.*/; s/second=/second=.*/; s/cc:[89]$/cc:[89]/' <<<"$line")
  saw "$line"
done < <(grep -E '^(Thread|\$1|local_sum)' session.txt)

# A fault of the enclave's own is where GDB stops without being told.
cat >commands <<'COMMANDS'
set confirm off
set width 0
run
backtrace
kill
quit
COMMANDS
debug ./outside inside.enclave 02
[[ $(grep -c 'received signal SIGSEGV' gdb.txt) == 1 ]] || fail "not one SIGSEGV: $(cat gdb.txt)"
saw 'store \(where=.* at inside.cc:18'
stack_after 'received signal SIGSEGV' store handle coffer_ecall_inside coffer_ecall coffer::Enclave::call call main

# An exception that nobody catches is the program's end, at the frame where the host begins; it does not go on there.
cat >commands <<'COMMANDS'
set breakpoint pending on
set confirm off
set width 0
break __cxxabiv1::__terminate
run
backtrace
delete
continue
quit
COMMANDS
debug ./outside inside.enclave 03
stack_after 'hit Breakpoint 1' __cxxabiv1::__terminate '.*__cxa_throw' handle coffer_ecall coffer::Enclave::call call main
saw 'exited with code 01'

# GDB that comes later finds everything too.
mkfifo go
./outside inside.enclave 1 waits <go >waits.txt &
waiting=$!
exec 7>go
wait_for 30 grep -q 'in the handler' waits.txt || fail "it does not wait: $(cat waits.txt)"
timeout 60 gdb -q -nx -batch -ex 'set width 0' -ex 'backtrace' \
  -ex "print 'inside.cc'::global_counter" -ex 'frame function ask_host' -ex 'print global_counter' -p "$waiting" >gdb.txt 2>&1 </dev/null ||
  fail "gdb: $(cat gdb.txt)"
stack_after '#0' answer_enclave coffer_ocall_handler coffer_ocall ask_host handle coffer_ecall coffer::Enclave::call call main
saw '\$1 = 7$'
saw '\$2 = 7$'
echo >&7
wait "$waiting" || fail "the program ended with $?"

# Without the program's file there are no names, and nothing else is different.
mkdir elsewhere
cp inside.enclave elsewhere
cat >commands <<'COMMANDS'
set breakpoint pending on
break compute
run
quit
COMMANDS
debug ./outside elsewhere/inside.enclave 01
saw 'exited normally'
! grep -q 'hit Breakpoint' gdb.txt || fail "a breakpoint without symbols: $(cat gdb.txt)"
export COFFER_SYMBOLS=$PWD/inside
debug ./outside elsewhere/inside.enclave 01
saw 'hit Breakpoint 1, compute'
