# An enclave that dies of a fault leaves a report: a debug one with registers and the chain of calls, a production one with
# pages alone; `coffer symbolize` names functions and lines.
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
cat >program.cc <<'SOURCE'
#include <cstdlib>
#include <cstring>
#include <vector>
volatile int sink;
[[gnu::noinline]] void hurt(char* where) {
  *where = 1;  // LINE OF HURT
  sink = 1;
}
[[gnu::noinline]] void give_up() {
  std::vector<int> some(10);
  sink = some[3];
  std::abort();
}
[[gnu::noinline]] int middle(int argc, char** argv) {
  if (std::strcmp(argv[1], "abort") == 0) give_up();
  hurt(argc > 5 ? argv[0] : reinterpret_cast<char*>(0x1234));
  return sink + 1;
}
int main(int argc, char** argv) { return argc > 1 ? middle(argc, argv) + sink : 0; }
SOURCE
# As people build them: optimised, without frame pointers.
g++ -std=c++20 -g -O2 -fomit-frame-pointer -static-pie -o program program.cc
hurt_line=$(grep -n 'LINE OF HURT' program.cc | cut -d: -f1)
"$COFFER" key new signer.pem >/dev/null
"$COFFER" sign program --key signer.pem --debug -o debug.enclave >/dev/null
"$COFFER" sign program --key signer.pem -o production.enclave >/dev/null
"$COFFER" sign program --key signer.pem --heap-max 32M -o other.enclave >/dev/null
crash() {  # IMAGE WORD STATUS: runs it, leaves the report's path in $report
  expect_status "$3" "$COFFER" run --quiet "$1" -- "$2"
  report=$(sed -n 's/^coffer: crash report: //p' err.txt)
  [[ -f $report ]] || fail "no report: $(cat err.txt)"
  [[ $(stat -c %a "$report") == 600 ]] || fail 'the report is readable by others'
}
value() { python3 -c 'import json, sys; print(eval(sys.argv[1], {"j": json.load(open(sys.argv[2]))}))' "$@"; }

expect_status 0 "$COFFER" run --quiet debug.enclave
[[ ! -e $COFFER_HOME/crashes ]] || fail 'a report without a crash'

crash debug.enclave fault 139
[[ $(value 'j["signal_name"], j["fault_address"], j["granularity"], j["debug"]' "$report") == "('SIGSEGV', '0x1234', 1, True)" ]] ||
  fail "the report: $(head -c 1500 "$report")"
expect_status 0 "$COFFER" symbolize "$report" --program program --image debug.enclave
grep -Eq '^#0 .* hurt\(char\*\)\+0x.* in program at .*program.cc:'"$hurt_line"'$' out.txt || fail "not where it died: $(cat out.txt)"
grep -Eq '^#1 .* middle\(' out.txt || fail "not who called: $(cat out.txt)"
grep -Eq '^#2 .* main' out.txt || fail "not main: $(cat out.txt)"
expect_status 0 "$COFFER" symbolize "$report" --program program --json
[[ $(value '[f["function"] for f in j["frames"]][:2]' out.txt) == "['hurt(char*)', 'middle(int, char**)']" ]] || fail "$(cat out.txt)"
# The same from the address alone, as a log has it.
address=$(value 'j["address"]' "$report")
expect_status 0 "$COFFER" symbolize "$address" --program program --image debug.enclave
grep -q 'hurt(char\*)' out.txt || fail "the address: $(cat out.txt)"

crash debug.enclave abort 134
expect_status 0 "$COFFER" symbolize "$report" --program program --image debug.enclave
grep -q 'give_up()' out.txt && grep -q 'middle(' out.txt || fail "an abort has no calls: $(cat out.txt)"
# The wrong image is refused, and what is no report too.
expect_status 1 "$COFFER" symbolize "$report" --program program --image other.enclave
expect_error_line 'not the image that crashed'
echo '{}' >nothing.json
expect_status 2 "$COFFER" symbolize nothing.json --program program
expect_error_line 'no crash report'
expect_status 2 "$COFFER" symbolize not-an-address
expect_error_line 'neither'

crash production.enclave fault 139
grep -Eq 'registers|stack|backtrace' "$report" && fail 'a production enclave shows its registers'
[[ $(value 'int(j["address"], 16) % 4096, int(j["fault_address"], 16), j["granularity"]' "$report") == '(0, 4096, 4096)' ]] ||
  fail "more than pages: $(cat "$report")"
grep -Eq '0x[0-9a-f]*[1-9a-f][0-9a-f]{0,2}( |$|,)' <(sed -n 's/.*died of signal//p' err.txt | grep -o '0x[0-9a-f]*' | grep -v '000$') &&
  fail "the message tells more than pages: $(cat err.txt)"
expect_status 0 "$COFFER" symbolize "$report" --program program --image production.enclave
grep -q 'hurt(char\*)' out.txt || fail "the page's functions: $(cat out.txt)"

# Bounded: the oldest go.
for ((i = 0; i < 36; ++i)); do status_of "$COFFER" run --quiet debug.enclave -- fault; done
(($(find "$COFFER_HOME/crashes" -name '*.json' | wc -l) == 32)) || fail "reports: $(find "$COFFER_HOME/crashes" | wc -l)"
