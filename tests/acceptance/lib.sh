# Shared by the acceptance tests. Sourced first; not run. The test stands in an empty folder of its own, $COFFER is the
# command, and $COFFER_HOME is a state directory of its own.
set -euo pipefail

fail() {
  echo "FAILED: $*" >&2
  exit 1
}
skip() {
  echo "$*"
  exit 77
}

# status_of COMMAND...: runs it, leaves its exit status in $status, its words in out.txt and err.txt.
status_of() {
  status=0
  "$@" >out.txt 2>err.txt || status=$?
  sed -i '/^coffer: note: /d' err.txt  # what this machine lacks is not the test's business
}
expect_status() {  # EXPECTED COMMAND...
  local expected=$1
  shift
  status_of "$@"
  ((status == expected)) ||
    fail "exit status $status instead of $expected: $*"$'\n'"stdout: $(head -c 2000 out.txt)"$'\n'"stderr: $(head -c 2000 err.txt)"
}
expect_output() {  # EXPECTED: what the last command printed
  [[ $(cat out.txt) == "$1" ]] || fail "printed '$(head -c 2000 out.txt)' instead of '$1'"
}
# The last command's error was one line for a person, which matches the pattern.
expect_error_line() {  # PATTERN
  (($(wc -l <err.txt) == 1)) || fail "not one line on stderr: $(cat err.txt)"
  grep -Eq -- "$1" err.txt || fail "'$(cat err.txt)' does not match '$1'"
}

# compile NAME [FLAGS...] <SOURCE: an ordinary static-pie program.
compile() {
  local name=$1
  shift
  cat >"$name.cc"
  g++ -std=c++20 -O2 -static-pie -o "$name" "$name.cc" "$@"
}
# sign NAME [OPTIONS...]: makes NAME.enclave of the program NAME.
sign() {
  local name=$1
  shift
  [[ -f signer.pem ]] || "$COFFER" key new signer.pem >/dev/null
  "$COFFER" sign "$name" --key signer.pem -o "$name.enclave" "$@" >/dev/null
}

# snippet PAGE NAME: what PAGE, a file of the sources, shows under the comment that names it.
snippet() {
  python3 - "$COFFER_ROOT/$1" "$2" <<'PYTHON' || fail "$1 has no snippet $2"
import pathlib, re, sys
page, name = sys.argv[1:]
found = re.findall(rf"<!-- snippet: {re.escape(name)} -->\n```\w*\n(.*?)```", pathlib.Path(page).read_text(), re.S)
assert len(found) == 1, found
sys.stdout.write(found[0])
PYTHON
}

# family PID: it and every process below it.
family() {
  local child
  echo "$1"
  for child in $(cat "/proc/$1"/task/*/children 2>/dev/null); do family "$child"; done
}
# cell_of PID: the enclave's process below the host program PID.
cell_of() { family "$1" | sed -n 2p; }

# wait_for SECONDS COMMAND...: until the command holds.
wait_for() {
  local tries=$(($1 * 20))
  shift
  while ((tries-- > 0)); do
    "$@" && return 0
    sleep 0.05
  done
  return 1
}
gone() { [[ ! -e /proc/$1 ]] || [[ $(awk '/^State/ { print $2 }' "/proc/$1/status" 2>/dev/null) == Z ]]; }

flip_bit() {  # FROM TO OFFSET
  python3 -c 'import pathlib, sys
content = bytearray(pathlib.Path(sys.argv[1]).read_bytes())
content[int(sys.argv[3])] ^= 1 << (int(sys.argv[3]) % 8)
pathlib.Path(sys.argv[2]).write_bytes(content)' "$@"
}

# debian_program NAME: leaves the program, built from Debian's source package, as ./NAME.
debian_program() {
  "$COFFER_ROOT/scripts/debian-program" "$1" >built.txt 2>why.txt || skip "$(tail -n 1 why.txt)"
  cp "$(cat built.txt)" "$1"
}
# sign_with_work NAME HEAP <MORE: lines for coffer.toml. Makes NAME.enclave of ./NAME with a plain mount of the folder
# $work, by the same path inside and outside, so that what is printed can be the same.
sign_with_work() {
  work=$PWD/work
  {
    printf 'name = "%s"\nheap_max = "%s"\n[[mounts]]\npath = "%s"\nkind = "plain"\n' "$1" "$2" "$work"
    cat
  } >coffer.toml
  sign "$1" --config coffer.toml
}
# expect_past_the_trap FILE...: of all system calls that `coffer run --counters FILE` counted (or `coffer ps --json`), at
# least 99 of 100 needed no trap. Says how many there were.
expect_past_the_trap() {
  python3 - "$@" <<'PYTHON' || fail 'too many system calls trap'
import json, sys
calls = trapped = 0
for name in sys.argv[1:]:
    with open(name) as file: content = json.load(file)
    for enclave in content if isinstance(content, list) else [content]:
        calls += enclave["counters"]["system_calls"]
        trapped += enclave["counters"]["system_calls_trapped"]
share = 1 - trapped / calls if calls else 0
print(f"{calls} system calls, {trapped} trapped: {share:.3%} past the trap")
sys.exit(share < 0.99)
PYTHON
}
